package swim

import (
	"slices"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// TestRestingGossip: a driver that sleeps through rounds with nothing to send sends all at the times that one that is woken
// for each round does, and is woken far less often.
func TestRestingGossip(t *testing.T) {
	type sent struct {
		at time.Duration
		to string
	}
	run := func(next func(*node) (time.Time, bool)) (packets []sent, ticks int) {
		n := newNode(t, func(c *Config) { c.ProbeInterval, c.PushPullInterval = time.Second, 0 }).meet(20)
		n.DropQueued()
		n.Start(n.now)
		news := n.now.Add(5300 * time.Millisecond)
		for {
			at, ok := next(n)
			if at.Sub(testStart) > 20*time.Second {
				return packets, ticks
			}
			if !ok || n.now.Before(news) && at.After(news) {
				n.now = news
				n.Step(n.now, Endpoint{AddrPort: memberAddr(1)}, aliveOf(1, 2))
			} else {
				n.now = at
				n.Tick(at)
				ticks++
			}
			for _, p := range n.take().Packets {
				packets = append(packets, sent{n.now.Sub(testStart), p.To.Name})
				if p.Ping != 0 {
					n.Step(n.now, Endpoint{}, &wire.Ack{SeqNo: p.Ping})
				}
			}
			n.take()
		}
	}
	want, often := run(func(n *node) (time.Time, bool) { return n.NextDeadline() })
	got, seldom := run(func(n *node) (time.Time, bool) { return n.NextWork(n.now) })
	if !slices.Equal(got, want) {
		t.Errorf("a driver that sleeps sends\n%v\nand one that does not\n%v", got, want)
	}
	if len(want) < 25 {
		t.Errorf("only %d packets: there was nothing to gossip", len(want))
	}
	if seldom > often/2 {
		t.Errorf("woken %d times, rather than %d", seldom, often)
	}
}

// TestRestsWithoutLoops: without loops there is nothing to wake up for, and with user broadcasts every round counts.
func TestRestsWithoutLoops(t *testing.T) {
	n := newNode(t, func(c *Config) { c.ProbeInterval, c.GossipInterval, c.PushPullInterval = 0, 0, 0 })
	if at, ok := n.NextWork(n.now); ok {
		t.Errorf("something is due at %v", at)
	}
	n = newNode(t, func(c *Config) { c.ProbeInterval, c.PushPullInterval, c.HasUserBroadcasts = 0, 0, true })
	n.DropQueued()
	n.Start(n.now)
	if at, ok := n.NextWork(n.now); !ok || at.Sub(n.now) > 2*n.cfg.GossipInterval {
		t.Errorf("gossip is due at %v, %v; want within two intervals", at, ok)
	}
	n = newNode(t, func(c *Config) { c.ProbeInterval, c.PushPullInterval = 0, 0 })
	n.DropQueued()
	n.Start(n.now)
	if at, ok := n.NextWork(n.now); ok {
		t.Errorf("woken at %v for gossip with nothing to send", at)
	}
}
