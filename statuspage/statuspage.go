// Package statuspage shows a member and what it knows of its cluster, as a page for people and as JSON for programs:
//
//	http.Handle("/cluster", statuspage.Handler(list, statuspage.Options{}))
//
// The page has this member, all known members, the last events, and what was dropped and why. It follows changes by itself, and
// works without JavaScript too, then without following. ?format=json is a Status. Whoever can open the page sees all of that: names, addresses
// and metadata. Protect it as you protect other pages for operators.
package statuspage

import (
	"embed"
	"hash/fnv"
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/e3431adc/memberlist"
)

// Options configure a page. The zero value shows everything and changes nothing.
type Options struct {
	// Title is the heading of the page. Empty: "Cluster".
	Title string

	// Meta formats the metadata of a member for the page. It is called concurrently, for each member that is shown. Nil: a text in
	// quotes.
	Meta func(*memberlist.Node) string

	// Keyring, if it is that of the member, adds the fingerprints of its keys and their usage.
	Keyring *memberlist.Keyring

	// AllowForget, AllowForceLeave and AllowLeave add buttons to the page that call Forget and ForceLeave for dead members, and
	// Leave. Requests that a browser sends from another site are refused; whoever can open the page may use them.
	AllowForget, AllowForceLeave, AllowLeave bool
}

// Handler returns a handler that shows a member. It can be mounted at any path: all requests go to that path, and differ by their
// query only. It subscribes to events at once, and until the member is shut down.
func Handler(list *memberlist.Memberlist, options Options) http.Handler {
	if options.Title == "" {
		options.Title = "Cluster"
	}
	h := &handler{list: list, options: options, history: newHistory(list), origins: http.NewCrossOriginProtection()}
	h.rates.start(list.Stats())
	return h
}

type handler struct {
	list    *memberlist.Memberlist
	options Options
	history *history
	rates   rates

	followers atomic.Int32
	origins   *http.CrossOriginProtection
}

//go:embed assets
var files embed.FS

// assets are the files that the page loads, by the name in the query.
var assets = map[string]struct{ file, kind string }{
	"style.css": {"assets/style.css", "text/css; charset=utf-8"},
	"live.js":   {"assets/live.js", "text/javascript; charset=utf-8"},
	"icon.svg":  {"assets/icon.svg", "image/svg+xml"},
}

// policy allows what the page has, and nothing that could come from elsewhere or from within it.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'"

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cache-Control", "no-store")
	query := r.URL.Query()
	switch {
	case r.Method == http.MethodPost:
		h.act(w, r)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		header.Set("Allow", "GET, HEAD, POST")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	case query.Has("asset"):
		serveAsset(w, r, query.Get("asset"))
	case query.Has("follow"):
		h.follow(w, r)
	case query.Get("format") == "json":
		h.serveJSON(w)
	case query.Get("format") != "" && query.Get("format") != "html":
		http.Error(w, "no such format: html and json are there", http.StatusBadRequest)
	default:
		h.servePage(w, r)
	}
}

func serveAsset(w http.ResponseWriter, r *http.Request, name string) {
	asset, ok := assets[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	content, err := files.ReadFile(asset.file)
	if err != nil {
		http.Error(w, "not readable", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", asset.kind)
	w.Header().Set("Cache-Control", "public, max-age=86400") // the page names its version
	w.Write(content)
}

// assetVersion is in the addresses of assets, so that browsers do not use those of another version.
var assetVersion = func() string {
	sum := fnv.New32a()
	for _, name := range []string{"style.css", "live.js", "icon.svg"} {
		content, _ := files.ReadFile(assets[name].file)
		sum.Write(content)
	}
	return strconv.FormatUint(uint64(sum.Sum32()), 36)
}()
