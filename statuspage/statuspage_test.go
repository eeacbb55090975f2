package statuspage

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/internal/wire"
)

// meta is a delegate with metadata.
type meta struct {
	memberlist.Delegate
	text string
}

func (m meta) NodeMeta(int) []byte           { return []byte(m.text) }
func (meta) NotifyMsg([]byte)                {}
func (meta) GetBroadcasts(int, int) [][]byte { return nil }
func (meta) LocalState(bool) []byte          { return nil }
func (meta) MergeRemoteState([]byte, bool)   {}

func startMember(t *testing.T, network *memberlist.MockNetwork, name, text string) *memberlist.Memberlist {
	t.Helper()
	c := memberlist.DefaultLANConfig()
	c.Name, c.LogOutput, c.Transport, c.Delegate = name, io.Discard, network.NewTransport(name), meta{text: text}
	m, err := memberlist.Create(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Shutdown() })
	return m
}

func join(t *testing.T, m, to *memberlist.Memberlist) {
	t.Helper()
	if _, err := m.Join([]string{to.LocalNode().Address()}); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, h http.Handler, target string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
	return w
}

func status(t *testing.T, h http.Handler) (s Status) {
	t.Helper()
	w := get(t, h, "/?format=json")
	if err := json.Unmarshal(w.Body.Bytes(), &s); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	return s
}

// TestPage: the page and the JSON of a cluster in which a member has failed.
func TestPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := new(memberlist.MockNetwork)
		a, b := startMember(t, network, "a", "zone=1"), startMember(t, network, "b", "zone=2")
		h := Handler(a, Options{Title: "Test cluster"})
		join(t, b, a)
		time.Sleep(10 * time.Second)
		if s := status(t, h); !s.Self.Settled || s.Self.Counts["alive"] != 2 || s.Self.Rates["packets_sent"] <= 0 {
			t.Errorf("got %+v", s.Self)
		}
		b.Shutdown()
		time.Sleep(20 * time.Second)

		s := status(t, h)
		if s.Self.Name != "a" || s.Self.Checksum != fmt.Sprintf("%016x", a.ViewChecksum()) || s.Self.Counts["dead"] != 1 {
			t.Errorf("got %+v", s.Self)
		}
		if len(s.Members) != 2 || s.Members[1].Name != "b" || s.Members[1].State != "dead" || string(s.Members[1].Meta) != "zone=2" ||
			!s.Members[1].Packets.Failing || !s.Members[0].Self {
			t.Errorf("got %+v", s.Members)
		}
		var kinds []string
		for _, e := range s.Events {
			kinds = append(kinds, e.Kind)
		}
		if !slices.Contains(kinds, "fail") || kinds[len(kinds)-1] != "join" {
			t.Errorf("got events %q", kinds)
		}
		w := get(t, h, "/")
		for _, want := range []string{"Test cluster", "<bdi>b</bdi>", "zone=2", s.Self.Checksum, "<strong>fail</strong>", "failing"} {
			if !strings.Contains(w.Body.String(), want) {
				t.Errorf("the page has no %q", want)
			}
		}
		if w.Header().Get("Content-Security-Policy") != policy || strings.Contains(policy, "unsafe") {
			t.Error("no policy, or an unsafe one")
		}
		if strings.Contains(w.Body.String(), "<button class=\"danger\"") || strings.Contains(w.Body.String(), `value="forget"`) {
			t.Error("actions are offered though none is allowed")
		}
	})
}

// TestFieldsOfJSON: the names of fields are documented, and do not change.
func TestFieldsOfJSON(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := new(memberlist.MockNetwork)
		a := startMember(t, network, "a", "")
		h := Handler(a, Options{})
		join(t, startMember(t, network, "b", ""), a)
		synctest.Wait()
		var all map[string]any
		if err := json.Unmarshal(get(t, h, "/?format=json").Body.Bytes(), &all); err != nil {
			t.Fatal(err)
		}
		keys := func(v any) string { return strings.Join(sortedKeys(v.(map[string]any)), " ") }
		first := func(v any) any { return v.([]any)[0] }
		self := all["self"].(map[string]any)
		for _, tt := range []struct{ what, got, want string }{
			{"all", keys(all), "events members self time"},
			{"self", keys(self), "address checksum counts dropped encryption health labels name protocol queues rates settled totals version"},
			{"member", keys(first(all["members"])), "address incarnation meta name packets protocol rtt self since state streams zone"},
			{"path", keys(first(all["members"]).(map[string]any)["packets"]), "failing failures"},
			{"event", keys(first(all["events"])), "address kind name time"},
			{"counts", keys(self["counts"]), "alive dead left suspect"},
			{"queues", keys(self["queues"]), "broadcasts events membership_messages user_messages"},
			{"dropped", keys(self["dropped"]), "checksum cidr decode decrypt label overload oversize queue_full stranger unconfirmed"},
			{"rates", keys(self["rates"]), "packet_bytes_received packet_bytes_sent packets_received packets_sent stream_bytes_sent"},
		} {
			if tt.got != tt.want {
				t.Errorf("%s: got %s, want %s", tt.what, tt.got, tt.want)
			}
		}
	})
}

