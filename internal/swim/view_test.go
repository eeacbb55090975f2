package swim

import (
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

func withExtensions(c *Config) { c.Extensions = true }

// TestViewChecksum: it is that of the members that are alive or suspect, whatever happened before.
func TestViewChecksum(t *testing.T) {
	n := newNode(t, withExtensions).withMembers(4)
	all := n.ViewChecksum()
	steps := []struct {
		name string
		step func()
		same string // the step after which the checksum was the same
	}{
		{"suspect", func() { n.suspect(1, 1, "m2") }, "all"},
		{"refuted", func() { n.alive(aliveOf(1, 2)) }, ""},
		{"dead", func() { n.dead(1, 2, "m2") }, ""},
		{"back", func() { n.alive(aliveOf(1, 3)) }, ""},
		{"other metadata", func() { a := aliveOf(1, 4); a.Meta = []byte("x"); n.alive(a) }, ""},
		{"left", func() { n.dead(1, 4, "m1") }, "dead"},
		{"another address", func() {
			a := aliveOf(1, 5)
			a.Port = 7
			n.alive(a)
		}, ""},
		{"own suspicion", func() { n.Step(Endpoint{}, &wire.Suspect{Incarnation: 1, Node: "self", From: "m2"}); n.take() }, ""},
	}
	seen := map[uint64]string{all: "all"}
	for _, tt := range steps {
		tt.step()
		sum := n.ViewChecksum()
		if seen[sum] != tt.same {
			t.Errorf("%s: the checksum is %x, as %q, want as %q", tt.name, sum, seen[sum], tt.same)
		}
		if tt.same == "" {
			seen[sum] = tt.name
		}
		n.wantSum(tt.name)
	}
	n.after(time.Hour).Tick()
	n.take()
	n.wantSum("an hour later")
}

// wantSum compares the checksum with one that is computed from all members, and counts those that know extensions.
func (n *node) wantSum(when string) {
	n.t.Helper()
	var sum uint64
	extended := 0
	for _, id := range n.table.order {
		m := n.table.at(id)
		if m.State.IsDown() {
			continue
		}
		sum += spread(n.table.hash(m))
		if m.extended() && m != n.table.self {
			extended++
		}
	}
	if got, want := Checksum(n.Members(nil)), n.ViewChecksum(); got != want {
		n.t.Errorf("%s: %#x from all members, want %#x", when, got, want)
	}
	if n.view.sum != sum || n.view.extended != extended {
		n.t.Errorf("%s: sum %x with %d extended members, want %x with %d", when, n.view.sum, n.view.extended, sum, extended)
	}
}

// TestViewChecksumIsPortable: other processes and later versions compute the same, from either spelling of an address.
func TestViewChecksumIsPortable(t *testing.T) {
	n := newNode(t, nil).withMembers(2)
	const want = 0xed700aeb1ebc8628
	if got := n.ViewChecksum(); got != want {
		t.Errorf("%#x, want %#x", got, uint64(want))
	}
	a := aliveOf(2, 2)
	n.alive(a)
	before := n.ViewChecksum()
	n = newNode(t, nil).withMembers(2)
	mapped := memberAddr(2).Addr().As16()
	a.Addr = mapped[:]
	n.alive(a)
	if got := n.ViewChecksum(); got != before {
		t.Errorf("%#x with the address in 16 bytes, %#x in 4", got, before)
	}
}

// TestMemberHash: the boundary between two fields counts.
func TestMemberHash(t *testing.T) {
	table := newTable()
	hash := func(m member, addr string) uint32 {
		table.setAddress(&m, addressOf(netip.MustParseAddrPort(addr)))
		return table.hash(&m)
	}
	sums := map[uint32]bool{
		hash(member{Name: "ab"}, "10.0.0.1:1"):                     true,
		hash(member{Name: "a", Meta: []byte("b")}, "10.0.0.1:1"):   true,
		hash(member{Name: "ab"}, "10.0.0.1:2"):                     true,
		hash(member{Name: "ab"}, "10.0.0.2:1"):                     true,
		hash(member{Name: "ab", Incarnation: 1}, "10.0.0.1:1"):     true,
		hash(member{Name: "ba"}, "10.0.0.1:1"):                     true,
		hash(member{Name: "ab", Meta: []byte{0}}, "10.0.0.1:1"):    true,
		hash(member{Name: "ab", Meta: []byte{0, 0}}, "10.0.0.1:1"): true,
	}
	if len(sums) != 8 {
		t.Errorf("8 members have %d hashes", len(sums))
	}
}

// TestViewsInPings: a ping has the view, once that has settled; an ack has it if it is another one; and nothing has it
// without extensions, or in reply to a member of the reference.
func TestViewsInPings(t *testing.T) {
	settled := 10 * time.Second
	tests := []struct {
		name       string
		extensions bool
		age        time.Duration
		pinged     func(own uint64) uint64
		ping, ack  func(own uint64) uint64
	}{
		{"equal", true, settled, same, same, equal},
		{"different", true, settled, other, same, same},
		{"theirs changes", true, settled, unsaid, same, same},
		{"ours changes", true, 599 * time.Millisecond, other, unsaid, unsaid},
		{"both change", true, 0, unsaid, unsaid, unsaid},
		{"just settled", true, 600 * time.Millisecond, other, same, same},
		{"a member of the reference", true, settled, absent, same, absent},
		{"off", false, settled, other, absent, absent},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := newNode(t, func(c *Config) { c.Extensions = tt.extensions }).withMembers(2)
			n.after(tt.age)
			own := n.ViewChecksum()
			n.Ping(Endpoint{Name: "m1", AddrPort: memberAddr(1)})
			ping := firstMessage(t, n.take()).(*wire.Ping)
			if want := tt.ping(own); ping.View != want {
				t.Errorf("a ping with view %#x, want %#x", ping.View, want)
			}
			n.pingedBy(1, tt.pinged(own))
			ack := firstMessage(t, n.take()).(*wire.Ack)
			if want := tt.ack(own); ack.View != want {
				t.Errorf("an ack with view %#x, want %#x", ack.View, want)
			}
		})
	}
}

