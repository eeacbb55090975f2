package swim

import "time"

// isolation tells whether we lost sight of most others at once. Losses that follow
// close on each other are an episode: it counts those that were present when it
// began, less those that are found since, or were replaced. Others that came and
// went meanwhile, as a process does that crashes over and over, are no part of it.
type isolation struct {
	isolated bool
	episode  uint32
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
func (c *Core) Isolated() bool { return c.losses.isolated }

// beginEpisode begins an episode with a loss, unless it is part of one. The lost
// member is no longer present.
func (t *Turn) beginEpisode() {
	l := &t.losses
	if !l.isolated && t.now.Sub(l.latest) > t.episodeGap() {
		l.endEpisode(t.present + 1)
	}
	l.latest = t.now
}

// endEpisode begins another one, with so many others present.
func (i *isolation) endEpisode(present int) {
	i.episode++
	i.began, i.together = present, 0
}

// regain notes that a member that was missed is so no longer.
func (i *isolation) regain(one *lost) {
	if one.counted && one.episode == i.episode {
		i.together--
	}
}

// episodeGap is how long after a loss the next one still belongs to it: one
// that is itself cut off finds the others dead probe by probe, and its probes
// slow down.
func (c *Core) episodeGap() time.Duration {
	return 2 * time.Duration(max(c.cfg.AwarenessMaxMultiplier, 1)) * c.cfg.period()
}

// judgeIsolation tells when we lose sight of most others, and when that ends.
func (t *Turn) judgeIsolation() {
	l := &t.losses
	most := 2*l.together > l.began+1 && l.together > t.present+1
	isolated := most || t.present == 0 && l.len() > 0
	if isolated == l.isolated || t.leaving {
		return
	}
	l.isolated = isolated
	if !isolated {
		t.deadlines.stop(&l.ends)
		t.event(Event{Kind: EventWhole, Member: t.Self(), Count: l.len()})
		return
	}
	t.deadlines.set(&l.ends, t.now.Add(isolationLimit))
	t.event(Event{Kind: EventIsolated, Member: t.Self(), Count: l.len()})
}

// isolationDue ends an isolation that lasts for too long.
func (t *Turn) isolationDue() {
	l := &t.losses
	if ends := l.latest.Add(isolationLimit); t.now.Before(ends) {
		t.deadlines.set(&l.ends, ends)
		return
	}
	l.endEpisode(t.present)
	t.judgeIsolation()
	if l.isolated { // nobody is left
		t.deadlines.set(&l.ends, t.now.Add(isolationLimit))
	}
}
