package browser

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/statuspage"
)

// patience is the time limit of a test, on a machine that has other things to do.
const patience = 2 * time.Minute

// tab is a browser's tab, and what went wrong in it.
type tab struct {
	*testing.T
	ctx context.Context

	mu       sync.Mutex
	problems []string // alerts, exceptions and violations of the policy
}

func newTab(t *testing.T) *tab {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skip("there is no chromium here")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &tab{T: t, ctx: ctx}
	chromedp.ListenTarget(ctx, b.listen)
	b.run(log.Enable(), runtime.Enable())
	return b
}

func (b *tab) listen(event any) {
	note := func(problem string) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.problems = append(b.problems, problem)
	}
	switch e := event.(type) {
	case *page.EventJavascriptDialogOpening:
		note("dialog: " + e.Message)
		go chromedp.Run(b.ctx, page.HandleJavaScriptDialog(true)) // ends with the browser
	case *runtime.EventExceptionThrown:
		note("exception: " + e.ExceptionDetails.Error())
	case *log.EventEntryAdded:
		if e.Entry.Level == log.LevelError && !strings.Contains(e.Entry.Text, "net::ERR_") {
			note("log: " + e.Entry.Text)
		}
	}
}

// run does actions, one after the other. One whose element the page replaced after it was found is done again.
func (b *tab) run(actions ...chromedp.Action) {
	b.Helper()
	for _, action := range actions {
		err := chromedp.Run(b.ctx, action)
		for range 10 {
			if err == nil || !strings.Contains(err.Error(), "Could not find node") {
				break
			}
			err = chromedp.Run(b.ctx, action)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

// texts returns the texts of the elements that a selector finds.
func (b *tab) texts(selector string) (texts []string) {
	b.Helper()
	b.run(chromedp.Evaluate(fmt.Sprintf("[...document.querySelectorAll(%q)].map(e => e.innerText)", selector), &texts))
	return texts
}

// await waits until a condition of JavaScript is true.
func (b *tab) await(condition string) {
	b.Helper()
	for {
		var met bool
		b.run(chromedp.Evaluate("Boolean("+condition+")", &met))
		if met {
			return
		}
		b.run(chromedp.Sleep(100 * time.Millisecond))
	}
}

// healthy fails the test if there was a problem.
func (b *tab) healthy() {
	b.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.problems {
		b.Error(p)
	}
}

func startMember(t *testing.T, name, meta string) *memberlist.Memberlist {
	t.Helper()
	c := memberlist.DefaultLocalConfig()
	c.Name, c.BindAddr, c.BindPort, c.LogOutput, c.Delegate = name, "127.0.0.1", 0, io.Discard, delegate{meta: meta}
	c.ProbeInterval, c.ProbeTimeout, c.SuspicionMult = 300*time.Millisecond, 100*time.Millisecond, 3
	m, err := memberlist.Create(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Shutdown() })
	return m
}

type delegate struct {
	memberlist.Delegate
	meta string
}

func (d delegate) NodeMeta(int) []byte           { return []byte(d.meta) }
func (delegate) NotifyMsg([]byte)                {}
func (delegate) GetBroadcasts(int, int) [][]byte { return nil }
func (delegate) LocalState(bool) []byte          { return nil }
func (delegate) MergeRemoteState([]byte, bool)   {}

// serve serves the page of a cluster below a prefix, as a program would.
func serve(t *testing.T, options statuspage.Options, names ...string) (members []*memberlist.Memberlist, address string) {
	t.Helper()
	for i, name := range names {
		members = append(members, startMember(t, name, fmt.Sprintf("zone=%d", i)))
		if i == 0 {
			mux := http.NewServeMux()
			mux.Handle("/ops/cluster/", http.StripPrefix("/ops/cluster", statuspage.Handler(members[0], options)))
			server := httptest.NewServer(mux)
			t.Cleanup(server.Close)
			t.Cleanup(server.CloseClientConnections) // those that follow
			address = server.URL + "/ops/cluster/"
			continue
		}
		if _, err := members[i].Join([]string{members[0].LocalNode().Address()}); err != nil {
			t.Fatal(err)
		}
	}
	return members, address
}

// TestCrash: the page follows a crash by itself, and a filter stays while it does.
func TestCrash(t *testing.T) {
	b := newTab(t)
	members, address := serve(t, statuspage.Options{AllowForget: true}, "alpha", "beta", "gamma")
	b.run(chromedp.Navigate(address))
	b.await(`document.getElementById("live").textContent.includes("following")`)
	if got := b.texts("#members tbody th"); len(got) != 3 || !strings.HasPrefix(got[0], "alpha") {
		t.Errorf("got members %q", got)
	}
	members[2].Shutdown()
	b.await(`document.querySelector("#members tr.dead")?.innerText.includes("gamma")`)
	b.await(`document.querySelector("#events li.fail")?.innerText.includes("gamma")`)

	// Why: in short, and all of it when it is opened. It stays open, and in focus, while the page follows.
	why := `document.querySelector("#members tr.dead details")`
	head := b.texts("#members tr.dead summary")
	if len(head) != 1 || head[0] == "" || strings.Contains(head[0], ";") {
		t.Fatalf("why: %q", head)
	}
	b.run(chromedp.Focus("#members tr.dead summary", chromedp.ByQuery), chromedp.KeyEvent(kb.Enter))
	b.await(why + `?.open && ` + why + fmt.Sprintf(`.innerText.length > %d`, len(head[0])+10))
	b.run(chromedp.Evaluate(why+`.id = "old"`, nil))
	members[1].Shutdown()
	b.await(`document.querySelectorAll("#members tr.dead").length === 2 && !document.getElementById("old")`)
	b.await(`document.querySelectorAll("#members details[open]").length === 1 && document.activeElement.tagName === "SUMMARY"`)
	b.fits(360)
	b.fits(1440)

	// Forgotten by its button, from the page's own origin.
	b.run(chromedp.Click(`#members tr.dead button`, chromedp.ByQuery))
	b.await(`document.readyState === "complete" && document.querySelectorAll("#members tbody tr").length === 2 && document.querySelectorAll("#members tr.dead").length === 1`)
	b.healthy()
}

// TestFilterAndSort: by mouse and by keyboard, and the choice outlasts an update.
func TestFilterAndSort(t *testing.T) {
	b := newTab(t)
	members, address := serve(t, statuspage.Options{}, "alpha", "beta", "gamma")
	b.run(chromedp.Navigate(address), chromedp.Click(`#members thead th:first-child a`, chromedp.ByQuery))
	b.await(`document.querySelector("#members tbody th")?.innerText.startsWith("gamma")`)
	b.await(`document.querySelector("#members thead th").getAttribute("aria-sort") === "descending"`)

	b.run(chromedp.Focus("#q", chromedp.ByQuery), chromedp.SendKeys("#q", "zone=1"+kb.Enter, chromedp.ByQuery))
	b.await(`document.querySelectorAll("#members tbody tr").length === 1`)
	if got := b.texts("#members tbody th"); len(got) != 1 || got[0] != "beta" {
		t.Errorf("got members %q", got)
	}
	b.await(`document.getElementById("live").textContent.includes("following")`)
	members[1].Shutdown()
	b.await(`document.querySelector("#members tr.dead")?.innerText.includes("beta")`)
	if got := b.texts("#members tbody th"); len(got) != 1 {
		t.Errorf("the filter is gone: %q", got)
	}
	b.healthy()
}

// TestNothingRuns: names and metadata that are scripts do not run, and change nothing else on the page.
func TestNothingRuns(t *testing.T) {
	b := newTab(t)
	names := []string{"alpha", `<script>alert(1)</script>`, `"><img src=x onerror=alert(2)>`, "\u202egnp.exe", strings.Repeat("w", 400), "a\nb\x00"}
	_, address := serve(t, statuspage.Options{Title: "<b>Title</b>", AllowForget: true, AllowForceLeave: true, AllowLeave: true,
		Meta: func(n *memberlist.Node) string { return "<script>alert(3)</script>" + n.Name }}, names...)
	b.run(chromedp.Navigate(address))
	b.await(`document.getElementById("live").textContent.includes("following")`)
	b.await(fmt.Sprintf(`document.querySelectorAll("#members tbody tr").length === %d`, len(names)))
	var scripts, images int
	b.run(chromedp.Evaluate(`document.scripts.length`, &scripts), chromedp.Evaluate(`document.images.length`, &images))
	if scripts != 1 || images != 0 {
		t.Errorf("the page has %d scripts and %d images", scripts, images)
	}
	if got := b.texts("h1"); !slices.Equal(got, []string{"<b>Title</b>"}) {
		t.Errorf("got heading %q", got)
	}
	b.fits(360)
	b.fits(1440)
	b.healthy()
}

// fits fails unless the page can be read at a width without scrolling sideways.
func (b *tab) fits(width int64) {
	b.Helper()
	var scroll int64
	b.run(chromedp.EmulateViewport(width, 900), chromedp.Evaluate(`document.documentElement.scrollWidth`, &scroll))
	if scroll > width {
		b.Errorf("at %d pixels the page is %d wide", width, scroll)
	}
}

// TestWithoutJavaScript: everything but following works.
func TestWithoutJavaScript(t *testing.T) {
	b := newTab(t)
	_, address := serve(t, statuspage.Options{}, "alpha", "beta")
	b.run(emulation.SetScriptExecutionDisabled(true), chromedp.Navigate(address+"?sort=name&desc=1"))
	var first string
	b.run(chromedp.Text("#members tbody th", &first, chromedp.ByQuery))
	if first != "beta" {
		t.Errorf("got %q first", first)
	}
	b.run(chromedp.SendKeys("#q", "alpha"+kb.Enter, chromedp.ByQuery), chromedp.WaitVisible("#q[value=alpha]", chromedp.ByQuery),
		chromedp.Text("#members tbody th", &first, chromedp.ByQuery))
	if !strings.HasPrefix(first, "alpha") {
		t.Errorf("got %q", first)
	}
	b.healthy()
}

// TestAccessible: what a screen reader and a keyboard need.
func TestAccessible(t *testing.T) {
	b := newTab(t)
	_, address := serve(t, statuspage.Options{AllowLeave: true}, "alpha", "beta")
	b.run(chromedp.Navigate(address))
	for _, condition := range []string{
		`document.documentElement.lang === "en" && document.title !== ""`,
		`[...document.querySelectorAll("input:not([type=hidden]), select")].every(e => e.labels.length === 1)`,
		`[...document.querySelectorAll("section")].every(e => document.getElementById(e.getAttribute("aria-labelledby")))`,
		`document.querySelectorAll("h1").length === 1`,
		`document.querySelector("#live").getAttribute("role") === "status"`,
		`[...document.querySelectorAll("button")].every(e => e.innerText || e.ariaLabel)`,
	} {
		var met bool
		b.run(chromedp.Evaluate("Boolean("+condition+")", &met))
		if !met {
			t.Errorf("not so: %s", condition)
		}
	}
	b.run(chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter))
	b.await(`document.activeElement.id === "members"`)
	// Texts have a contrast of at least 4.5 to what is behind them, in both schemes.
	for _, scheme := range []string{"light", "dark"} {
		b.scheme(scheme)
		var low []string
		b.run(chromedp.Evaluate(contrasts, &low))
		if len(low) > 0 {
			t.Errorf("%s: too little contrast: %q", scheme, low)
		}
	}
	b.healthy()
}

func (b *tab) scheme(scheme string) {
	b.Helper()
	b.run(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}))
}

