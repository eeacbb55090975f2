package main

import (
	"math"
	"slices"
	"time"

	"github.com/e3431adc/memberlist/internal/sim"
)

const (
	// never is the time of an event that did not happen in time.
	never = time.Duration(math.MaxInt64)

	// before is the time of an event that happened early: a member was declared dead, and then crashed.
	before = time.Duration(-1)
)

// times are the times at which each member learned of an event.
type times struct {
	at      []time.Duration // never: not yet
	waiting []bool          // for that member
	left    int             // number of members waited for that have not learned of it
}

func newTimes(members int) *times {
	t := &times{at: slices.Repeat([]time.Duration{never}, members), waiting: slices.Repeat([]bool{true}, members), left: members}
	return t
}

// note records that a member has learned of it.
func (t *times) note(node int, at time.Duration) {
	if t.waiting[node] && t.at[node] == never {
		t.left--
		t.at[node] = at
	}
}

// forget records that a member does not know of it any more.
func (t *times) forget(node int) {
	if t.waiting[node] && t.at[node] != never {
		t.left++
		t.at[node] = never
	}
}

// dismiss stops waiting for a member.
func (t *times) dismiss(node int) {
	t.note(node, 0)
	t.waiting[node] = false
}

// eachSince returns the sorted times after begin at which the members waited for learned of it.
func (t *times) eachSince(begin time.Duration) []time.Duration {
	var each []time.Duration
	for node, at := range t.at {
		switch {
		case !t.waiting[node]:
		case at == never:
			each = append(each, never)
		case at < begin:
			each = append(each, before)
		default:
			each = append(each, at-begin)
		}
	}
	slices.Sort(each)
	return each
}

// allSince returns the time after begin at which all had learned of it.
func (t *times) allSince(begin time.Duration) time.Duration { return slices.Max(t.eachSince(begin)) }

// watch waits until all members know of a change of metadata and of crashes.
type watch struct {
	updater int
	news    *times
	deaths  map[int]*times // by crashed member
}

func newWatch(members int, crashing []int, updater int) *watch {
	w := &watch{updater: updater, news: newTimes(members), deaths: make(map[int]*times)}
	w.news.dismiss(updater)
	for _, victim := range crashing {
		w.deaths[victim] = newTimes(members)
		for _, node := range crashing {
			w.deaths[victim].dismiss(node)
		}
	}
	return w
}

// crashed stops waiting for the crashed members to learn of the change.
func (w *watch) crashed(nodes []int) {
	for _, node := range nodes {
		w.news.dismiss(node)
	}
}

func (w *watch) observe(b sim.Belief) {
	if b.Member == w.updater && b.Meta > 0 {
		w.news.note(b.Node, b.At)
	}
	switch known := w.deaths[b.Member]; {
	case known == nil:
	case b.State.IsDown():
		known.note(b.Node, b.At)
	default:
		known.forget(b.Node)
	}
}

// complete reports whether all members know of everything they should.
func (w *watch) complete() bool {
	for _, known := range w.deaths {
		if known.left > 0 {
			return false
		}
	}
	return w.news.left == 0
}

// arrivals waits until all members know all others.
type arrivals struct {
	knows [][]bool // by observer and subject
	count []int    // number of members that each knows
	done  *times
}

func newArrivals(members int) *arrivals {
	a := &arrivals{knows: make([][]bool, members), count: make([]int, members), done: newTimes(members)}
	for i := range a.knows {
		a.knows[i] = make([]bool, members)
	}
	return a
}

func (a *arrivals) observe(b sim.Belief) {
	known := &a.knows[b.Node][b.Member]
	switch is := !b.State.IsDown(); {
	case is == *known:
		return
	case is:
		a.count[b.Node]++
	default:
		a.count[b.Node]--
	}
	*known = !*known
	if a.count[b.Node] == len(a.knows) {
		a.done.note(b.Node, b.At)
	}
}

func (a *arrivals) complete() bool { return a.done.left == 0 }
