package suite

import (
	"fmt"
	"testing"
	"time"

	"github.com/e3431adc/memberlist"
)

// newPair starts two members with sockets of the loopback interface that know each other. The second one counts
// messages.
func newPair(b *testing.B, m mode) (from *memberlist.Memberlist, to *memberlist.Node, heard counter) {
	b.Helper()
	heard = newCounter()
	start := func(name string) *memberlist.Memberlist {
		c := m.config(b, nil)
		c.Name = name
		c.BindAddr, c.BindPort = "127.0.0.1", 0
		c.AdvertiseAddr, c.AdvertisePort = "", 0
		c.ProbeInterval = time.Hour // it also limits the wait for an ack in the reference
		c.Delegate = &listener{heard: heard}
		created, err := memberlist.Create(c)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { created.Shutdown() })
		return created
	}
	from, other := start("from"), start("to")
	if _, err := from.Join([]string{other.LocalNode().Address()}); err != nil {
		b.Fatal(err)
	}
	if got := from.NumMembers(); got != 2 {
		b.Fatalf("%d members, want 2", got)
	}
	return from, other.LocalNode(), heard
}

// socketBatch is the number of packets in flight; the sockets' buffers have room for them.
const socketBatch = 32

// BenchmarkSocketsBestEffort sends a user message in a packet through real sockets, until the delegate is called.
func BenchmarkSocketsBestEffort(b *testing.B) {
	for _, mode := range []mode{plain, compressing} {
		b.Run(mode.name, func(b *testing.B) {
			from, to, heard := newPair(b, mode)
			message := userMessage()
			meter := newMeter(b)
			meter.start()
			for left := b.N; left > 0; left -= socketBatch {
				n := min(left, socketBatch)
				heard.expect(n)
				for range n {
					if err := from.SendBestEffort(to, message); err != nil {
						b.Fatal(err)
					}
				}
				heard.await()
			}
			meter.stop()
			meter.report()
		})
	}
}

// BenchmarkSocketsPing sends a ping through real sockets, until its ack has arrived.
func BenchmarkSocketsPing(b *testing.B) {
	from, to, _ := newPair(b, compressing)
	addr := memberAddr(0)
	addr.IP, addr.Port = to.Addr, int(to.Port)
	meter := newMeter(b)
	meter.start()
	for range b.N {
		if _, err := from.Ping(to.Name, addr); err != nil {
			b.Fatal(err)
		}
	}
	meter.stop()
	meter.report()
}

// BenchmarkSocketsReliable sends a user message on a stream of its own through real sockets, until the delegate is
// called.
func BenchmarkSocketsReliable(b *testing.B) {
	from, to, heard := newPair(b, compressing)
	message := userMessage()
	meter := newMeter(b)
	meter.start()
	for range b.N {
		heard.expect(1)
		if err := from.SendReliable(to, message); err != nil {
			b.Fatal(err)
		}
		heard.await()
	}
	meter.stop()
	meter.report()
}

// BenchmarkCreate starts and stops a member.
func BenchmarkCreate(b *testing.B) {
	for _, bb := range []struct {
		name   string
		config func() *memberlist.Config
	}{
		{"memory", func() *memberlist.Config { return compressing.config(b, newLoneTransport()) }},
		{"sockets", func() *memberlist.Config {
			c := compressing.config(b, nil)
			c.BindAddr, c.BindPort = "127.0.0.1", 0
			c.AdvertiseAddr, c.AdvertisePort = "", 0
			return c
		}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			meter := newMeter(b)
			for left := b.N; left > 0; left -= batch {
				var configs []*memberlist.Config
				for range min(left, batch) {
					configs = append(configs, bb.config())
				}
				meter.start()
				for _, c := range configs {
					created, err := memberlist.Create(c)
					if err != nil {
						b.Fatal(fmt.Errorf("create: %w", err))
					}
					created.Shutdown()
				}
				meter.stop()
			}
			meter.report()
		})
	}
}
