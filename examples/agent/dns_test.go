package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/e3431adc/memberlist"
)

// node returns a member with services and tags.
func node(t *testing.T, name, addr string, state memberlist.NodeStateType, meta metadata) *memberlist.Node {
	t.Helper()
	b, err := json.Marshal(meta)
	if err != nil {
		t.Fatal(err)
	}
	return &memberlist.Node{Name: name, Addr: netip.MustParseAddr(addr).AsSlice(), State: state, Meta: b}
}

func web(port uint16) metadata { return metadata{Services: []service{{"web", port}}} }

// testZone has members of all kinds.
func testZone(t *testing.T) *zone {
	t.Helper()
	members := []*memberlist.Node{
		node(t, "a", "10.0.0.1", memberlist.StateAlive, web(80)),
		node(t, "b", "10.0.0.2", memberlist.StateAlive, metadata{
			Services: []service{{"web", 8080}, {"web", 8081}, {"db", 5432}, {"bad name", 1}},
			Tags:     map[string]string{"role": "db", "long": strings.Repeat("x", 300)},
		}),
		node(t, "c", "fd00::3", memberlist.StateAlive, web(80)),
		node(t, "s", "10.0.0.4", memberlist.StateSuspect, metadata{Services: []service{{"web", 80}, {"lone", 9}}}),
		{Name: "x", Addr: net.IP{10, 0, 0, 9}, Meta: []byte("no JSON")},
		{Name: "dotted.name", Addr: net.IP{10, 0, 0, 10}},
	}
	return &zone{members: func() []*memberlist.Node { return members }, domain: "test.", ttl: 7}
}

// recorder is a ResponseWriter that keeps the answer.
type recorder struct {
	dns.ResponseWriter
	from   net.Addr
	answer *dns.Msg
	size   int // bytes
}

func (r *recorder) RemoteAddr() net.Addr { return r.from }

func (r *recorder) WriteMsg(m *dns.Msg) error {
	b, err := m.Pack()
	if err != nil {
		return err
	}
	r.answer, r.size = new(dns.Msg), len(b)
	return r.answer.Unpack(b)
}

// ask returns the answer to a query, which change may change before it is sent.
func ask(z *zone, name string, kind uint16, from net.Addr, change func(*dns.Msg)) *dns.Msg {
	return record(z, name, kind, from, change).answer
}

func record(z *zone, name string, kind uint16, from net.Addr, change func(*dns.Msg)) *recorder {
	query := new(dns.Msg).SetQuestion(name, kind)
	if change != nil {
		change(query)
	}
	r := &recorder{from: from}
	z.ServeDNS(r, query)
	return r
}

// short describes records by type and content.
func short(records []dns.RR) string {
	var texts []string
	for _, r := range records {
		text := strings.TrimPrefix(r.String(), r.Header().String())
		if r.Header().Rrtype == dns.TypeSOA {
			text = "..."
		}
		texts = append(texts, dns.TypeToString[r.Header().Rrtype]+" "+text)
	}
	slices.Sort(texts)
	return strings.Join(texts, ", ")
}

