// Package registry publishes values of members, by the dense IDs that they have, for readers that take no lock.
package registry

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
)

// Registry has a value for each member that is listed, in the order of the list. One goroutine at a time writes, with a lock that the
// caller has; any number read without. The zero value is empty and ready for use.
//
// A member has a slot from when it is first listed until it is removed, also while it is not listed. The order is that of
// github.com/hashicorp/memberlist: a new member takes the slot of a random other, which moves to the end; when one is removed the last
// one moves into its slot.
type Registry[V any] struct {
	slots  atomic.Pointer[[]atomic.Pointer[V]] // never shrinks
	used   atomic.Int64                        // slots in use: the first ones
	listed atomic.Int64
	moves  atomic.Uint64 // incremented when a value begins to move, and when it has moved: odd meanwhile

	// The writer's own:
	entries []entry  // by ID
	ids     []uint32 // by slot
	states  [maxStates]int
}

// entry is what the writer knows of an ID.
type entry struct {
	slot  uint32 // plus 1; 0: none
	state uint8  // plus 1; 0: there is no such member
}

// maxStates is the number of states, plus 1.
const maxStates = 8

// readAttempts is how often a reader without a lock starts over because values moved meanwhile.
const readAttempts = 3

// Set sets the state of a member, below 7, and its value, which is listed. A member whose value is nil is not listed. The value must
// not be changed afterwards.
func (r *Registry[V]) Set(id uint32, state uint8, value *V) {
	for int(id) >= len(r.entries) {
		r.entries = append(r.entries, entry{})
	}
	e := &r.entries[id]
	r.setState(e, state+1)
	switch {
	case e.slot > 0:
		old := (*r.slots.Load())[e.slot-1].Swap(value)
		r.listed.Add(count(value) - count(old))
	case value != nil:
		r.insert(id, value)
	}
}

// Remove removes a member. Its ID may be used again.
func (r *Registry[V]) Remove(id uint32) {
	if int(id) >= len(r.entries) {
		return
	}
	e := &r.entries[id]
	r.setState(e, 0)
	if e.slot > 0 {
		r.removeSlot(e)
	}
}

// Get returns the value of a member, or nil. Only the writer may call it.
func (r *Registry[V]) Get(id uint32) *V {
	if int(id) >= len(r.entries) || r.entries[id].slot == 0 {
		return nil
	}
	return (*r.slots.Load())[r.entries[id].slot-1].Load()
}

// Count returns the number of members in a state. Only the writer may call it.
func (r *Registry[V]) Count(state uint8) int { return r.states[state+1] }

// Len returns the number of members that are listed.
func (r *Registry[V]) Len() int { return int(r.listed.Load()) }

// List returns the listed values, in a slice of the caller's. It takes the writer's lock only if values keep moving.
func (r *Registry[V]) List(writer sync.Locker) []*V {
	for range readAttempts {
		if values, ok := r.read(); ok {
			return values
		}
	}
	writer.Lock()
	defer writer.Unlock()
	values, _ := r.read()
	return values
}

// read returns the listed values, and whether none moved meanwhile: else some may be missing, or there twice.
func (r *Registry[V]) read() (values []*V, ok bool) {
	before := r.moves.Load()
	slots := r.slots.Load()
	if slots == nil {
		return nil, true
	}
	used := (*slots)[:min(int(r.used.Load()), len(*slots))]
	values = make([]*V, len(used))
	n := 0
	for i := range used {
		if value := used[i].Load(); value != nil {
			values[n] = value
			n++
		}
	}
	return values[:n], before%2 == 0 && r.moves.Load() == before
}

// insert gives a new member the slot of a random one that is listed, and moves that to the end. If none is listed, the new one
// goes to the end.
func (r *Registry[V]) insert(id uint32, value *V) {
	r.moves.Add(1)
	slots, end := r.grow(), len(r.ids)
	r.ids = append(r.ids, id)
	at := end
	if r.listed.Load() > 0 {
		at = rand.IntN(end)
		for slots[at].Load() == nil {
			at = (at + 1) % end
		}
		r.move(slots, at, end)
	}
	r.ids[at], r.entries[id].slot = id, uint32(at)+1
	slots[at].Store(value)
	r.used.Store(int64(end + 1))
	r.listed.Add(1)
	r.moves.Add(1)
}

// removeSlot takes the slot away from a member and moves the last one into it.
func (r *Registry[V]) removeSlot(e *entry) {
	r.moves.Add(1)
	slots, at, end := *r.slots.Load(), int(e.slot)-1, len(r.ids)-1
	r.listed.Add(-count(slots[at].Load()))
	r.move(slots, end, at)
	slots[end].Store(nil)
	r.ids = r.ids[:end]
	e.slot = 0
	r.used.Store(int64(end))
	r.moves.Add(1)
}

// move copies the value of one slot to another.
func (r *Registry[V]) move(slots []atomic.Pointer[V], from, to int) {
	id := r.ids[from]
	r.ids[to], r.entries[id].slot = id, uint32(to)+1
	slots[to].Store(slots[from].Load())
}

// grow returns slots with room for one more than are in use. A reader of the former ones notices by moves.
func (r *Registry[V]) grow() []atomic.Pointer[V] {
	var old []atomic.Pointer[V]
	if p := r.slots.Load(); p != nil {
		old = *p
	}
	if len(r.ids) < len(old) {
		return old
	}
	slots := make([]atomic.Pointer[V], len(old)+len(old)/4+4)
	for i := range old {
		slots[i].Store(old[i].Load())
	}
	r.slots.Store(&slots)
	return slots
}

func (r *Registry[V]) setState(e *entry, state uint8) {
	r.states[e.state]--
	e.state = state
	r.states[state]++
}

// count is 1 for a value, and 0 for none.
func count[V any](value *V) int64 {
	if value == nil {
		return 0
	}
	return 1
}
