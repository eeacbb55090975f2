package sim

import (
	"fmt"
	"math"
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

// probeTime is how long a probe takes at the most unhealthy member.
func probeTime(c swim.Config) time.Duration {
	return time.Duration(max(1, c.AwarenessMaxMultiplier)) * c.ProbeInterval
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
// for each.
func gossipTime(c swim.Config, n int) time.Duration {
	limit := c.RetransmitMult * int(math.Ceil(math.Log10(float64(n+1))))
	return time.Duration(limit) * c.GossipInterval
}

// reconnectTime is how long it takes until one of n members that lost others has tried all of these, mostly.
func reconnectTime(c swim.Config, n int) time.Duration {
	stretch := min(max(n/4, 1), 16)
	return time.Duration(2*(stretch+1)) * c.ReconnectInterval * 5 / 4
}

// maxChecks is how many names a core asks about at once whose members others claim to be.
const maxChecks = 64

// maxTimers is how many deadlines a core that knows n may have set: its four loops, its probe's two, a suspicion a
// member, and relays.
func maxTimers(known int) int { return 6 + maxChecks + known + swim.MaxRelays }

// kept is what a core keeps.
type kept struct{ known, queued, timers, lost, health int }

// beyond returns the rule by which that is too much, if one is broken.
func (k kept) beyond(cfg *Config) (rule, detail string) {
	switch {
	case k.known > cfg.N:
		return ruleTable, fmt.Sprintf("%d members known of %d", k.known, cfg.N)
	case k.lost > min(swim.MaxLost, cfg.N-1):
		return ruleLost, fmt.Sprintf("%d members are looked for, of %d", k.lost, cfg.N)
	case k.queued > k.known:
		return ruleQueue, fmt.Sprintf("%d messages queued about %d members", k.queued, k.known)
	case k.timers > maxTimers(k.known):
		return ruleTimers, fmt.Sprintf("%d timers, the bound is %d", k.timers, maxTimers(k.known))
	case k.health < 0 || k.health >= max(1, cfg.Core.AwarenessMaxMultiplier):
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
	round := time.Duration(2*n) * c.ProbeInterval
	if n > 8 { // somebody else's probe comes first
		round = 16 * c.ProbeInterval
	}
	exchanges := 2*int(math.Ceil(math.Log2(float64(n+1)))) + 4
	return round + probeTime(c) + longestSuspicion(c, n) + 2*gossipTime(c, n) + c.GossipToTheDeadTime +
		time.Duration(exchanges)*PushPullEvery(c, n) + reconnectTime(c, n)
}
