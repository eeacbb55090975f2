package memberlist

import (
	"io"
	"testing"

	"github.com/e3431adc/memberlist/internal/wire"
)

// benchMember is a member without loops that sends into the void.
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

// pingToAck returns a function that has a member receive a ping of another that it knows.
func pingToAck(m *Memberlist) func() {
	meet(m, 3)
	return pingFrom(m, "node-000001")
}

// pingFrom returns a function that has a member receive a ping of another.
func pingFrom(m *Memberlist, name string) func() {
	ping := (&wire.Ping{SeqNo: 7, Node: "self", SourceAddr: []byte{10, 0, 0, 1}, SourcePort: 7946, SourceNode: name}).Append(nil)
	if s := m.sealer(); s != nil {
		ping = s.AppendSealed(append([]byte(nil), m.labelHeader...), wire.SealVersion1, newNonce(), ping, m.labels[0].bytes)
	}
	r := newReceiver(m)
	p := &Packet{Buf: ping, From: peer(1)}
	return func() { r.receive(p) }
}

var pingKinds = []struct {
	name   string
	change func(*Config)
}{
	{"plain", func(c *Config) { c.EnableCompression = false }},
	{"compressed", func(*Config) {}},
	{"AES-256 and label", func(c *Config) {
		c.EnableCompression, c.SecretKey, c.Label = false, attackKey, "blue"
	}},
}

// TestPingToAckAllocates less than once: packets for a transport that may keep
// them are allocated many at a time. The name of a stranger is copied.
func TestPingToAckAllocates(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates too")
	}
	for _, tt := range pingKinds {
		t.Run(tt.name, func(t *testing.T) {
			m := benchMember(t, tt.change)
			if got := testing.AllocsPerRun(1000, pingToAck(m)); got > 0 {
				t.Errorf("%v allocations, want none", got)
			}
			if got := testing.AllocsPerRun(1000, pingFrom(m, "stranger")); got > 1 {
				t.Errorf("%v allocations for a stranger, want at most 1", got)
			}
		})
	}
}

// BenchmarkPingToAck is the path that others wait for: a ping arrives, its ack
// is handed to the transport.
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
