package index

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// found lists the candidates for a hash.
func (x *Index) found(hash uint64) []uint32 {
	var ids []uint32
	for slot, id, ok := x.First(hash); ok; slot, id, ok = x.Next(slot) {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// TestIndex compares an index with a map, through many additions and removals, with hashes that nearly all collide,
// in the slot or in the whole stored half.
func TestIndex(t *testing.T) {
	for name, hash := range map[string]func(id uint32) uint64{
		"spread":         func(id uint32) uint64 { return uint64(id) * 0x9e3779b97f4a7c15 },
		"one slot":       func(id uint32) uint64 { return uint64(id) << 52 },
		"one hash":       func(id uint32) uint64 { return 7<<32 | uint64(id) },
		"at the far end": func(id uint32) uint64 { return ^uint64(id)<<32 | 1 },
	} {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			var x Index
			known := map[uint64][]uint32{} // by the stored half of the hash
			var all []uint32
			limit := 10
			for step := range 6000 {
				if step%1000 == 999 {
					limit = 10 + r.IntN(300)
				}
				if len(all) < limit && r.IntN(2) == 0 {
					id := uint32(r.IntN(1 << 12))
					if slices.Contains(all, id) {
						continue
					}
					all = append(all, id)
					x.Add(hash(id), id)
					known[hash(id)>>32] = append(known[hash(id)>>32], id)
				} else if len(all) > 0 {
					i := r.IntN(len(all))
					id := all[i]
					all = slices.Delete(all, i, i+1)
					x.Remove(hash(id), id)
					x.Remove(hash(id), id) // not present
					known[hash(id)>>32] = slices.DeleteFunc(known[hash(id)>>32], func(k uint32) bool { return k == id })
				}
				if x.Len() != len(all) || x.Cap() < len(all) || fillUnit*x.used > maxFill*len(x.slots) {
					t.Fatalf("%d used of %d, want %d", x.used, len(x.slots), len(all))
				}
				id := uint32(r.IntN(1 << 12))
				want := slices.Sorted(slices.Values(known[hash(id)>>32]))
				if got := x.found(hash(id)); !slices.Equal(got, want) {
					t.Fatalf("step %d: found %v for %d, want %v", step, got, id, want)
				}
			}
		})
	}
}