// contrasts returns the texts whose contrast is too low (WCAG 2.1, 1.4.3).
const contrasts = `(() => {
  const parse = c => c.match(/[\d.]+/g).map(Number);
  const light = c => { const [r, g, b] = c.slice(0, 3).map(v => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; });
    return .2126 * r + .7152 * g + .0722 * b; };
  const behind = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
  const low = [];
  for (const e of document.querySelectorAll("body *")) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
    const a = light(parse(getComputedStyle(e).color)), b = light(behind(e));
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) low.push(e.innerText.slice(0, 40) + " " + ratio.toFixed(2));
  }
  return low;
})()`

// TestScreenshots writes the page at both widths, in light and dark, into the folder that SCREENSHOTS names.
func TestScreenshots(t *testing.T) {
	folder := os.Getenv("SCREENSHOTS")
	if folder == "" {
		t.Skip("SCREENSHOTS names no folder")
	}
	b := newTab(t)
	members, address := serve(t, statuspage.Options{AllowForget: true, AllowForceLeave: true, AllowLeave: true},
		"db-1.eu", "db-2.eu", "web-1.eu", "web-2.eu", `<script>alert(1)</script>`, "\u202egnp.exe", strings.Repeat("long", 100), "cache-1")
	members[7].Shutdown()
	if err := members[3].Leave(time.Second); err != nil {
		t.Fatal(err)
	}
	b.run(chromedp.Navigate(address))
	b.await(`document.querySelectorAll("#members tr.dead").length === 1`)
	b.run(chromedp.Evaluate(`document.querySelector("#members tr.dead details").open = true`, nil))
	for _, width := range []int64{360, 1440} {
		for _, scheme := range []string{"light", "dark"} {
			b.scheme(scheme)
			var picture []byte
			b.run(chromedp.EmulateViewport(width, 900), chromedp.FullScreenshot(&picture, 100))
			if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%d-%s.png", width, scheme)), picture, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	b.healthy()
}
