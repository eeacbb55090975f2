package sim

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
)

// The bounds are derived from the papers a second time, so that a mistake in the core's formulas is found.

// shortestSuspicion returns the minimum time from suspect to dead with n known members.
func shortestSuspicion(c swim.Config, n int) time.Duration {
	scale := max(1, math.Log10(max(1, float64(n))))
	return time.Duration(float64(c.SuspicionMult)*scale*float64(c.ProbeInterval)).Truncate(time.Millisecond) -
		time.Duration(c.SuspicionMult)*c.ProbeInterval/1000 // the scale is rounded down to thousandths of an interval
}

// longestSuspicion returns the maximum time from suspect to dead with n known members.
func longestSuspicion(c swim.Config, n int) time.Duration {
	scale := max(1, math.Log10(max(1, float64(n))))
	return time.Duration(float64(max(1, c.SuspicionMaxTimeoutMult)) * float64(c.SuspicionMult) * scale * float64(c.ProbeInterval))
}

// probeEvery returns the time between two probes of members that do not ack: a ProbeInterval, or the two parts of a
// probe, a ProbeTimeout each, if that is longer.
func probeEvery(c swim.Config) time.Duration {
	if c.ProbeInterval == 0 {
		return 0
	}
	return max(c.ProbeInterval, 2*c.ProbeTimeout)
}

// probeTime returns the duration of a probe at the maximum health score.
func probeTime(c swim.Config) time.Duration {
	return max(time.Duration(max(1, c.AwarenessMaxMultiplier))*c.ProbeInterval, probeEvery(c))
}

// lateTime returns the time that a member that was late, for the most that counts, leaves out of its rounds.
func lateTime(c swim.Config) time.Duration {
	return 2 * time.Duration(max(1, c.AwarenessMaxMultiplier)) * c.ProbeInterval
}

// wellTime returns the time until a maximum health score is 0 again, a probe for each point.
func wellTime(c swim.Config, n int) time.Duration {
	return time.Duration(max(1, c.AwarenessMaxMultiplier)+2)*probeTime(c) + time.Duration(n)*c.ProbeInterval + time.Minute
}

// PushPullEvery returns the time between two push/pulls of a member that knows n.
func PushPullEvery(c swim.Config, n int) time.Duration {
	steps := 1
	for size := 32; size < n; size *= 2 {
		steps++
	}
	return time.Duration(steps) * c.PushPullInterval
}

// gossipTime returns the time for which a member gossips one piece of news: its transmissions, at most one round for
// each; without gossip, on probes.
func gossipTime(c swim.Config, n int) time.Duration {
	limit := c.RetransmitMult * int(math.Ceil(math.Log10(float64(n+1))))
	return time.Duration(limit) * gossipEvery(c)
}

// gossipEvery returns the time between two packets that a member sends on its own.
func gossipEvery(c swim.Config) time.Duration {
	if c.GossipInterval == 0 || c.GossipNodes == 0 {
		return c.ProbeInterval
	}
	return c.GossipInterval
}

// mostNews is the maximum size in bytes of one piece of news in a packet.
const mostNews = 100

// gossipTime returns the time for which a member gossips news of all members, in packets that may not hold all at
// once.
func (c *Config) gossipTime(names int) time.Duration {
	packets := 1 + names*mostNews/c.Room
	core := c.Core
	if len(c.NoGossip) > 0 {
		core.GossipNodes = 0
	}
	return time.Duration(packets) * gossipTime(core, names)
}

// reconnectTime returns the time in which one of n members with dead ones has most probably tried all of these.
func reconnectTime(c swim.Config, n int) time.Duration {
	stretch := min(max(n/4, 1), 16)
	return time.Duration(2*(stretch+1)) * c.ReconnectInterval * 5 / 4
}

// maxChecks is the maximum number of names that a core checks at once because of claims.
const maxChecks = 64

// forgetTime returns the time after which a dead or left member is forgotten: members that are due together are
// forgotten together.
func forgetTime(c swim.Config) time.Duration {
	return c.GossipToTheDeadTime + c.GossipToTheDeadTime/32 + 2*time.Second
}

// longestIsolation is the maximum time for which a member that sees another may count as isolated.
const longestIsolation = time.Hour

// maxDeadChecks is the maximum number of members that a core checks at once because they are declared dead.
const maxDeadChecks = 64

// maxTimers returns the maximum number of deadlines of a core that knows n: its four loops, two for its probe, two
// for the suspicion of each member, checks, and relays.
func maxTimers(known int) int { return 6 + maxChecks + maxDeadChecks + 2*known + swim.MaxRelays }

// The members, the observer included, that must be refused, or get no answer, before a suspicion ends early.
const (
	leastRefused = 3
	leastSilent  = 4
)

// kept is the memory of a core.
type kept struct{ known, queued, timers, lost, health int }

// beyond returns the rule that forbids so much with the given number of names, if any.
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

// Bound returns the time in which n members agree after all faults have ended. No message is certain to arrive, so
// the bound holds with a probability: push/pull spreads news that gossip misses, and each exchange doubles the number
// of members that know it; twice the logarithm of the cluster's size, and a few, make failures rare. Before that,
// each member that is to be declared dead must be found by a probe, in the worst case at the end of a round, and its
// suspicion must end, and a member that knows no other must reach one.
func Bound(c swim.Config, n int) time.Duration {
	round := time.Duration(2*n) * probeEvery(c)
	if n > 8 { // another member's probe comes first
		round = 16 * probeEvery(c)
	}
	exchanges := 2*int(math.Ceil(math.Log2(float64(n+1)))) + 4
	return round + probeTime(c) + longestSuspicion(c, n) + 2*gossipTime(c, n) + c.GossipToTheDeadTime +
		time.Duration(exchanges)*PushPullEvery(c, n) + reconnectTime(c, n)
}

// bound is Bound for clusters in which some nodes have fewer loops, and packets are small.
func (c *Config) bound(names int) time.Duration {
	b := Bound(c.Core, names) + 2*c.gossipTime(names)
	if len(c.NoProbes) > 0 { // the others alone detect failures
		b += time.Duration(2*c.N) * probeEvery(c.Core)
	}
	if syncers := c.N - len(c.NoSyncs); syncers > 0 {
		b += time.Duration(2*c.N/syncers) * PushPullEvery(c.Core, names)
	}
	return b
}

// agrees reports whether members are certain to agree: gossip alone may miss some, and without probes crashes are not
// detected.
func (c *Config) agrees() bool {
	if c.Core.PushPullInterval == 0 {
		return false
	}
	return c.Core.ProbeInterval > 0 || !slices.ContainsFunc(c.Faults, func(f Fault) bool { return f.silences() })
}

// silences reports whether names disappear for good after the fault, without a leave.
func (f *Fault) silences() bool {
	switch f.Kind {
	case Crash, HostCrash, Amnesia, Move, Swap, Take:
		return f.For == 0
	}
	return f.Kind == Rename || f.Kind == Twin || f.Kind == Ghosts || f.Kind == Movers || f.Kind == Replay || f.Kind == Attack
}
