package memberlist

import "math/rand/v2"

// systemRandom is the runtime's source of random numbers, as a source for the
// core: seeded by the operating system, so that no peer can predict it, and in no
// need of memory or of a seed for each member.
type systemRandom struct{}

func (systemRandom) Uint64() uint64 { return rand.Uint64() }
