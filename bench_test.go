package memberlist

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/envelope"
	"github.com/e3431adc/memberlist/internal/race"
	"github.com/e3431adc/memberlist/internal/wire"
)

// benchMember returns a member without loops, whose transport discards all packets.
func benchMember(b testing.TB, change func(*Config)) *Memberlist {
	b.Helper()
	config := DefaultLANConfig()
	config.Name = "self"
	config.Transport = newVoidTransport()
	config.LogOutput = io.Discard
	config.ProbeInterval, config.GossipInterval, config.PushPullInterval = 0, 0, 0
	if change != nil {
		change(config)
	}
	m, err := Create(config)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { m.Shutdown() })
	return m
}

// pingToAck returns a function that makes a member handle a ping of a known member.
func pingToAck(m *Memberlist) func() {
	addMembers(m, 3)
	return pingFrom(m, "node-000001")
}

// pingFrom returns a function that makes a member handle a ping of the named one, which has the same view.
func pingFrom(m *Memberlist, name string) func() {
	p := wire.Ping{SeqNo: 7, Node: "self", SourceAddr: []byte{10, 0, 0, 1}, SourcePort: 7946, SourceNode: name}
	if !m.config.DisableExtensions {
		p.View = m.ViewChecksum()
	}
	ping := p.Append(nil)
	r := newReceiver(m)
	packet := &Packet{Buf: bytes.Clone(m.envelope.Wrap(new(envelope.Packer), ping, 0)), From: peer(1)}
	return func() { r.handlePacket(packet) }
}

var pingKinds = []struct {
	name   string
	change func(*Config)
}{
	{"plain", func(c *Config) { c.EnableCompression = false }},
	{"plain, without extensions", func(c *Config) { c.EnableCompression, c.DisableExtensions = false, true }},
	{"compressed", func(*Config) {}},
	{"AES-256 and label", func(c *Config) {
		c.EnableCompression, c.SecretKey, c.Label = false, attackKey, "blue"
	}},
	{"recorded", func(c *Config) { c.EnableCompression, c.Recorder = false, new(RecorderOptions) }},
}

// TestPingToAckAllocates: two allocations, for a transport that may keep packets: the packet, and the address in
// text. The name of a stranger is copied, too.
func TestPingToAckAllocates(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates too")
	}
	for _, tt := range pingKinds {
		t.Run(tt.name, func(t *testing.T) {
			m := benchMember(t, tt.change)
			if got := testing.AllocsPerRun(1000, pingToAck(m)); got > 2 {
				t.Errorf("%v allocations, want at most 2", got)
			}
			if got := testing.AllocsPerRun(1000, pingFrom(m, "stranger")); got > 3 {
				t.Errorf("%v allocations for a stranger, want at most 3", got)
			}
		})
	}
}

// BenchmarkPingToAck measures from the arrival of a ping until the ack is handed to the transport, for which the peer
// waits.
func BenchmarkPingToAck(b *testing.B) {
	for _, bb := range pingKinds {
		b.Run(bb.name, func(b *testing.B) {
			f := pingToAck(benchMember(b, bb.change))
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
		})
	}
}

// cannedConn is a stream of a peer that sends fixed bytes and discards all that it receives.
type cannedConn struct {
	net.Conn
	from    net.Addr
	in      bytes.Reader
	written int
}

func (c *cannedConn) Read(b []byte) (int, error)  { return c.in.Read(b) }
func (c *cannedConn) Write(b []byte) (int, error) { c.written += len(b); return len(b), nil }
func (c *cannedConn) SetDeadline(time.Time) error { return nil }
func (c *cannedConn) RemoteAddr() net.Addr        { return c.from }
func (c *cannedConn) Close() error                { return nil }

