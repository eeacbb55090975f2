package swim

import (
	"container/heap"
	"time"
)

// deadlineKind is what is due.
type deadlineKind uint8

const (
	dueProbe        deadlineKind = iota // begin a probe
	dueGossip                           // a round of gossip
	duePushPull                         // a push/pull
	dueCheck                            // a check of a claimed name continues
	dueReconnect                        // look for failed members
	dueForget                           // remove members that are down
	dueIsolation                        // an isolation ends
	dueProbeTimeout                     // no direct ack yet: probe indirectly
	dueProbeEnd                         // no ack at all
	dueSuspicion                        // a suspect member is dead
	dueRound                            // the next round about a suspect
	dueDeadCheck                        // no ack of a member that was declared dead
	dueRelay                            // no ack for an indirect ping
	duePing                             // no ack for a user's ping
	dueNewcomer                         // no ack of a newcomer
	dueBeat                             // no beat of the predecessor in the ring
)

// deadlineKinds is a set of kinds.
type deadlineKinds uint16

func (k deadlineKinds) has(kind deadlineKind) bool { return k>>kind&1 != 0 }

// deadline is a timer. It is part of its owner, and must not be copied while it is
// set.
type deadline struct {
	at     time.Time
	order  uint64 // of two at the same time the one that was set first comes first
	kind   deadlineKind
	index  int     // in the heap, -1 when not set
	member *member // dueSuspicion, dueRound
	check  *check  // dueCheck
	seq    uint32  // dueRelay, duePing, dueDeadCheck, dueNewcomer

	postponed time.Duration // by lateness, since it was set
}

func newDeadline(kind deadlineKind) *deadline {
	d := unset(kind)
	return &d
}

// unset returns a deadline that is not set.
func unset(kind deadlineKind) deadline { return deadline{kind: kind, index: -1} }

// deadlines is a heap of the deadlines that are set.
type deadlines struct {
	heap deadlineHeap
	sets uint64
}

// set arms d for at, whether or not it was set before.
func (s *deadlines) set(d *deadline, at time.Time) {
	s.sets++
	d.at, d.order, d.postponed = at, s.sets, 0
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

// nextBut returns the time of the first deadline of another kind than these, or zero.
func (s *deadlines) nextBut(these deadlineKinds) time.Time {
	if d := s.heap.firstBut(these, 0); d != nil {
		return d.at
	}
	return time.Time{}
}

// firstBut returns the first deadline of another kind than these in the heap below a place, or nil. It visits the two
// children of each deadline of these kinds, and each loop has only one.
func (h deadlineHeap) firstBut(these deadlineKinds, from int) *deadline {
	if from >= len(h) {
		return nil
	}
	if d := h[from]; !these.has(d.kind) {
		return d
	}
	left, right := h.firstBut(these, 2*from+1), h.firstBut(these, 2*from+2)
	if left == nil || right != nil && h.Less(right.index, left.index) {
		return right
	}
	return left
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
