package swim

import "time"

// roundTrips are the last round-trip times of the acks to our probes, of all members alike. An ack that takes several times
// as long as nearly all of them is most likely lost: others are asked then, and not only after ProbeTimeout.
type roundTrips struct {
	last  [roundTripsKept]uint32 // a ring, in microseconds
	noted int                    // number of times noted, at most roundTripsKept
	next  int
}

const (
	roundTripsKept   = 128
	roundTripsWanted = 8 // with fewer, ProbeTimeout applies
	roundTripFactor  = 4 // times their 99th percentile is the time limit of a ping

	// leastTimeout is the minimum time limit of a ping: a garbage collection or a busy scheduler takes some 10 ms.
	leastTimeout = 50 * time.Millisecond
)

// note notes the round trip of a direct ack, late ones included.
func (r *roundTrips) note(took time.Duration) {
	r.last[r.next] = uint32(min(max(took.Microseconds(), 0), 1<<32-1))
	r.next = (r.next + 1) % roundTripsKept
	r.noted = min(r.noted+1, roundTripsKept)
}

// areKnown reports whether enough round trips have been noted to tell from.
func (r *roundTrips) areKnown() bool { return r.noted >= roundTripsWanted }

// high returns about the 99th percentile: the second largest.
func (r *roundTrips) high() (time.Duration, bool) {
	if !r.areKnown() {
		return 0, false
	}
	var first, second uint32
	for _, took := range r.last[:r.noted] {
		if took > first {
			first, second = took, first
		} else if took > second {
			second = took
		}
	}
	return time.Duration(second) * time.Microsecond, true
}

// pingTimeout returns how long an ack of a direct ping is waited for before others are asked: ProbeTimeout or, with
// AdaptiveTimeout, what round trips allow, stretched by our health.
//
// Compat: in the reference it is ProbeTimeout. Its helpers send a nack after that, when the prober has given up.
func (t *Turn) pingTimeout() time.Duration {
	limit := t.cfg.ProbeTimeout
	if !t.cfg.Detector.AdaptiveTimeout {
		return limit
	}
	high, ok := t.roundTrips.high()
	if !ok {
		return limit
	}
	return min(t.awareness.stretch(max(roundTripFactor*high, leastTimeout)), limit)
}