// otherStates returns the bytes of a push/pull of a peer that knows n members, for a stream to m.
func otherStates(tb testing.TB, m *Memberlist, n int) []byte {
	tb.Helper()
	message := (&wire.PushPullHeader{Nodes: n}).Append(nil)
	for i := range n {
		message = (&wire.PushNodeState{Name: fmt.Sprintf("node-%05d", i), Addr: []byte{10, 1, byte(i >> 8), byte(i)}, Port: 7946,
			Incarnation: 1, Vsn: []byte{1, 5, 2, 0, 0, 0}}).Append(message)
	}
	var out recordingConn
	if _, err := m.envelope.WriteRequest(&out, message, 0); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

type recordingConn struct {
	net.Conn
	bytes.Buffer
}

func (c *recordingConn) Read(b []byte) (int, error)  { return c.Buffer.Read(b) }
func (c *recordingConn) Write(b []byte) (int, error) { return c.Buffer.Write(b) }

// servePushPulls returns a function that makes m answer a push/pull.
func servePushPulls(tb testing.TB, m *Memberlist, stream []byte) func() {
	return func() {
		conn := &cannedConn{from: new(net.UnixAddr)} // is believed
		conn.in.Reset(stream)
		if err := m.serveStream(conn); err != nil {
			tb.Fatal(err)
		}
		if conn.written == 0 {
			tb.Fatal("no answer")
		}
	}
}

var pushPullKinds = []struct {
	name   string
	change func(*Config)
}{
	{"plain", func(c *Config) { c.EnableCompression = false }},
	{"compressed and sealed", func(c *Config) { c.SecretKey = attackKey }},
}

// TestPushPullAllocates: a push/pull allocates in pieces, not for each member.
func TestPushPullAllocates(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates too")
	}
	for _, tt := range []struct{ members, want int }{{1000, 30}, {10000, 60}} { // 16, more if the collector freed memory
		for _, kind := range pushPullKinds {
			t.Run(fmt.Sprintf("%d %s", tt.members, kind.name), func(t *testing.T) {
				m := benchMember(t, kind.change)
				f := servePushPulls(t, m, otherStates(t, m, tt.members))
				f() // the members become known
				if got := m.NumMembers(); got != tt.members+1 {
					t.Fatalf("%d members", got)
				}
				if got := testing.AllocsPerRun(5, f); got > float64(tt.want) {
					t.Errorf("%v allocations, want at most %d", got, tt.want)
				}
			})
		}
	}
}

// TestFirstJoinAllocates limits the allocations for each member.
func TestFirstJoinAllocates(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates too")
	}
	const members = 10000
	m := benchMember(t, pushPullKinds[0].change)
	stream := otherStates(t, m, members)
	got := testing.AllocsPerRun(3, func() {
		m := benchMember(t, pushPullKinds[0].change)
		servePushPulls(t, m, stream)()
	})
	if got > 3.5*members {
		t.Errorf("%.2f allocations a member, want at most 3.5", got/members)
	}
	t.Logf("%.2f allocations a member", got/members)
}

func BenchmarkPushPull(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		for _, kind := range pushPullKinds {
			b.Run(fmt.Sprintf("%d %s", n, kind.name), func(b *testing.B) {
				m := benchMember(b, kind.change)
				f := servePushPulls(b, m, otherStates(b, m, n))
				f()
				b.ReportAllocs()
				for b.Loop() {
					f()
				}
			})
		}
	}
}

func BenchmarkFirstJoin(b *testing.B) {
	for _, kind := range pushPullKinds {
		b.Run(kind.name, func(b *testing.B) {
			stream := otherStates(b, benchMember(b, kind.change), 10000)
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				m := benchMember(b, kind.change)
				f := servePushPulls(b, m, stream)
				b.StartTimer()
				f()
			}
		})
	}
}

// BenchmarkGrowth measures frequent operations in clusters of several sizes. Receiving and gossiping must not take
// longer in a large cluster than in a small one; calls that return all members may, at a constant time for each.
func BenchmarkGrowth(b *testing.B) {
	for _, n := range []int{10, 100, 1000, 10000, 100000} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			m := benchMember(b, func(c *Config) {
				c.GossipInterval, c.RetransmitMult = time.Hour, 1<<20 // messages stay queued
			})
			addMembers(m, n)
			f, known := newFeed(m), alivePacket(1)
			b.Run("receive 18 known alives", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					f.receive(known)
				}
			})
			at := time.Now()
			b.Run("round of gossip", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					at = at.Add(time.Hour)
					t := m.newTurn().begin(at)
					t.core.Tick()
					t.commit()
				}
			})
			b.Run("Members", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					m.Members()
				}
			})
			b.Run("local state", func(b *testing.B) {
				b.ReportAllocs()
				s := m.newSession()
				for b.Loop() {
					if _, err := s.localState(false); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}