// TestEvidenceShown: the history, and the JSON of events and members, tell why a member failed.
func TestEvidenceShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := new(memberlist.MockNetwork)
		a := startMember(t, network, "a", "")
		h := Handler(a, Options{})
		b := startMember(t, network, "b", "")
		join(t, b, a)
		b.Shutdown()
		time.Sleep(20 * time.Second)
		s := status(t, h)
		dead := s.Members[1]
		if dead.State != "dead" || dead.Evidence == nil || dead.Evidence.Probe == nil || dead.Evidence.Probe.Stream != "refused" {
			t.Fatalf("member %+v, evidence %+v", dead, dead.Evidence)
		}
		i := slices.IndexFunc(s.Events, func(e Event) bool { return e.Kind == "fail" })
		if i < 0 || s.Events[i].Evidence == nil || s.Events[i].Evidence.Cause != dead.Evidence.Cause || !slices.Contains(s.Events[i].Details, dead.Evidence.Summary) {
			t.Errorf("events %+v", s.Events)
		}
		head, _, _ := strings.Cut(dead.Evidence.Summary, "; ")
		_, table, _ := strings.Cut(get(t, h, "/").Body.String(), `id="members"`)
		table, events, _ := strings.Cut(table, `id="events"`)
		if want := "<summary>" + head + "</summary>" + dead.Evidence.Summary + "</details>"; !strings.Contains(table, want) || strings.Count(table, "<details") != 1 {
			t.Errorf("the table does not tell why, %q: %s", want, table)
		}
		if !strings.Contains(events, "stream refused") {
			t.Error("the events do not tell why")
		}
	})
}

// hostile are names that must not break the page.
var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, "a\x00\x01\nb", "\u202egnp.exe", strings.Repeat("\u2066", 100), "\xff\xfe",
	strings.Repeat("w", 512), `'; DROP TABLE members; --`, `{{.}}`, "</bdi></table>",
}

// TestHostileNames: names and metadata from the network are text, in one line, of limited length.
func TestHostileNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := new(memberlist.MockNetwork)
		a := startMember(t, network, "a", "")
		h := Handler(a, Options{AllowForget: true, AllowForceLeave: true})
		for _, name := range hostile {
			b := startMember(t, network, name, name)
			join(t, b, a)
		}
		synctest.Wait()
		body := get(t, h, "/").Body.String()
		for _, bad := range []string{"<script>alert", "<img", "\x00", "\u202e", "\u2066", "\xff", strings.Repeat("w", 513), "</bdi></table>"} {
			if strings.Contains(body, bad) {
				t.Errorf("the page has %q", bad)
			}
		}
		if n := strings.Count(body, `<tr role="row" class="alive">`); n != len(hostile)+1 {
			t.Errorf("%d members are shown, want %d", n, len(hostile)+1)
		}
		if s := status(t, h); len(s.Members) != len(hostile)+1 {
			t.Errorf("%d members in JSON, want %d", len(s.Members), len(hostile)+1)
		}
	})
}

// TestChoice: filters and orders of the table.
func TestChoice(t *testing.T) {
	h := &handler{}
	members := []Member{
		{Name: "b", State: "alive", Address: "10.0.0.2:1", RTT: 3, Meta: []byte("red")},
		{Name: "a", State: "dead", Address: "10.0.0.1:1", RTT: 1, Incarnation: 7},
		{Name: "C", State: "alive", Address: "10.0.0.3:1", RTT: 2, Packets: Path{Failures: 4}},
	}
	for _, tt := range []struct{ query, want string }{
		{"", "C a b"},
		{"desc=1", "b a C"},
		{"sort=rtt", "a C b"},
		{"sort=state", "b C a"},
		{"sort=reach&desc=1", "C a b"},
		{"sort=incarnation&desc=1", "a C b"},
		{"state=alive", "C b"},
		{"state=nonsense&sort=nonsense", "C a b"},
		{"q=RED", "b"},
		{"q=0.0.3", "C"},
		{"q=c", "C"},
		{"q=x", ""},
	} {
		query, err := url.ParseQuery(tt.query)
		if err != nil {
			t.Fatal(err)
		}
		f := newFilter(query)
		var names []string
		for _, m := range f.choose(h, members) {
			names = append(names, m.Name)
		}
		if got := strings.Join(names, " "); got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.query, got, tt.want)
		}
	}
}

