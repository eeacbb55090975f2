package swim

import (
	"slices"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// TestRestingGossip: a driver that sleeps through rounds with nothing to send sends everything at the times at which
// one that is woken for each round does, and is woken far less often.
func TestRestingGossip(t *testing.T) {
	type sent struct {
		at time.Duration
		to string
	}
	run := func(next func(*node) (time.Time, bool)) (packets []sent, ticks int) {
		n := newNode(t, func(c *Config) { c.ProbeInterval, c.PushPullInterval = time.Second, 0 }).withMembers(20)
		n.Settle(nil)
		n.Start()
		news := n.now.Add(5300 * time.Millisecond)
		for {
			at, ok := next(n)
			if at.Sub(testStart) > 20*time.Second {
				return packets, ticks
			}
			if !ok || n.now.Before(news) && at.After(news) {
				n.now = news
				n.Step(Endpoint{AddrPort: memberAddr(1)}, aliveOf(1, 2))
			} else {
				n.now = at
				n.Tick()
				ticks++
			}
			for _, p := range n.take().Packets {
				packets = append(packets, sent{n.now.Sub(testStart), p.To.Name})
				if p.Ping != 0 {
					n.Step(Endpoint{}, &wire.Ack{SeqNo: p.Ping})
				}
			}
			n.take()
		}
	}
	want, often := run(func(n *node) (time.Time, bool) { return n.NextDeadline() })
	got, seldom := run(func(n *node) (time.Time, bool) { return n.NextWakeup() })
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

// TestRestsWithoutLoops: without loops there is no wakeup, and with user broadcasts there is one for every round.
func TestRestsWithoutLoops(t *testing.T) {
	n := newNode(t, func(c *Config) { c.ProbeInterval, c.GossipInterval, c.PushPullInterval = 0, 0, 0 })
	if at, ok := n.NextWakeup(); ok {
		t.Errorf("something is due at %v", at)
	}
	n = newNode(t, func(c *Config) { c.ProbeInterval, c.PushPullInterval, c.HasUserBroadcasts = 0, 0, true }).withMembers(1)
	n.Settle(nil)
	n.Start()
	if at, ok := n.NextWakeup(); !ok || at.Sub(n.now) > 2*n.cfg.GossipInterval {
		t.Errorf("gossip is due at %v, %v; want within two intervals", at, ok)
	}
	n = newNode(t, func(c *Config) { c.ProbeInterval, c.PushPullInterval = 0, 0 })
	n.Settle(nil)
	n.Start()
	if at, ok := n.NextWakeup(); ok {
		t.Errorf("woken at %v for gossip with nothing to send", at)
	}
}

// TestRestsAlone: a member that knows no other has no wakeup. When it knows one, it probes, gossips and exchanges
// states at the times at which it would have done so anyway.
func TestRestsAlone(t *testing.T) {
	type done struct {
		at   time.Duration
		what string
	}
	const metInBurst = 95 * time.Second
	run := func(next func(*node) (time.Time, bool)) (work []done, alone int) {
		n := newNode(t, func(c *Config) { c.HasUserBroadcasts = true })
		n.Start()
		for n.now.Sub(testStart) < metInBurst+time.Minute {
			at, ok := next(n)
			switch known := n.NumKnown(); {
			case known < 2 && (!ok || at.Sub(testStart) > metInBurst):
				n.after(testStart.Add(metInBurst).Sub(n.now)).withMembers(1)
			case !ok:
				t.Fatalf("nothing to do after %v, with another member", n.now.Sub(testStart))
			default:
				if known < 2 {
					alone++
				}
				n.now = at
				n.Tick()
			}
			out := n.take()
			for _, p := range out.Packets {
				what := "gossip"
				if p.Ping != 0 {
					what = "ping"
					n.Step(Endpoint{}, &wire.Ack{SeqNo: p.Ping})
				}
				work = append(work, done{n.now.Sub(testStart), what})
			}
			for range out.Streams {
				work = append(work, done{n.now.Sub(testStart), "exchange"})
			}
			n.take()
		}
		return work, alone
	}
	want, often := run(func(n *node) (time.Time, bool) { return n.NextDeadline() })
	got, seldom := run(func(n *node) (time.Time, bool) { return n.NextWakeup() })
	if !slices.Equal(got, want) {
		t.Errorf("a node that sleeps while alone sends\n%v\none that does not\n%v", got, want)
	}
	if seldom > 0 || often < 400 {
		t.Errorf("woken %d times while alone, rather than %d", seldom, often)
	}
	for _, what := range []string{"ping", "gossip", "exchange"} {
		if !slices.ContainsFunc(want, func(d done) bool { return d.what == what }) {
			t.Errorf("no %s", what)
		}
	}
}

// TestAloneHasNothingToSay: an announcement of a member that knows no other starts no round of gossip until there is
// another to send it to, and nothing waits for it.
func TestAloneHasNothingToSay(t *testing.T) {
	alone := func() *node {
		n := newNode(t, func(c *Config) { c.ProbeInterval, c.PushPullInterval = 0, 0 })
		n.Start()
		n.Announce(memberAddr(0), []byte("x"), testVersions, 7)
		if out := n.take(); !slices.Equal(out.Finished, []uint64{7}) {
			t.Errorf("finished %v: a wait for a broadcast to no member", out.Finished)
		}
		if at, ok := n.NextWakeup(); ok {
			t.Errorf("something is due at %v", at)
		}
		return n
	}
	announced := "alive self@2 x"
	n := alone().withMembers(1)
	if _, ok := n.NextWakeup(); !ok {
		t.Error("no gossip with another member")
	}
	if got, want := texts(n.queued()), []string{"alive m1@1 ", announced}; !slices.Equal(got, want) {
		t.Errorf("gossips %q, want %q", got, want)
	}

	n = alone()
	n.StepPing(Endpoint{AddrPort: memberAddr(1)}, &wire.Ping{SeqNo: 1}, nil)
	if got := n.take().Packets[0].Messages; len(got) != 1 {
		t.Errorf("an ack to a stranger has %d messages, want none beside it", len(got))
	}

	n = alone()
	n.Leave(0)
	if got, want := texts(n.withMembers(1).queued()), "dead self@2 by self"; !slices.Contains(got, want) || slices.Contains(got, announced) {
		t.Errorf("gossips %q after it left, want %q and not that it is alive", got, want)
	}
}
