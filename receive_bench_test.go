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

// pingToAck returns a function that has a member receive a ping.
func pingToAck(m *Memberlist) func() {
	ping := (&wire.Ping{SeqNo: 7, Node: "self", SourceAddr: []byte{10, 0, 0, 1}, SourcePort: 7946, SourceNode: "m1"}).Append(nil)
	if s := m.sealer(); s != nil {
		ping = s.AppendSealed(append([]byte(nil), m.labelHeader...), wire.SealVersion1, newNonce(), ping, m.labels[0].bytes)
	}
	r := newReceiver(m)
	p := &Packet{Buf: ping, From: mustUDP(simAddr(1))}
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

// TestPingToAckAllocates little: the ack's packet, which a transport that is
// not ours may keep.
func TestPingToAckAllocates(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates too")
	}
	for _, tt := range pingKinds {
		t.Run(tt.name, func(t *testing.T) {
			f := pingToAck(benchMember(t, tt.change))
			if got := testing.AllocsPerRun(1000, f); got > 1 {
				t.Errorf("%v allocations, want at most 1", got)
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
