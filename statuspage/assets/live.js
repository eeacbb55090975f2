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

  // What is open stays open, and its summary keeps the focus.
  function replaceChildren(part, next) {
    const of = e => e.closest("details").dataset.of;
    const open = new Set([...part.querySelectorAll("details[open]")].map(of));
    const active = document.activeElement;
    const focused = active !== part && part.contains(active) ? of(active) : null;
    part.replaceChildren(...document.adoptNode(next).childNodes);
    for (const details of part.querySelectorAll("details")) {
      details.open = open.has(details.dataset.of);
      if (details.dataset.of === focused) { details.firstChild.focus({ preventScroll: true }); }
    }
  }

  function replace(fresh) {
    const active = document.activeElement, selection = getSelection();
    for (const part of document.querySelectorAll("[data-live]")) {
      const next = fresh.getElementById(part.id);
      const used = part !== active && part.contains(active) && active.tagName !== "SUMMARY" ||
        selection && !selection.isCollapsed && part.contains(selection.anchorNode);
      if (next && !used) {
        replaceChildren(part, next);
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
