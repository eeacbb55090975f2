package registry

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/e3431adc/memberlist/internal/walls"
)

func TestWalls(t *testing.T) {
	walls.Walls{Imports: []string{walls.Standard}}.Check(t, ".")
}

// value is the value of a member in these tests.
type value struct {
	id    int
	state state
	stays bool
}

// state is the state of a member in these tests. Members that are up are listed.
type state uint8

const (
	up state = iota
	down
)

func (s state) isDown() bool { return s%2 == down }

// set sets the state of a member, and its value if it is up.
func set(r *Registry[value], v value) {
	if v.state.isDown() {
		r.Set(uint32(v.id), uint8(v.state), nil)
	} else {
		r.Set(uint32(v.id), uint8(v.state), &v)
	}
}

// model is a registry in plain code.
type model struct {
	slots []int // IDs
	state map[int]state
}

func (m *model) listed() (ids []int) {
	for _, id := range m.slots {
		if !m.state[id].isDown() {
			ids = append(ids, id)
		}
	}
	return ids
}

// publish sets a state. A new member takes the place, of those listed, that it has in the registry.
func (m *model) publish(id int, s state, at int) {
	before := m.listed()
	m.state[id] = s
	if slices.Contains(m.slots, id) || s.isDown() {
		return
	}
	m.slots = append(m.slots, id)
	if at >= 0 && at < len(before) {
		slot := slices.Index(m.slots, before[at])
		m.slots[slot], m.slots[len(m.slots)-1] = id, before[at]
	}
}

func (m *model) forget(id int) {
	delete(m.state, id)
	if slot := slices.Index(m.slots, id); slot >= 0 {
		last := len(m.slots) - 1
		m.slots[slot] = m.slots[last]
		m.slots = m.slots[:last]
	}
}

func listedIDs(t *testing.T, r *Registry[value]) (ids []int) {
	t.Helper()
	for _, v := range r.List(noLocker{t}) {
		ids = append(ids, v.id)
	}
	return ids
}

// noLocker is a lock that need not be taken.
type noLocker struct{ *testing.T }

func (l noLocker) Lock()   { l.Error("the writer's lock is taken") }
func (l noLocker) Unlock() {}

// TestOrder: the registry lists the members that are up, each once, in the order of the model.
func TestOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var d Registry[value]
	m := model{state: map[int]state{}}
	for step := range 4000 {
		id := r.IntN(1 + r.IntN(70)) // few as well as many
		if _, known := m.state[id]; known && r.IntN(5) == 0 {
			d.Remove(uint32(id))
			m.forget(id)
		} else {
			s := state(r.IntN(4))
			set(&d, value{id: id, state: s})
			m.publish(id, s, slices.Index(listedIDs(t, &d), id))
		}
		if got, want := listedIDs(t, &d), m.listed(); !slices.Equal(got, want) || d.Len() != len(want) {
			t.Fatalf("step %d: %d listed, counted as %d, want %d", step, got, d.Len(), want)
		}
		var want [4]int
		for _, state := range m.state {
			want[state]++
		}
		if got := [4]int{d.Count(0), d.Count(1), d.Count(2), d.Count(3)}; got != want {
			t.Fatalf("step %d: counted %d, want %d", step, got, want)
		}
		v := d.Get(uint32(id))
		if listed := slices.Contains(m.listed(), id); listed != (v != nil) || listed && v.id != id {
			t.Fatalf("step %d: member %d, listed %v, has the value %v", step, id, listed, v)
		}
	}
}

// TestNewMemberTakesAnotherPlace: that of any listed member, and not the end.
func TestNewMemberTakesAnotherPlace(t *testing.T) {
	places := map[int]int{}
	for range 300 {
		var d Registry[value]
		for id := range 4 {
			set(&d, value{id: id})
		}
		gone := listedIDs(t, &d)[1]
		set(&d, value{id: gone, state: down})
		before := listedIDs(t, &d)
		set(&d, value{id: 4})
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

// TestReadWhileWritten: readers never see a member that is down, nor miss one that stays, nor see one twice, while others come, go and
// are removed.
func TestReadWhileWritten(t *testing.T) {
	const ids = 100
	var mu sync.Mutex
	var d Registry[value]
	publish := func(id int, s state) { set(&d, value{id: id, state: s, stays: id%2 == 1}) }
	for id := range ids {
		publish(id, up)
	}
	var stop atomic.Bool
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for !stop.Load() {
				stay := map[int]bool{}
				for _, n := range d.List(&mu) {
					if n == nil || n.state.isDown() {
						t.Errorf("%v is among the members", n)
						return
					}
					if stay[n.id] {
						t.Errorf("%d is there twice", n.id)
						return
					}
					stay[n.id] = n.stays
				}
				for id := 1; id < ids; id += 2 {
					if !stay[id] {
						t.Errorf("%d is missing", id)
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
			publish(id, up+2) // also a change
		case step/ids%3 == 0:
			publish(id, down)
		case step/ids%3 == 1:
			d.Remove(uint32(id))
		default:
			publish(id, up)
		}
		mu.Unlock()
	}
	stop.Store(true)
	readers.Wait()
}

// moveEnder is the lock of a writer that is moving a value until the lock is taken.
type moveEnder struct {
	d     *Registry[value]
	taken int
}

func (e *moveEnder) Lock()   { e.taken++; e.d.moves.Add(1) }
func (e *moveEnder) Unlock() { e.d.moves.Add(1) }

// TestReadersDoNotTryForEver: while values keep moving, a reader takes the writer's lock.
func TestReadersDoNotTryForEver(t *testing.T) {
	var d Registry[value]
	set(&d, value{})
	d.moves.Add(1)
	e := &moveEnder{d: &d}
	if got := d.List(e); len(got) != 1 || e.taken != 1 {
		t.Errorf("listed %v, with the lock taken %d times", got, e.taken)
	}
}

// TestMovesAreCounted: each value that is listed or removed changes the count that readers compare, so that none takes half of a
// move for a whole.
func TestMovesAreCounted(t *testing.T) {
	var r Registry[int]
	for i, change := range []func(){
		func() { r.Set(0, 0, new(int)) },
		func() { r.Set(1, 0, new(int)) },
		func() { r.Set(2, 0, new(int)) },
		func() { r.Remove(1) },
		func() { r.Remove(2) },
	} {
		before := r.moves.Load()
		change()
		if got := r.moves.Load() - before; got != 2 {
			t.Errorf("change %d: the count rises by %d, want 2", i, got)
		}
	}
}