func TestZone(t *testing.T) {
	z := testZone(t)
	long := `TXT "long=` + strings.Repeat("x", 250) + `" "` + strings.Repeat("x", 50) + `"`
	for _, tt := range []struct {
		name        string
		kind        uint16
		code        int
		answer, aut string
	}{
		{"a.node.test.", dns.TypeA, dns.RcodeSuccess, "A 10.0.0.1", ""},
		{"A.NODE.Test.", dns.TypeA, dns.RcodeSuccess, "A 10.0.0.1", ""},
		{"a.node.test.", dns.TypeAAAA, dns.RcodeSuccess, "", "SOA ..."},
		{"c.node.test.", dns.TypeAAAA, dns.RcodeSuccess, "AAAA fd00::3", ""},
		{"c.node.test.", dns.TypeANY, dns.RcodeSuccess, "AAAA fd00::3", ""},
		{"b.node.test.", dns.TypeTXT, dns.RcodeSuccess, long + `, TXT "role=db"`, ""},
		{"dotted.name.node.test.", dns.TypeA, dns.RcodeSuccess, "A 10.0.0.10", ""},
		{"x.node.test.", dns.TypeA, dns.RcodeSuccess, "A 10.0.0.9", ""},
		{"y.node.test.", dns.TypeA, dns.RcodeNameError, "", "SOA ..."},
		{"web.service.test.", dns.TypeA, dns.RcodeSuccess, "A 10.0.0.1, A 10.0.0.2", ""},
		{"web.service.test.", dns.TypeAAAA, dns.RcodeSuccess, "AAAA fd00::3", ""},
		{"web.service.test.", dns.TypeSRV, dns.RcodeSuccess,
			"SRV 1 1 80 a.node.test., SRV 1 1 80 c.node.test., SRV 1 1 8080 b.node.test., SRV 1 1 8081 b.node.test.", ""},
		{"lone.service.test.", dns.TypeSRV, dns.RcodeSuccess, "SRV 1 1 9 s.node.test.", ""},
		{"bad\\032name.service.test.", dns.TypeSRV, dns.RcodeNameError, "", "SOA ..."},
		{"none.service.test.", dns.TypeSRV, dns.RcodeNameError, "", "SOA ..."},
		{"service.test.", dns.TypeA, dns.RcodeSuccess, "", "SOA ..."},
		{"other.test.", dns.TypeA, dns.RcodeNameError, "", "SOA ..."},
		{"test.", dns.TypeSOA, dns.RcodeSuccess, "SOA ...", ""},
		{"test.", dns.TypeNS, dns.RcodeSuccess, "NS ns.test.", ""},
		{"test.", dns.TypeA, dns.RcodeSuccess, "", "SOA ..."},
		{"1.0.0.10.in-addr.arpa.", dns.TypePTR, dns.RcodeSuccess, "PTR a.node.test.", ""},
		{"3" + strings.Repeat(".0", 27) + ".0.0.d.f.ip6.arpa.", dns.TypePTR, dns.RcodeSuccess, "PTR c.node.test.", ""},
		{"77.0.0.10.in-addr.arpa.", dns.TypePTR, dns.RcodeRefused, "", ""},
		{"example.com.", dns.TypeA, dns.RcodeRefused, "", ""},
		{"atest.", dns.TypeA, dns.RcodeRefused, "", ""},
	} {
		t.Run(fmt.Sprintf("%s %s", tt.name, dns.TypeToString[tt.kind]), func(t *testing.T) {
			m := ask(z, tt.name, tt.kind, new(net.TCPAddr), nil)
			if m.Rcode != tt.code || short(m.Answer) != tt.answer || short(m.Ns) != tt.aut {
				t.Errorf("got %s, answer %s, authority %s,\nwant %s, %s, %s", dns.RcodeToString[m.Rcode], short(m.Answer), short(m.Ns),
					dns.RcodeToString[tt.code], tt.answer, tt.aut)
			}
			for _, r := range m.Answer {
				if r.Header().Ttl != 7 || !strings.EqualFold(r.Header().Name, tt.name) {
					t.Errorf("record %v", r)
				}
			}
		})
	}
}

// TestOddQueries: queries that are no questions to this zone have the error that the standard says.
func TestOddQueries(t *testing.T) {
	z := testZone(t)
	for _, tt := range []struct {
		name   string
		change func(*dns.Msg)
		code   int
	}{
		{"no question", func(m *dns.Msg) { m.Question = nil }, dns.RcodeFormatError},
		{"two questions", func(m *dns.Msg) { m.Question = append(m.Question, m.Question[0]) }, dns.RcodeFormatError},
		{"an update", func(m *dns.Msg) { m.Opcode = dns.OpcodeUpdate }, dns.RcodeNotImplemented},
		{"another class", func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }, dns.RcodeRefused},
		{"a later EDNS", func(m *dns.Msg) { m.SetEdns0(1232, false).IsEdns0().SetVersion(1) }, dns.RcodeBadVers},
	} {
		m := ask(z, "a.node.test.", dns.TypeA, new(net.UDPAddr), tt.change)
		if m.Rcode != tt.code || len(m.Answer) > 0 {
			t.Errorf("%s: got %s, want %s; %v", tt.name, dns.RcodeToString[m.Rcode], dns.RcodeToString[tt.code], m.Answer)
		}
	}
}

// TestTruncation: an answer in a packet has the size that the client takes, and says if it is not whole; over TCP it is.
func TestTruncation(t *testing.T) {
	var members []*memberlist.Node
	for i := range 100 {
		members = append(members, node(t, fmt.Sprint("m", i), fmt.Sprint("10.0.0.", i+1), memberlist.StateAlive, web(80)))
	}
	z := &zone{members: func() []*memberlist.Node { return members }, domain: "test.", ttl: 1}
	for _, tt := range []struct {
		name  string
		from  net.Addr
		edns  uint16
		limit int
		whole bool
	}{
		{"plain", new(net.UDPAddr), 0, 512, false},
		{"EDNS", new(net.UDPAddr), 1000, 1000, false},
		{"EDNS, more than a packet carries", new(net.UDPAddr), 65535, maxUDP, false},
		{"EDNS, less than the least", new(net.UDPAddr), 100, 512, false},
		{"TCP", new(net.TCPAddr), 0, 65535, true},
	} {
		r := record(z, "web.service.test.", dns.TypeSRV, tt.from, func(m *dns.Msg) {
			if tt.edns > 0 {
				m.SetEdns0(tt.edns, false)
			}
		})
		m := r.answer
		if r.size > tt.limit || m.Truncated == tt.whole || (len(m.Answer) == 100) != tt.whole || (m.IsEdns0() != nil) != (tt.edns > 0) {
			t.Errorf("%s: %d bytes, %d answers, truncated %v, EDNS %v", tt.name, r.size, len(m.Answer), m.Truncated, m.IsEdns0())
		}
	}
}
