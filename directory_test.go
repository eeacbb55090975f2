package memberlist

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
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

// directoryModel is a directory as one would write it if speed did not matter.
type directoryModel struct {
	slots []int // IDs
	state map[int]swim.State
}

func (m *directoryModel) listed() (ids []int) {
	for _, id := range m.slots {
		if !m.state[id].Gone() {
			ids = append(ids, id)
		}
	}
	return ids
}

// publish follows the directory in which listed member makes room for a new one.
func (m *directoryModel) publish(id int, state swim.State, at int) {
	before := m.listed()
	m.state[id] = state
	if slices.Contains(m.slots, id) || state.Gone() {
		return
	}
	m.slots = append(m.slots, id)
	if at >= 0 && at < len(before) {
		slot := slices.Index(m.slots, before[at])
		m.slots[slot], m.slots[len(m.slots)-1] = id, before[at]
	}
}

func (m *directoryModel) forget(id int) {
	delete(m.state, id)
	if slot := slices.Index(m.slots, id); slot >= 0 {
		last := len(m.slots) - 1
		m.slots[slot] = m.slots[last]
		m.slots = m.slots[:last]
	}
}

func listedIDs(t *testing.T, d *directory) (ids []int) {
	t.Helper()
	for _, n := range d.members(noLocker{t}) {
		var id int
		if _, err := fmt.Sscanf(n.Name, "m%d", &id); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

// noLocker is a lock that need not be taken.
type noLocker struct{ *testing.T }

func (l noLocker) Lock()   { l.Error("the writer's lock is taken") }
func (l noLocker) Unlock() {}

// TestDirectory: it lists the members that are alive or suspect, each once, in the order that the model says.
func TestDirectory(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var d directory
	m := directoryModel{state: map[int]swim.State{}}
	for step := range 4000 {
		id := r.IntN(1 + r.IntN(70)) // few as well as many
		if _, known := m.state[id]; known && r.IntN(5) == 0 {
			d.forget(swim.ID(id))
			m.forget(id)
		} else {
			state := swim.State(r.IntN(4))
			d.publish(directoryMember(id, state), false)
			m.publish(id, state, slices.Index(listedIDs(t, &d), id))
		}
		if got, want := listedIDs(t, &d), m.listed(); !slices.Equal(got, want) || int(d.count.Load()) != len(want) {
			t.Fatalf("step %d: %d listed, counted as %d, want %d", step, got, d.count.Load(), want)
		}
		var want [4]int
		for _, state := range m.state {
			want[state]++
		}
		if got := d.counts(); got != (Members{want[0], want[1], want[2], want[3]}) {
			t.Fatalf("step %d: counted %+v, want %d", step, got, want)
		}
		published := d.published(swim.ID(id))
		if listed := slices.Contains(m.listed(), id); listed != (published != nil) || listed && published.Name != fmt.Sprint("m", id) {
			t.Fatalf("step %d: member %d, listed %v, has the Node %v", step, id, listed, published)
		}
	}
}

// TestNewMemberTakesAnotherPlace: any of those that are there, but not its own at the end; who is dead does not count.
func TestNewMemberTakesAnotherPlace(t *testing.T) {
	places := map[int]int{}
	for range 300 {
		var d directory
		for id := range 4 {
			d.publish(directoryMember(id, swim.StateAlive), false)
		}
		gone := listedIDs(t, &d)[1]
		d.publish(directoryMember(gone, swim.StateDead), false)
		before := listedIDs(t, &d)
		d.publish(directoryMember(4, swim.StateAlive), false)
		at := slices.Index(listedIDs(t, &d), 4)
		places[at]++
		if at < 0 || at > 2 {
			t.Fatalf("among %d a new one has place %d", before, at)
		}
		want := append(slices.Clone(before), before[at])
		want[at] = 4
		if got := listedIDs(t, &d); !slices.Equal(got, want) {
			t.Fatalf("%d became %d, want %d", before, got, want)
		}
	}
	if len(places) != 3 {
		t.Errorf("new ones had the places %v, each so often", places)
	}
}

// TestDirectoryIsReadWhileItChanges: readers never see one that is gone among the members, nor miss one that stays, nor see it
// twice, whoever comes, goes and is forgotten meanwhile.
func TestDirectoryIsReadWhileItChanges(t *testing.T) {
	const ids = 100
	var mu sync.Mutex
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
				stay := map[string]bool{}
				for _, n := range d.members(&mu) {
					if n == nil || n.State == StateDead {
						t.Errorf("%v is among the members", n)
						return
					}
					if n.PMax == 1 && stay[n.Name] {
						t.Errorf("%s is there twice", n.Name)
						return
					}
					stay[n.Name] = n.PMax == 1
				}
				for id := 1; id < ids; id += 2 {
					if !stay[fmt.Sprint("m", id)] {
						t.Errorf("m%d is missing", id)
						return
					}
				}
			}
		})
	}
	for step := range 400 * ids {
		mu.Lock()
		switch id := step % ids; {
		case id%2 == 1:
			publish(id, swim.StateSuspect) // also a change
		case step/ids%3 == 0:
			publish(id, swim.StateDead)
		case step/ids%3 == 1:
			d.forget(swim.ID(id))
		default:
			publish(id, swim.StateAlive)
		}
		mu.Unlock()
	}
	stop.Store(true)
	readers.Wait()
}

// moveEnder is the lock of a writer that is moving a Node until the lock is taken.
type moveEnder struct {
	d     *directory
	taken int
}

func (e *moveEnder) Lock()   { e.taken++; e.d.moves.Add(1) }
func (e *moveEnder) Unlock() { e.d.moves.Add(1) }

// TestReadersDoNotTryForEver: while Nodes keep moving, a reader takes the writer's lock.
func TestReadersDoNotTryForEver(t *testing.T) {
	var d directory
	d.publish(directoryMember(0, swim.StateAlive), false)
	d.moves.Add(1)
	e := &moveEnder{d: &d}
	if got := d.members(e); len(got) != 1 || e.taken != 1 {
		t.Errorf("listed %v, with the lock taken %d times", got, e.taken)
	}
}
