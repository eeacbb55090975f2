package main

import (
	"math"
	"slices"
	"time"
)

// report has the results of all seeds.
type report struct {
	settings *settings
	seeds    int // completed

	first  spread // from a crash until the first other member knew
	each   spread // until each did
	last   spread // until the last did
	update spread
	start  spread

	load        load
	falseDeaths uint64
	slowDeaths  uint64
	hours       float64 // observed, of healthy members
	slowHours   float64 // of slow ones
}

// spread is the distribution of a duration; never for an event that did not happen in time, before for one that had
// happened already.
type spread []time.Duration

// summarize combines the results of the seeds.
func summarize(s *settings, trials []*trial) *report {
	r := &report{settings: s, seeds: len(trials)}
	for _, t := range trials {
		for _, c := range t.crashes {
			r.first = append(r.first, c.known[0])
			r.each = append(r.each, c.known...)
			r.last = append(r.last, c.known[len(c.known)-1])
		}
		r.update = append(r.update, t.update)
		r.start = append(r.start, t.start)
		r.load.add(&t.load, 1/float64(len(trials)))
		r.falseDeaths += t.falseDeaths
		r.slowDeaths += t.slowDeaths
	}
	for _, d := range []spread{r.first, r.each, r.last, r.update, r.start} {
		slices.Sort(d)
	}
	hours := float64(len(trials)) * s.calm.Hours()
	r.hours, r.slowHours = hours*float64(s.members-s.slow), hours*float64(s.slow)
	return r
}

// add adds a share of another load to the averages, and takes the maximum of the busiest.
func (l *load) add(other *load, share float64) {
	l.packets.add(other.packets, share)
	l.bytes.add(other.bytes, share)
	l.streamBytes.add(other.streamBytes, share)
	l.bytesAcross.add(other.bytesAcross, share)
	l.streamBytesAcross.add(other.streamBytesAcross, share)
}

func (t *traffic) add(other traffic, share float64) {
	t.mean += share * other.mean
	t.busiest = max(t.busiest, other.busiest)
}

// percentile returns the nearest-rank percentile, without the events that happened before; never if it was not
// reached.
func (d spread) percentile(p float64) time.Duration {
	d = d[d.early():]
	if len(d) == 0 {
		return never
	}
	return d[max(0, int(math.Ceil(p/100*float64(len(d))))-1)]
}

// early returns the number of events that happened before.
func (d spread) early() int {
	n, _ := slices.BinarySearch(d, before+1)
	return n
}

// late returns the number of events that did not happen in time.
func (d spread) late() int {
	n, _ := slices.BinarySearch(d, never)
	return len(d) - n
}

// happened returns the number of events with a duration.
func (d spread) happened() int { return len(d) - d.early() - d.late() }
