package wire

import "hash/maphash"

// Names remembers strings seen in messages, so that a member's name that was seen before is not allocated again. It is
// a small cache, not a registry: a newer string takes the slot of an older one. Owned by one goroutine. A nil *Names,
// and the zero value, remember nothing.
type Names struct {
	seed  maphash.Seed
	slots []string // nil until there is one
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
		n.slots = make([]string, nameSlots)
	}
	slot := &n.slots[maphash.Bytes(n.seed, b)%nameSlots]
	if *slot != string(b) {
		*slot = string(b)
	}
	return *slot
}
