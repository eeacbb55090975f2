package wire

import "hash/maphash"

// Names interns strings seen in messages, so that a known member's name is not allocated again. It is a small cache:
// a newer string takes the slot of an older one. Owned by one goroutine. A nil *Names and the zero value intern
// nothing.
type Names struct {
	seed    maphash.Seed
	slots   []string // nil until the first string; grows with use
	wanting int      // rises when a string replaces another, falls when one is found
}

// NewNames returns an empty Names. Its hash is seeded, so that peers cannot choose names that share a slot.
func NewNames() *Names {
	return &Names{seed: maphash.MakeSeed()}
}

// Intern returns b as a string.
func (n *Names) Intern(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if n == nil || len(b) > maxName || n.seed == (maphash.Seed{}) {
		return string(b)
	}
	if n.slots == nil {
		n.slots = make([]string, minNameSlots)
	}
	pair := n.pair(b)
	switch string(b) {
	case pair[0]:
		n.wanting = max(0, n.wanting-1)
		return pair[0]
	case pair[1]:
		n.wanting = max(0, n.wanting-1)
		pair[0], pair[1] = pair[1], pair[0]
		return pair[0]
	}
	if pair[1] != "" {
		n.wanting += nameCost
		if n.wanting > nameCost*len(n.slots) && len(n.slots) < maxNameSlots {
			n.slots, n.wanting = make([]string, 2*len(n.slots)), 0
			pair = n.pair(b)
		}
	}
	pair[0], pair[1] = string(b), pair[0]
	return pair[0]
}

// pair returns the two slots of which one has b, if it is interned; the more recently used one is first.
func (n *Names) pair(b []byte) []string {
	i := maphash.Bytes(n.seed, b) & uint64(len(n.slots)/2-1) // their number is a power of two
	return n.slots[2*i : 2*i+2]
}
