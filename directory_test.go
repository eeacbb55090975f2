package memberlist

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/e3431adc/memberlist/internal/swim"
)

// directoryMember is a member of that ID as the core tells of it.
func directoryMember(id int, state swim.State) *swim.Member {
	return &swim.Member{ID: swim.ID(id), Name: fmt.Sprint("m", id), State: state,
		Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(id >> 8), byte(id)}), 7946)}
}

// TestDirectory: it has the members that are alive or suspect, each once, whoever comes and goes.
func TestDirectory(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const ids = 3*directoryChunkSize + 5
	var d directory
	present := map[string]bool{}
	for step := range 5000 {
		id := r.IntN(ids)
		if step < ids {
			id = step // first all come, so that there are full chunks
		}
		state := swim.State(r.IntN(4))
		switch name := fmt.Sprint("m", id); {
		case step >= ids && r.IntN(5) == 0:
			d.forget(swim.ID(id))
			delete(present, name)
		case step < ids, !state.Gone():
			d.publish(directoryMember(id, swim.StateAlive), false)
			present[name] = true
		default:
			d.publish(directoryMember(id, state), false)
			delete(present, name)
		}
		seen := map[string]bool{}
		for _, n := range d.members() {
			if seen[n.Name] || !present[n.Name] {
				t.Fatalf("step %d: %s is there; twice: %v", step, n.Name, seen[n.Name])
			}
			seen[n.Name] = true
		}
		if len(seen) != len(present) || int(d.count.Load()) != len(present) {
			t.Fatalf("step %d: %d members counted as %d, want %d", step, len(seen), d.count.Load(), len(present))
		}
	}
}

// TestDirectoryIsReadWhileItChanges: readers never see one that is gone among the members, nor miss one that stays, whatever
// happens to its neighbors meanwhile.
func TestDirectoryIsReadWhileItChanges(t *testing.T) {
	const ids = 2 * directoryChunkSize
	var d directory
	publish := func(id int, state swim.State) {
		m := directoryMember(id, state)
		m.Versions[1] = uint8(id % 2) // 1: one that stays
		d.publish(m, false)
	}
	for id := range ids {
		publish(id, swim.StateAlive)
	}
	var stop atomic.Bool
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for !stop.Load() {
				stay := 0
				for _, n := range d.members() {
					if n == nil || present(n) == 0 {
						t.Errorf("%v is among the members", n)
						return
					}
					stay += int(n.PMax)
				}
				if stay != ids/2 {
					t.Errorf("%d stay, want %d", stay, ids/2)
					return
				}
			}
		})
	}
	for step := range 200 * ids {
		switch id := step % ids; {
		case id%2 == 1:
			publish(id, swim.StateSuspect) // also a change
		case step/ids%2 == 0:
			publish(id, swim.StateDead)
		default:
			publish(id, swim.StateAlive)
		}
	}
	stop.Store(true)
	readers.Wait()
}
