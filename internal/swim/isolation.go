package swim

import "time"

// isolation tells whether we lost sight of most others at once. Losses that follow
// close on each other are an episode: it counts those that were present when it
// began, less those that are found since, or were replaced. Others that came and
// went meanwhile, as a process does that crashes over and over, are no part of it.
type isolation struct {
	isolated bool
	burst    uint32
	began    int       // others that were present when the episode began
	together int       // those of them that were lost in it, and not found since
	latest   time.Time // loss
	ends     deadline  // of a time for which nobody was lost
}

// isolationLimit is for how long we are isolated at most since the last loss, unless
// nobody is left: after that those that are not back are taken for gone.
const isolationLimit = time.Hour

// Isolated reports whether we lost sight of all others, or of most at once: see
// EventIsolated.
func (c *Core) Isolated() bool { return c.failed.isolation.isolated }

// beginEpisode begins an episode with a loss, unless it is part of one. The lost
// member is no longer present.
func (i *isolation) onFailure(t *Turn) {
	if !i.isolated && t.now.Sub(i.latest) > i.gap(t.Core) {
		i.endBurst(t.present + 1)
	}
	i.latest = t.now
}

// endEpisode begins another one, with so many others present.
func (i *isolation) endBurst(present int) {
	i.burst++
	i.began, i.together = present, 0
}

// regain notes that a member that was missed is so no longer.
func (i *isolation) drop(one *failedMember) {
	if one.counted && one.burst == i.burst {
		i.together--
	}
}

// episodeGap is how long after a loss the next one still belongs to it: one
// that is itself cut off finds the others dead probe by probe, and its probes
// slow down.
func (i *isolation) gap(c *Core) time.Duration {
	return 2 * time.Duration(max(c.cfg.AwarenessMaxMultiplier, 1)) * c.cfg.period()
}

// judgeIsolation tells when we lose sight of most others, and when that ends.
func (i *isolation) update(t *Turn) {
	most := 2*i.together > i.began+1 && i.together > t.present+1
	isolated := most || t.present == 0 && t.failed.len() > 0
	if isolated == i.isolated || t.local.leaving {
		return
	}
	i.isolated = isolated
	if !isolated {
		t.deadlines.stop(&i.ends)
		t.out.event(Event{Kind: EventIsolationEnded, Member: t.Self(), Count: t.failed.len()})
		return
	}
	t.deadlines.set(&i.ends, t.now.Add(isolationLimit))
	t.out.event(Event{Kind: EventIsolated, Member: t.Self(), Count: t.failed.len()})
}

// isolationDue ends an isolation that lasts for too long.
func (i *isolation) onDue(t *Turn) {
	if ends := i.latest.Add(isolationLimit); t.now.Before(ends) {
		t.deadlines.set(&i.ends, ends)
		return
	}
	i.endBurst(t.present)
	i.update(t)
	if i.isolated { // nobody is left
		t.deadlines.set(&i.ends, t.now.Add(isolationLimit))
	}
}
