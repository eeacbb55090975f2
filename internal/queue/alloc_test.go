package queue

import "testing"

func TestAllocs(t *testing.T) {
	names, messages := benchNames(), benchMessages()
	var finished uint64
	finish := func(v uint64) { finished += v }

	t.Run("replace", func(t *testing.T) {
		q := benchQueue(Named)
		i := 0
		assertAllocs(t, 0, func() {
			q.Push(names[i%depth], Named, messages[(i*7)%depth], 1, finish)
			i++
		})
	})
	t.Run("replace with a closure", func(t *testing.T) {
		q := benchQueue(Named)
		sum := uint64(0)
		assertAllocs(t, 0, func() {
			q.Push("node-00000", Named, messages[0], 1, func(v uint64) { sum += v })
		})
	})
	t.Run("from tier to tier", func(t *testing.T) {
		q := New[uint64]()
		for i := range depth {
			q.Push("", Unique, messages[0], uint64(i), nil)
		}
		dst := make([][]byte, 0, 100)
		take := func() { dst = q.Take(dst[:0], 2, packetRoom, 1<<20, nil) }
		for range depth {
			take()
		}
		if got := testing.AllocsPerRun(1, func() {
			for range depth {
				take()
			}
		}); got > 0 {
			t.Errorf("got %v allocations in %d packets", got, depth)
		}
	})
	for _, k := range kinds {
		t.Run("take "+k.name, func(t *testing.T) {
			q := benchQueue(k.kind)
			dst := make([][]byte, 0, 100)
			assertAllocs(t, 0, func() {
				dst = q.Take(dst[:0], 2, packetRoom, 1<<20, finish)
			})
		})
		t.Run("push and take "+k.name, func(t *testing.T) {
			q := benchQueue(k.kind)
			dst := make([][]byte, 0, 100)
			assertAllocs(t, 0, func() { // the item is used again
				q.Push("another", k.kind, messages[0], 1, finish)
				dst = q.Take(dst[:0], 2, len(messages[0])+2, 1, finish)
			})
			if q.Len() != depth {
				t.Errorf("len %d, want %d", q.Len(), depth)
			}
		})
	}
}

// assertAllocs fails when f allocates more than want objects a call. The average is rounded down: a node of the btree
// now and then is free.
func assertAllocs(t *testing.T, want float64, f func()) {
	t.Helper()
	if got := testing.AllocsPerRun(2000, f); got > want {
		t.Errorf("got %v allocations, want %v", got, want)
	}
}
