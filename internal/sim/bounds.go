package sim

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
)

// The bounds are written down here once more, from the papers, so that a mistake in the core's formulas is found.

// shortestSuspicion is the least time from suspect to dead with n members known.
func shortestSuspicion(c swim.Config, n int) time.Duration {
	scale := max(1, math.Log10(max(1, float64(n))))
	return time.Duration(float64(c.SuspicionMult)*scale*float64(c.ProbeInterval)).Truncate(time.Millisecond) -
		time.Duration(c.SuspicionMult)*c.ProbeInterval/1000 // the scale is cut to thousandths of an interval
}

// longestSuspicion is the longest time from suspect to dead with n members known.
func longestSuspicion(c swim.Config, n int) time.Duration {
	scale := max(1, math.Log10(max(1, float64(n))))
	return time.Duration(float64(max(1, c.SuspicionMaxTimeoutMult)) * float64(c.SuspicionMult) * scale * float64(c.ProbeInterval))
}

// probeEvery is the time between two probes of members that do not answer: a ProbeInterval, or as long as the two parts of
// a probe take, a ProbeTimeout each.
func probeEvery(c swim.Config) time.Duration {
	if c.ProbeInterval == 0 {
		return 0
	}
	return max(c.ProbeInterval, 2*c.ProbeTimeout)
}

// probeTime is how long a probe takes at the most unhealthy member.
func probeTime(c swim.Config) time.Duration {
	return max(time.Duration(max(1, c.AwarenessMaxMultiplier))*c.ProbeInterval, probeEvery(c))
}

// wellTime is how long the most unhealthy member takes to be well again, a probe for each point of its score.
func wellTime(c swim.Config, n int) time.Duration {
	return time.Duration(max(1, c.AwarenessMaxMultiplier)+2)*probeTime(c) + time.Duration(n)*c.ProbeInterval + time.Minute
}

// PushPullEvery is the time between two push/pulls of a member that knows n.
func PushPullEvery(c swim.Config, n int) time.Duration {
	steps := 1
	for size := 32; size < n; size *= 2 {
		steps++
	}
	return time.Duration(steps) * c.PushPullInterval
}

// gossipTime is for how long a member goes on sending one piece of news to others: its retransmissions, at most one round
// for each; without such, on probes.
func gossipTime(c swim.Config, n int) time.Duration {
	limit := c.RetransmitMult * int(math.Ceil(math.Log10(float64(n+1))))
	return time.Duration(limit) * gossipEvery(c)
}

// gossipEvery is the time between two packets that a member sends on its own.
func gossipEvery(c swim.Config) time.Duration {
	if c.GossipInterval == 0 || c.GossipNodes == 0 {
		return c.ProbeInterval
	}
	return c.GossipInterval
}

// mostNews is how many bytes one piece of news takes in a packet, at most.
const mostNews = 100

// gossipTime is for how long a member goes on sending news of all members, in packets that need not hold all at once.
func (c *Config) gossipTime(names int) time.Duration {
	packets := 1 + names*mostNews/c.Room
	core := c.Core
	if len(c.NoGossip) > 0 {
		core.GossipNodes = 0
	}
	return time.Duration(packets) * gossipTime(core, names)
}

// reconnectTime is how long it takes until one of n members that lost others has tried all of these, mostly.
func reconnectTime(c swim.Config, n int) time.Duration {
	stretch := min(max(n/4, 1), 16)
	return time.Duration(2*(stretch+1)) * c.ReconnectInterval * 5 / 4
}

// maxChecks is how many names a core asks about at once whose members others claim to be.
const maxChecks = 64

// forgetTime is after how long a member that is gone is forgotten: as many as are due are forgotten together.
func forgetTime(c swim.Config) time.Duration {
	return c.GossipToTheDeadTime + c.GossipToTheDeadTime/32 + 2*time.Second
}

// longestIsolation is for how long a member that sees another may take itself for isolated.
const longestIsolation = time.Hour

// maxTimers is how many deadlines a core that knows n may have set: its four loops, its probe's two, a suspicion a
// member, and relays.
func maxTimers(known int) int { return 6 + maxChecks + known + swim.MaxRelays }

// kept is what a core keeps.
type kept struct{ known, queued, timers, lost, health int }

// beyond returns the rule by which that is too much where there are so many names, if one is broken.
func (k kept) beyond(c swim.Config, names int) (rule, detail string) {
	switch {
	case k.known > names:
		return ruleTable, fmt.Sprintf("%d members known of %d", k.known, names)
	case k.lost > min(swim.MaxLost, names-1):
		return ruleLost, fmt.Sprintf("%d members are looked for, of %d", k.lost, names)
	case k.queued > k.known:
		return ruleQueue, fmt.Sprintf("%d messages queued about %d members", k.queued, k.known)
	case k.timers > maxTimers(k.known):
		return ruleTimers, fmt.Sprintf("%d timers, the bound is %d", k.timers, maxTimers(k.known))
	case k.health < 0 || k.health >= max(1, c.AwarenessMaxMultiplier):
		return ruleHealth, fmt.Sprintf("%d", k.health)
	}
	return "", ""
}

// Bound is how long n members may take to agree once all faults have ended. None of the messages is certain to arrive
// where it is needed, so it is a bound with a probability: what gossip misses, push/pull spreads, with every exchange
// doubling who knows; twice the logarithm of the cluster's size, and a few, make failures rare. Before, whoever is taken
// for dead must be found out by a probe, in the worst case at the end of a round, and outlive its suspicion, and whoever lost
// others must reach one of them.
func Bound(c swim.Config, n int) time.Duration {
	round := time.Duration(2*n) * probeEvery(c)
	if n > 8 { // somebody else's probe comes first
		round = 16 * probeEvery(c)
	}
	exchanges := 2*int(math.Ceil(math.Log2(float64(n+1)))) + 4
	return round + probeTime(c) + longestSuspicion(c, n) + 2*gossipTime(c, n) + c.GossipToTheDeadTime +
		time.Duration(exchanges)*PushPullEvery(c, n) + reconnectTime(c, n)
}

// bound is Bound where some nodes do without some loops, and packets are small.
func (c *Config) bound(names int) time.Duration {
	b := Bound(c.Core, names) + 2*c.gossipTime(names)
	if len(c.NoProbes) > 0 { // the others alone find out
		b += time.Duration(2*c.N) * probeEvery(c.Core)
	}
	if syncers := c.N - len(c.NoSyncs); syncers > 0 {
		b += time.Duration(2*c.N/syncers) * PushPullEvery(c.Core, names)
	}
	return b
}

// agrees reports whether members come to agree for certain: gossip alone may miss some, and without probes nobody finds out
// who is gone in silence.
func (c *Config) agrees() bool {
	if c.Core.PushPullInterval == 0 {
		return false
	}
	return c.Core.ProbeInterval > 0 || !slices.ContainsFunc(c.Faults, func(f Fault) bool { return f.silences() })
}

// silences reports whether names are gone for good after the fault, without a word.
func (f *Fault) silences() bool {
	switch f.Kind {
	case Crash, Amnesia, Move, Swap, Take:
		return f.For == 0
	}
	return f.Kind == Rename || f.Kind == Twin || f.Kind == Ghosts || f.Kind == Movers || f.Kind == Replay
}
