package simnet

import (
	"container/heap"
	"time"
)

// event is a scheduled delivery.
type event struct {
	at  time.Time
	seq uint64
	run func()
}

// events is a heap by time and, at equal times, by the order of sending.
type events struct {
	heap []event
	seq  uint64
}

func (e *events) Len() int { return len(e.heap) }

func (e *events) Less(i, j int) bool {
	a, b := e.heap[i], e.heap[j]
	if !a.at.Equal(b.at) {
		return a.at.Before(b.at)
	}
	return a.seq < b.seq
}

func (e *events) Swap(i, j int) { e.heap[i], e.heap[j] = e.heap[j], e.heap[i] }

func (e *events) Push(x any) { e.heap = append(e.heap, x.(event)) }

func (e *events) Pop() any {
	last := len(e.heap) - 1
	x := e.heap[last]
	e.heap[last] = event{}
	e.heap = e.heap[:last]
	return x
}

// at calls run at a moment or, if that is not in the future, before it returns.
func (n *Network) at(moment time.Time, run func()) {
	if !moment.After(time.Now()) {
		run()
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mu.closed {
		return
	}
	n.mu.events.seq++
	heap.Push(&n.mu.events, event{moment, n.mu.events.seq, run})
	if !n.mu.firing && n.mu.events.heap[0].seq == n.mu.events.seq {
		n.armLocked()
	}
}

// armLocked sets the timer to the first event.
func (n *Network) armLocked() {
	if n.mu.timer != nil {
		n.mu.timer.Stop()
		n.mu.timer = nil
	}
	if n.mu.events.Len() > 0 {
		n.mu.timer = time.AfterFunc(time.Until(n.mu.events.heap[0].at), n.fire)
	}
}

// fire runs all due events.
func (n *Network) fire() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mu.firing {
		return // the timer was stopped too late
	}
	n.mu.firing = true
	for n.mu.events.Len() > 0 && !n.mu.events.heap[0].at.After(time.Now()) {
		due := heap.Pop(&n.mu.events).(event)
		n.mu.Unlock()
		due.run()
		n.mu.Lock()
	}
	n.mu.firing = false
	n.armLocked()
}