func same(own uint64) uint64 { return own }
func other(uint64) uint64    { return math.MaxUint64 }
func unsaid(uint64) uint64   { return wire.ViewUnsaid }
func equal(uint64) uint64    { return wire.ViewEqual }
func absent(uint64) uint64   { return 0 }

// pingedBy delivers a ping of member i with a view.
func (n *node) pingedBy(i int, view uint64) {
	n.t.Helper()
	n.StepPing(Endpoint{AddrPort: memberAddr(i)}, &wire.Ping{SeqNo: 7, Node: "self", SourceAddr: memberAddr(i).Addr().AsSlice(),
		SourcePort: 7946, SourceNode: memberName(i), View: view}, nil)
}

func firstMessage(t *testing.T, out *Output) wire.Message {
	t.Helper()
	if len(out.Packets) != 1 {
		t.Fatalf("%d packets", len(out.Packets))
	}
	return parse(t, out.Packets[0].Messages[0])
}

// TestPingOfADeadMember: it tells that the member knows the extensions, which counts once the member is back.
func TestPingOfADeadMember(t *testing.T) {
	n := newNode(t, withExtensions).withMembers(3)
	n.dead(1, 1, "m2")
	n.pingedBy(1, 5)
	n.take()
	n.wantSum("dead")
	n.alive(aliveOf(1, 2))
	n.wantSum("back")
	if !n.table.named("m1").extended() {
		t.Error("it is not known to know the extensions")
	}
}

// TestExtendedMembers: that a member knows the extensions is learnt from its own pings and acks, and is unlearnt too.
func TestExtendedMembers(t *testing.T) {
	n := newNode(t, withExtensions).withMembers(2)
	want := func(when string, all bool) {
		t.Helper()
		n.wantSum(when)
		if n.view.extended == n.present != all {
			t.Errorf("%s: all others know extensions: %v", when, !all)
		}
	}
	n.pingedBy(1, wire.ViewUnsaid)
	want("after a ping of one", false)
	n.StepPing(Endpoint{AddrPort: memberAddr(3)}, &wire.Ping{SeqNo: 7, Node: "self", SourceAddr: memberAddr(2).Addr().AsSlice(),
		SourcePort: 7946, SourceNode: "m2", View: 5}, nil)
	want("after a ping in the name of the other", false)
	n.Start()
	for range 20 { // probes of both
		n.run(time.Second, func(out *Output) { n.ackAll(out, 5) })
	}
	want("after an ack of the other", true)
	n.dead(1, 1, "m2")
	want("one is dead", true)
	n.alive(aliveOf(1, 2))
	want("it is back", true)
	n.pingedBy(1, 0)
	want("it pings as the reference does", false)
	n.dead(1, 2, "m2")
	want("it is dead", true)
}

// ackAll acks each ping in an output, with a view.
func (n *node) ackAll(out *Output, view uint64) {
	n.t.Helper()
	for i := range out.Packets {
		p := &out.Packets[i]
		for _, b := range p.Messages {
			if ping, ok := parse(n.t, b).(*wire.Ping); ok {
				n.Step(Endpoint{AddrPort: p.To.AddrPort}, &wire.Ack{SeqNo: ping.SeqNo, View: view})
			}
		}
	}
}

// TestStaleView: a view that changes all the time is said, and compared, once it has not been equal to another for 5 s, and then not
// more often than that.
func TestStaleView(t *testing.T) {
	const stale = staleRounds * 200 * time.Millisecond
	n := newNode(t, withExtensions).withMembers(20)
	incarnation := uint32(1)
	churn := func() { // every 300 ms
		incarnation++
		n.after(300 * time.Millisecond)
		n.alive(aliveOf(1, incarnation))
	}
	exchanges := 0
	begin := n.now
	for n.now.Sub(begin) < 60*time.Second {
		churn()
		if since := n.now.Sub(begin); since < stale && n.view.inPing(n.Turn) != wire.ViewUnsaid {
			t.Fatalf("after %v a view that changes is said", since)
		}
		n.view.compare(n.Turn, n.table.named("m2"), 1000+uint64(incarnation))
		exchanges += len(n.take().Streams)
		if since := n.now.Sub(begin); exchanges == 0 && since > stale+300*time.Millisecond {
			t.Fatalf("no exchange after %v", since)
		}
	}
	if exchanges < 10 || exchanges > 12 {
		t.Errorf("%d exchanges in a minute, want one every %v", exchanges, stale)
	}

	n.after(stale) // it has settled
	n.view.compare(n.Turn, n.table.named("m2"), n.view.checksum())
	churn()
	if n.view.inPing(n.Turn) != wire.ViewUnsaid {
		t.Error("a view that was equal just now is said while it changes")
	}
	n.view.compare(n.Turn, n.table.named("m2"), 77)
	if out := n.take(); len(out.Streams) != 0 {
		t.Errorf("exchanges %+v though the view was equal just now", out.Streams)
	}
}
