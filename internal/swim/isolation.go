package swim

import "time"

// isolation detects that we lost sight of most others at once. Failures that closely follow each other are a burst. It
// counts those of the members that were present when the burst began, less those that were found again or replaced. Members
// that come and go meanwhile, as a process does that crashes over and over, do not count.
type isolation struct {
	isolated bool
	burst    uint32
	began    int       // others that were present when the burst began
	together int       // those of them that failed in it, and were not found since
	latest   time.Time // failure
	ends     deadline  // isolationLimit after the last failure
}

// isolationLimit is the longest isolation after the last failure, unless no other
// member is left. After that the failed members are taken for dead.
const isolationLimit = time.Hour

// Isolated reports whether we lost sight of all others, or of most at once: see EventIsolated.
func (c *Core) Isolated() bool { return c.failed.isolation.isolated }

// onFailure adds a failure to the burst, or begins another one. The failed member no longer counts as present.
func (i *isolation) onFailure(t *Turn) {
	if !i.isolated && t.now.Sub(i.latest) > i.gap(t.Core) {
		i.endBurst(t.present + 1)
	}
	i.latest = t.now
}

// endBurst begins another burst, with the number of other members that are present.
func (i *isolation) endBurst(present int) {
	i.burst++
	i.began, i.together = present, 0
}

// drop notes that a member is no longer looked for.
func (i *isolation) drop(one *failedMember) {
	if one.counted && one.burst == i.burst {
		i.together--
	}
}

// gap returns how long after a failure the next one still belongs to its burst: a member that is itself cut off finds the
// others dead probe by probe, and its probes slow down.
func (i *isolation) gap(c *Core) time.Duration {
	return 2 * time.Duration(max(c.cfg.AwarenessMaxMultiplier, 1)) * c.cfg.period()
}

// update puts out an event when isolation begins or ends.
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

// onDue ends an isolation at isolationLimit.
func (i *isolation) onDue(t *Turn) {
	if ends := i.latest.Add(isolationLimit); t.now.Before(ends) {
		t.deadlines.set(&i.ends, ends)
		return
	}
	i.endBurst(t.present)
	i.update(t)
	if i.isolated { // no other member is left
		t.deadlines.set(&i.ends, t.now.Add(isolationLimit))
	}
}
