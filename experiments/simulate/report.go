package main

import (
	"math"
	"slices"
	"time"
)

// report is what all seeds gave together.
type report struct {
	settings *settings
	seeds    int // that were run to their end

	first  spread // from a crash until the first other member knew
	each   spread // until each did
	last   spread // until the last did
	update spread
	start  spread

	load        load
	falseDeaths uint64
	slowDeaths  uint64
	hours       float64 // of healthy members, in which the deaths were counted
	slowHours   float64 // of slow ones
}

// spread is how long something took, over many times; never, if it did not happen while it was waited for, and before, if it
// had happened already: then it took no time that could be told.
type spread []time.Duration

// summarize adds up what the seeds gave.
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

// add adds a share of another load to the averages, and takes the busiest of both.
func (l *load) add(other *load, share float64) {
	l.packets += share * other.packets
	l.bytes += share * other.bytes
	l.streamBytes += share * other.streamBytes
	l.mostPackets = max(l.mostPackets, other.mostPackets)
	l.mostBytes = max(l.mostBytes, other.mostBytes)
	l.mostStreamBytes = max(l.mostStreamBytes, other.mostStreamBytes)
}

// percentile is the least time within which so many percent of them were that had not happened before (the nearest rank);
// never if those were not.
func (d spread) percentile(p float64) time.Duration {
	d = d[d.early():]
	if len(d) == 0 {
		return never
	}
	return d[max(0, int(math.Ceil(p/100*float64(len(d))))-1)]
}

// early is how many of them had happened before.
func (d spread) early() int {
	n, _ := slices.BinarySearch(d, before+1)
	return n
}

// late is how many of them did not happen while they were waited for.
func (d spread) late() int {
	n, _ := slices.BinarySearch(d, never)
	return len(d) - n
}

// happened is how many of them did.
func (d spread) happened() int { return len(d) - d.early() - d.late() }
