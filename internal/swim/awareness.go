package swim

import "time"

// awareness is the local health score, from 0 (healthy) to
// max-1 (Lifeguard section IV-A, LHA-Probe).
type awareness struct {
	score int
	max   int
}

// apply changes the score by delta, within its bounds.
func (a *awareness) apply(delta int) {
	a.score = min(max(a.score+delta, 0), max(a.max-1, 0))
}

// stretch scales a time by the score.
func (a *awareness) stretch(d time.Duration) time.Duration {
	return d * time.Duration(a.score+1)
}
