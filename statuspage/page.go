package statuspage

import (
	"bytes"
	"cmp"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/e3431adc/memberlist/internal/printable"
)

// page is what the template shows.
type page struct {
	*Status
	Title   string
	Version string // of the assets
	Rows    []*Member
	Events  []Event
	Filter  filter
	Columns []column
	States  []string
	Options Options
	Totals  []number
	Rates   []number
	Queues  []number
	Dropped []number
}

// filter is the choice of members and their order, as it is in the query.
type filter struct {
	Text  string // in a name, address or metadata
	State string // "" for all
	Sort  string // the key of a column
	Desc  bool
}

// states are the names of states.
var states = []string{"alive", "suspect", "dead", "left"}

// column is a column of the table of members.
type column struct {
	Key, Title string
	Order      string // for aria-sort
	Link       string
}

// number is a named value.
type number struct{ Name, Value string }

// order is a column of members, and their order by it.
type order struct {
	key, title string
	compare    func(a, b *Member) int
}

var columns = []order{
	{"name", "Name", func(a, b *Member) int { return strings.Compare(a.Name, b.Name) }},
	{"state", "State", func(a, b *Member) int { return strings.Compare(a.State, b.State) }},
	{"since", "Since", func(a, b *Member) int { return a.Since.Compare(b.Since) }},
	{"address", "Address", func(a, b *Member) int { return strings.Compare(a.Address, b.Address) }},
	{"rtt", "Round trip", func(a, b *Member) int { return cmp.Compare(a.RTT, b.RTT) }},
	{"reach", "Packets, streams", func(a, b *Member) int { return cmp.Compare(a.failures(), b.failures()) }},
	{"incarnation", "Incarnation", func(a, b *Member) int { return cmp.Compare(a.Incarnation, b.Incarnation) }},
	{"meta", "Metadata", func(a, b *Member) int { return bytes.Compare(a.Meta, b.Meta) }},
}

func (m *Member) failures() int { return m.Packets.Failures + m.Streams.Failures }

var pageTemplate = template.Must(template.New("page.html").Funcs(template.FuncMap{
	"name":   printable.Name,
	"encode": encodeName,
	"clock":  clock,
	"ago":    ago,
	"rtt":    rttText,
	"path":   pathText,
}).ParseFS(files, "assets/page.html"))

func (h *handler) servePage(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	s := h.status()
	p := &page{Status: s, Title: h.options.Title, Version: assetVersion, Events: s.Events, States: states, Options: h.options,
		Filter: newFilter(query)}
	p.Rows = p.Filter.choose(h, s.Members)
	for _, c := range columns {
		p.Columns = append(p.Columns, p.Filter.column(c.key, c.title))
	}
	p.Totals, p.Dropped, p.Queues = numbers(s.Self.Totals), numbers(s.Self.Dropped), numbers(s.Self.Queues)
	for _, name := range sortedKeys(s.Self.Rates) {
		p.Rates = append(p.Rates, number{label(name), strconv.FormatFloat(s.Self.Rates[name], 'f', 1, 64)})
	}
	var out bytes.Buffer
	if err := pageTemplate.Execute(&out, &view{page: p, meta: h.metaText}); err != nil {
		http.Error(w, "the page cannot be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = out.WriteTo(w) // the client has gone
}

// view adds to a page what needs the handler.
type view struct {
	*page
	meta func(*Member) string
}

// MetaText returns the metadata of a member as it is shown.
func (v *view) MetaText(m *Member) string { return v.meta(m) }

// maxMetaText is the number of bytes of metadata that are shown without a formatter.
const maxMetaText = 512

func (h *handler) metaText(m *Member) string {
	switch {
	case h.options.Meta != nil && m.node != nil:
		return printable.Text(h.options.Meta(m.node))
	case len(m.Meta) == 0:
		return ""
	}
	return strconv.QuoteToGraphic(string(m.Meta[:min(len(m.Meta), maxMetaText)]))
}

// newFilter reads a query. What it does not understand is left out.
func newFilter(query url.Values) filter {
	f := filter{Text: query.Get("q"), State: query.Get("state"), Sort: query.Get("sort"), Desc: query.Get("desc") == "1"}
	if !slices.Contains(states, f.State) {
		f.State = ""
	}
	if !slices.ContainsFunc(columns, func(o order) bool { return o.key == f.Sort }) {
		f.Sort = "name"
	}
	return f
}

// choose returns the members to show, in their order.
func (f *filter) choose(h *handler, members []Member) []*Member {
	rows := make([]*Member, 0, len(members))
	text := strings.ToLower(f.Text)
	for i := range members {
		m := &members[i]
		if f.State != "" && m.State != f.State || text != "" && !h.matches(m, text) {
			continue
		}
		rows = append(rows, m)
	}
	for _, c := range columns {
		if c.key == f.Sort {
			slices.SortStableFunc(rows, c.compare)
		}
	}
	if f.Desc {
		slices.Reverse(rows)
	}
	return rows
}

// matches reports whether a text in lower case is in what is shown of a member.
func (h *handler) matches(m *Member, text string) bool {
	for _, shown := range []string{m.Name, m.Address, h.metaText(m)} {
		if strings.Contains(strings.ToLower(shown), text) {
			return true
		}
	}
	return false
}

// column returns a column's heading, whose link sorts by it, or turns the order around.
func (f *filter) column(key, title string) column {
	c := column{Key: key, Title: title}
	link := url.Values{"sort": {key}}
	if f.Sort == key {
		c.Order = "ascending"
		if f.Desc {
			c.Order = "descending"
		} else {
			link.Set("desc", "1")
		}
	}
	if f.Text != "" {
		link.Set("q", f.Text)
	}
	if f.State != "" {
		link.Set("state", f.State)
	}
	c.Link = "?" + link.Encode()
	return c
}

// sortedKeys returns the keys of a map in order.
func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func numbers[V int | uint64](m map[string]V) (list []number) {
	for _, name := range sortedKeys(m) {
		list = append(list, number{label(name), strconv.FormatUint(uint64(m[name]), 10)})
	}
	return list
}

// reasons are the reasons for drops as they are shown.
var reasons = map[string]string{
	"label": "another label", "decrypt": "no key decrypts it", "checksum": "damaged on the way", "decode": "malformed",
	"cidr": "outside the allowed networks", "queue_full": "too many messages waited", "oversize": "too large",
	"overload": "too many at once", "stranger": "from or about no member",
	"unconfirmed": "members that only strangers assert",
}

// label returns a name of JSON as it is shown.
func label(name string) string {
	if reason, ok := reasons[name]; ok {
		return reason
	}
	return strings.ReplaceAll(name, "_", " ")
}

func clock(t time.Time) string { return t.Format(time.TimeOnly) }

// ago returns how long ago something was, roughly.
func ago(now, then time.Time) string {
	if then.IsZero() {
		return "never"
	}
	d := max(now.Sub(then), 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s ago", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	}
	return fmt.Sprintf("%d days ago", int(d.Hours()/24))
}

func rttText(seconds float64) string {
	if seconds == 0 {
		return ""
	}
	return strconv.FormatFloat(seconds*1000, 'f', 2, 64) + " ms"
}

// pathText returns in a word how packets or streams reach a member.
func pathText(p Path) string {
	switch {
	case p.Failing:
		return "failing"
	case p.Failures > 0:
		return "doubtful"
	case p.Last.IsZero():
		return "untried"
	}
	return "ok"
}

// group is some numbers with a heading.
type group struct {
	Title   string
	Numbers []number
}

// Group returns a group for the template.
func (v *view) Group(title string, numbers []number) group { return group{title, numbers} }