// TestMounted: the page, its files and its actions are at any path, with the prefix stripped or not.
func TestMounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := startMember(t, new(memberlist.MockNetwork), "a", "")
		h := Handler(a, Options{})
		mux := http.NewServeMux()
		mux.Handle("/exact", h)
		mux.Handle("/below/", h)
		mux.Handle("/stripped/", http.StripPrefix("/stripped", h))
		for _, path := range []string{"/exact", "/below/", "/below/more", "/stripped/"} {
			for query, kind := range map[string]string{"": "text/html", "?asset=style.css": "text/css", "?asset=live.js": "text/javascript",
				"?asset=icon.svg&v=1": "image/svg+xml", "?format=json": "application/json"} {
				w := get(t, mux, path+query)
				if got := w.Header().Get("Content-Type"); w.Code != 200 || !strings.HasPrefix(got, kind) {
					t.Errorf("%s%s: got %d, %s", path, query, w.Code, got)
				}
			}
		}
		for target, want := range map[string]int{"/exact?asset=../page.html": 404, "/exact?asset=": 404, "/exact?format=xml": 400} {
			if w := get(t, mux, target); w.Code != want {
				t.Errorf("%s: got %d, want %d", target, w.Code, want)
			}
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("DELETE", "/", nil))
		if w.Code != http.StatusMethodNotAllowed {
			t.Errorf("DELETE: got %d", w.Code)
		}
	})
}

// TestActions: those that are allowed, from the same origin, and no others.
func TestActions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := new(memberlist.MockNetwork)
		a, b := startMember(t, network, "a", ""), startMember(t, network, "b\r\n\xff", "")
		join(t, b, a)
		b.Shutdown()
		time.Sleep(20 * time.Second)
		post := func(h http.Handler, site, action, member string) *httptest.ResponseRecorder {
			form := url.Values{"action": {action}, "member": {encodeName(member)}}
			r := httptest.NewRequest("POST", "/?sort=state", strings.NewReader(form.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Sec-Fetch-Site", site)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			return w
		}
		none, all := Handler(a, Options{}), Handler(a, Options{AllowForget: true, AllowForceLeave: true, AllowLeave: true})
		if !strings.Contains(get(t, all, "/").Body.String(), `value="`+encodeName("b\r\n\xff")+`"`) {
			t.Error("no buttons for the dead member")
		}
		for _, tt := range []struct {
			name                 string
			h                    http.Handler
			site, action, member string
			want                 int
		}{
			{"not allowed", none, "same-origin", "forget", "b\r\n\xff", 403},
			{"another site", all, "cross-site", "forget", "b\r\n\xff", 403},
			{"another host of the site", all, "same-site", "forget", "b\r\n\xff", 403},
			{"no such action", all, "same-origin", "explode", "b\r\n\xff", 403},
			{"no such member", all, "same-origin", "forget", "c", 409},
			{"a form that is too large", all, "same-origin", "forget", strings.Repeat("c", maxForm), 400},
			{"alive", all, "same-origin", "force-leave", "a", 409},
			{"force leave", all, "same-origin", "force-leave", "b\r\n\xff", 303},
			{"forget", all, "same-origin", "forget", "b\r\n\xff", 303},
			{"leave", all, "same-origin", "leave", "", 303},
		} {
			w := post(tt.h, tt.site, tt.action, tt.member)
			if w.Code != tt.want {
				t.Errorf("%s: got %d %s, want %d", tt.name, w.Code, w.Body, tt.want)
			}
			if tt.want == 303 && w.Header().Get("Location") != "?sort=state" {
				t.Errorf("%s: goes on to %q", tt.name, w.Header().Get("Location"))
			}
		}
		if s := status(t, all); len(s.Members) != 1 || s.Members[0].State != "left" {
			t.Errorf("got %+v", s.Members)
		}
	})
}

// TestFollow: a browser that follows is told of changes, not more than one a second, and the stream ends with the member.
func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := new(memberlist.MockNetwork)
		a := startMember(t, network, "a", "")
		h := Handler(a, Options{})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		near, far := io.Pipe()
		ended := make(chan bool)
		go func() {
			h.ServeHTTP(&streamWriter{w: far, header: http.Header{}}, httptest.NewRequest("GET", "/?follow", nil).WithContext(ctx))
			far.Close()
			close(ended)
		}()
		lines := bufio.NewScanner(near)
		next := func() time.Duration {
			t.Helper()
			began := time.Now()
			if !lines.Scan() || lines.Text() != "data: changed" || !lines.Scan() {
				t.Fatalf("got %q", lines.Text())
			}
			return time.Since(began)
		}
		next()
		if took := next(); took < followIdle {
			t.Errorf("a message after %v though nothing happened", took)
		}
		for _, name := range []string{"b", "c", "d"} {
			join(t, startMember(t, network, name, ""), a)
		}
		if took := next(); took > followEvery {
			t.Errorf("told of a join after %v", took)
		}
		if took := next(); took < followIdle {
			t.Errorf("a message for each of several joins at once, %v later", took)
		}
		a.Shutdown()
		for lines.Scan() {
		}
		<-ended
	})
}

