// Follows changes: on each message, the page is fetched again and the parts marked with data-live are replaced. The query stays, and
// with it filter and order. Parts in which the user is working are left alone.
"use strict";
(() => {
  const status = document.getElementById("live");
  const address = new URL(location.href);
  address.hash = "";
  const follow = new URL(address);
  follow.search = "?follow";
  let busy = false, again = false;

  function pause() {
    return document.querySelectorAll("#members tr").length > 1000 ? 5000 : 1000;
  }

  function replace(fresh) {
    for (const part of document.querySelectorAll("[data-live]")) {
      const next = fresh.getElementById(part.id);
      const selection = getSelection();
      const used = part !== document.activeElement && part.contains(document.activeElement) ||
        selection && !selection.isCollapsed && part.contains(selection.anchorNode);
      if (next && !used) {
        part.replaceChildren(...document.adoptNode(next).childNodes);
      }
    }
  }

  async function refresh() {
    if (busy) { again = true; return; }
    busy = true;
    try {
      const answer = await fetch(address, { cache: "no-store", credentials: "same-origin" });
      if (!answer.ok) { throw new Error(answer.status); }
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      replace(fresh);
      status.textContent = fresh.getElementById("live").textContent + ", following";
    } catch {
      status.textContent = "No answer since " + new Date().toLocaleTimeString();
    }
    setTimeout(() => { busy = false; if (again) { again = false; refresh(); } }, pause());
  }

  const source = new EventSource(follow);
  source.onmessage = refresh;
  source.onerror = () => { status.textContent = "Not following: trying to connect"; };
})();
