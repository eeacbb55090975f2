package swim

import (
	"container/heap"
	"time"
)

// deadlineKind says what is due.
type deadlineKind uint8

const (
	dueProbe        deadlineKind = iota // begin a probe
	dueGossip                           // a round of gossip
	duePushPull                         // a push/pull
	dueCheck                            // a member that is asked whether it moved did not answer
	dueReconnect                        // look for members that were lost
	dueProbeTimeout                     // no direct ack yet: probe indirectly
	dueProbeEnd                         // no ack at all
	dueSuspicion                        // a suspect member is dead
	dueRelay                            // no ack for an indirect ping
	duePing                             // no ack for a user's ping
)

// deadline is one thing that will be due. It is made once, used for as long as
// what it belongs to lives, and never copied while it is set.
type deadline struct {
	at     time.Time
	order  uint64 // of setting; of two at the same time the earlier set comes first
	kind   deadlineKind
	index  int     // in the heap, -1 when not set
	member *member // dueSuspicion
	seq    uint32  // dueRelay, duePing
}

func newDeadline(kind deadlineKind) *deadline {
	d := unset(kind)
	return &d
}

// unset is a deadline that is not set, to be a part of what it belongs to.
func unset(kind deadlineKind) deadline { return deadline{kind: kind, index: -1} }

// deadlines is a heap of all deadlines that are set.
type deadlines struct {
	heap deadlineHeap
	sets uint64
}

// set arms d for at, whether or not it was set before.
func (s *deadlines) set(d *deadline, at time.Time) {
	s.sets++
	d.at, d.order = at, s.sets
	if d.index < 0 {
		heap.Push(&s.heap, d)
		return
	}
	heap.Fix(&s.heap, d.index)
}

// stop disarms d, if it is set.
func (s *deadlines) stop(d *deadline) {
	if d.index >= 0 {
		heap.Remove(&s.heap, d.index)
	}
}

// pop disarms and returns the first deadline due at now, or nil.
func (s *deadlines) pop(now time.Time) *deadline {
	if len(s.heap) == 0 || s.heap[0].at.After(now) {
		return nil
	}
	return heap.Pop(&s.heap).(*deadline)
}

// next returns the time of the first deadline.
func (s *deadlines) next() (time.Time, bool) {
	if len(s.heap) == 0 {
		return time.Time{}, false
	}
	return s.heap[0].at, true
}

// nextBut returns the time of the first deadline that is not d, which is set.
func (s *deadlines) nextBut(d *deadline) (time.Time, bool) {
	if s.heap[0] != d {
		return s.heap[0].at, true
	}
	var first *deadline
	for _, other := range s.heap[1:min(3, len(s.heap))] { // below the first of a heap come two
		if first == nil || other.at.Before(first.at) {
			first = other
		}
	}
	if first == nil {
		return time.Time{}, false
	}
	return first.at, true
}

// deadlineHeap implements heap.Interface.
type deadlineHeap []*deadline

func (h deadlineHeap) Len() int { return len(h) }

func (h deadlineHeap) Less(i, j int) bool {
	if !h[i].at.Equal(h[j].at) {
		return h[i].at.Before(h[j].at)
	}
	return h[i].order < h[j].order
}

func (h deadlineHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *deadlineHeap) Push(x any) {
	d := x.(*deadline)
	d.index = len(*h)
	*h = append(*h, d)
}

func (h *deadlineHeap) Pop() any {
	old := *h
	n := len(old) - 1
	d := old[n]
	old[n] = nil
	d.index = -1
	*h = old[:n]
	return d
}