// TestFollowersAreLimited: one browser more than may follow is refused, until another one goes.
func TestFollowersAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := Handler(startMember(t, new(memberlist.MockNetwork), "a", ""), Options{})
		follow := func(ctx context.Context) *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("GET", "/?follow", nil).WithContext(ctx))
			return w
		}
		others, end := context.WithCancel(t.Context())
		for range maxFollowers {
			go follow(others)
		}
		synctest.Wait()
		if got := follow(t.Context()).Code; got != http.StatusServiceUnavailable {
			t.Errorf("one more: got %d", got)
		}
		end()
		synctest.Wait()
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if got := follow(short).Code; got != http.StatusOK {
			t.Errorf("after the others have gone: got %d", got)
		}
	})
}

// streamWriter is a ResponseWriter of a stream.
type streamWriter struct {
	w      io.Writer
	header http.Header
}

func (s *streamWriter) Header() http.Header         { return s.header }
func (s *streamWriter) Write(b []byte) (int, error) { return s.w.Write(b) }
func (s *streamWriter) WriteHeader(int)             {}
func (s *streamWriter) Flush()                      {}

// TestHistory keeps the last events.
func TestHistory(t *testing.T) {
	h := &history{changed: make(chan struct{})}
	for i := range maxEvents + 50 {
		h.add(Event{Name: fmt.Sprint(i)})
	}
	if got := h.newest(); len(got) != maxEvents || got[0].Name != fmt.Sprint(maxEvents+49) {
		t.Errorf("got %d events, the newest %+v", len(got), got[0])
	}
}

// fill makes a member know many others, which do not exist: it joins a peer that has their states.
func fill(t *testing.T, network *memberlist.MockNetwork, m *memberlist.Memberlist, many int) {
	t.Helper()
	reply := (&wire.PushPullHeader{Nodes: many, Join: true}).Append(nil)
	for i := range many {
		state := wire.PushNodeState{Name: fmt.Sprintf("node-%04d.example.com", i), Addr: []byte{10, 9, byte(i >> 8), byte(i)}, Port: 7946,
			Meta: []byte(`{"zone":"b","version":"1.2.3"}`), Incarnation: 1, Vsn: []byte{1, 5, 2, 0, 0, 0}}
		reply = state.Append(reply)
	}
	peer := network.NewTransport("peer")
	t.Cleanup(func() { peer.Shutdown() })
	go func() {
		conn := <-peer.StreamCh()
		conn.Read(make([]byte, 4096)) // the request, or the member could not write it any more
		go io.Copy(io.Discard, conn)  // ends with the stream
		conn.Write(reply)
		conn.Close()
	}()
	ip, port, err := peer.FinalAdvertiseAddr("", 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Join([]string{net.JoinHostPort(ip.String(), strconv.Itoa(port))}); err != nil {
		t.Fatal(err)
	}
	if n := m.NumMembers(); n != many+1 {
		t.Fatalf("the member knows %d, want %d", n, many+1)
	}
}

// TestRates: they are over five seconds at least, however often the page is asked for.
func TestRates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r rates
		r.start(memberlist.Stats{})
		for _, tt := range []struct {
			after time.Duration
			total uint64
			want  float64
		}{
			{time.Second, 10, 10},
			{5 * time.Second, 60, 10},
			{100 * time.Millisecond, 671, 110}, // since the start
			{5 * time.Second, 671, 611.0 / 5.1},
			{time.Second, 671, 611.0 / 6.1},
		} {
			time.Sleep(tt.after)
			if got := r.update(time.Now(), memberlist.Stats{PacketsSent: tt.total})["packets_sent"]; math.Abs(got-tt.want) > 0.01 {
				t.Errorf("after %v more: got %.2f packets a second, want %.2f", tt.after, got, tt.want)
			}
		}
	})
}

// TestZonesOnPage: zones are shown beside the addresses, as text.
func TestZonesOnPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := memberlist.DefaultLANConfig()
		c.Name, c.Zone, c.LogOutput, c.Transport = "a", "<eu-1>", io.Discard, new(memberlist.MockNetwork).NewTransport("a")
		m, err := memberlist.Create(c)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Shutdown()
		h := Handler(m, Options{})
		if zone := status(t, h).Members[0].Zone; zone != "<eu-1>" {
			t.Errorf("zone %q", zone)
		}
		if page := get(t, h, "/").Body.String(); !strings.Contains(page, "<small>&lt;eu-1&gt;</small>") {
			t.Errorf("the page has no zone: %s", page)
		}
	})
}
