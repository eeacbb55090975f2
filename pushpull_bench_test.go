package memberlist

import (
	"bytes"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// cannedConn is a peer that says one thing and does not listen.
type cannedConn struct {
	net.Conn
	in      bytes.Reader
	written int
}

func (c *cannedConn) Read(b []byte) (int, error)  { return c.in.Read(b) }
func (c *cannedConn) Write(b []byte) (int, error) { c.written += len(b); return len(b), nil }
func (c *cannedConn) SetDeadline(time.Time) error { return nil }
func (c *cannedConn) RemoteAddr() net.Addr        { return peer(1) }
func (c *cannedConn) Close() error                { return nil }

// otherStates is the push/pull of a peer that knows n members, as it goes over a stream to m.
func otherStates(tb testing.TB, m *Memberlist, n int) []byte {
	tb.Helper()
	message := (&wire.PushPullHeader{Nodes: n}).Append(nil)
	for i := range n {
		message = (&wire.PushNodeState{Name: fmt.Sprintf("node-%05d", i), Addr: []byte{10, 1, byte(i >> 8), byte(i)}, Port: 7946,
			Incarnation: 1, Vsn: []byte{1, 5, 2, 0, 0, 0}}).Append(message)
	}
	var out recordingConn
	if err := m.writeStream(&out, m.config.Label, m.labelHeader, message); err != nil {
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

// servePushPulls returns a function that has m answer a push/pull.
func servePushPulls(tb testing.TB, m *Memberlist, stream []byte) func() {
	return func() {
		conn := new(cannedConn)
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

// TestPushPullAllocates in pieces, not for each member.
func TestPushPullAllocates(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates too")
	}
	for _, tt := range []struct{ members, want int }{{1000, 30}, {10000, 60}} { // 16, more when memory was given up
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

// TestFirstJoinAllocates little for each member.
func TestFirstJoinAllocates(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates too")
	}
	const members = 10000
	m := benchMember(t, pushPullKinds[0].change)
	stream := otherStates(t, m, members)
	got := testing.AllocsPerRun(3, func() {
		m := benchMember(t, pushPullKinds[0].change)
		servePushPulls(t, m, stream)()
	})
	if got > 3*members {
		t.Errorf("%.2f allocations a member, want at most 3", got/members)
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
