package swim

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

func TestMerge(t *testing.T) {
	state := func(i int, s State, inc uint32) wire.PushNodeState {
		return wire.PushNodeState{Name: memberName(i), Addr: memberAddr(i).Addr().AsSlice(), Port: 7946,
			Incarnation: inc, State: int(s), Vsn: testVersions[:], Meta: []byte("m")}
	}
	n := newNode(t, nil).withMembers(4)
	n.queued()
	n.Merge([]wire.PushNodeState{
		state(1, StateDead, 1), state(2, StateLeft, 1), state(3, StateSuspect, 1), state(4, StateAlive, 2),
		state(5, StateAlive, 1), state(6, StateDead, 1), state(7, StateLeft, 1), state(8, State(9), 1),
		state(9, StateSuspect, MaxIncarnation), {Name: "self", State: int(StateDead), Incarnation: 1},
	})
	out := n.take()
	n.want(1, StateSuspect, 1)
	n.want(2, StateLeft, 1)
	n.want(3, StateSuspect, 1)
	n.want(4, StateAlive, 2)
	n.want(5, StateAlive, 1)
	if n.NumKnown() != 6 {
		t.Errorf("%d members known, want 6", n.NumKnown())
	}
	if n.Self().Incarnation != 2 {
		t.Errorf("our incarnation is %d, want 2: refuted", n.Self().Incarnation)
	}
	for _, m := range n.queued() {
		if s, ok := m.(*wire.Suspect); ok && s.From != unattributed {
			t.Errorf("suspect by %q, want no reporter", s.From)
		}
	}
	if out.Counts.Drops[DropMalformed] != 1 {
		t.Errorf("drops %v, want the unknown state", out.Counts.Drops)
	}
}

// TestMergeKnown: states have the same effect whether the fast path for known ones handles them or all rules do.
func TestMergeKnown(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		reconnecting := func(c *Config) {
			c.ReconnectInterval, c.DeadNodeReclaimTime = 20*time.Second, time.Second
			c.Rand = rand.New(rand.NewPCG(seed, 2))
		}
		values, read := newNode(t, reconnecting), newNode(t, reconnecting)
		for round := range 20 {
			states := make([]wire.PushNodeState, r.IntN(20))
			for i := range states {
				states[i] = oddState(r)
			}
			one := wire.StatesOf(states...)
			for v := (wire.StateView{}); one.Next(&v); {
				values.mergeState(new(Peer), values.table.namedBytes(v.Name()), &v)
			}
			read.Merge(states)
			assertSameOutput(t, read.take(), values.take())
			wait := time.Duration(r.IntN(10)) * time.Second
			for _, n := range []*node{values, read} {
				n.after(wait).Tick()
			}
			assertSameOutput(t, read.take(), values.take())
			if t.Failed() {
				t.Fatalf("seed %d, round %d: %+v", seed, round, states)
			}
		}
	}
}

// TestMergeAtOnce: a merge handles a bounded part of the states, so that other turns are not delayed.
func TestMergeAtOnce(t *testing.T) {
	const members = 3 * statesAtOnce
	var encoded []byte
	for i := 1; i <= members; i++ {
		s := stateOf(i, 1, StateAlive)
		encoded = s.Append(encoded)
	}
	n := newNode(t, nil)
	for _, tt := range []struct {
		name string
		want int
	}{{"new", newsAtOnce}, {"known", statesAtOnce}} {
		states := readStates(t, &Snapshot{States: encoded, Instances: Instances{ByState: [4]int{members}}})
		for turn := 1; states.Len() > 0; turn++ {
			before := states.Len()
			n.Turn.Merge(new(Peer), &states)
			if taken := before - states.Len(); taken != tt.want {
				t.Fatalf("%s: turn %d took %d, want %d", tt.name, turn, taken, tt.want)
			}
			n.take()
		}
	}
	if got := n.NumKnown(); got != members+1 {
		t.Errorf("%d members, want %d", got, members+1)
	}
}

func assertSameOutput(t *testing.T, got, want *Output) {
	t.Helper()
	if got, want := withoutMemory(*got), withoutMemory(*want); !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

// withoutMemory returns an Output without its spare memory.
func withoutMemory(o Output) Output {
	o.bytes, o.pieces = nil, nil
	for v, i := reflect.ValueOf(&o).Elem(), 0; i < v.NumField(); i++ {
		if f := v.Field(i); f.Kind() == reflect.Slice && f.Len() == 0 && f.CanSet() {
			f.SetZero()
		}
	}
	return o
}

// oddState returns a state of one of a few members that is valid in most respects.
func oddState(r *rand.Rand) wire.PushNodeState {
	i := r.IntN(8)
	s := wire.PushNodeState{Name: memberName(i), Addr: memberAddr(i).Addr().AsSlice(), Port: 7946, Meta: []byte("m")[:r.IntN(2)],
		Incarnation: uint32(r.IntN(4)), State: r.IntN(4) * r.IntN(2), Vsn: testVersions[:]}
	switch r.IntN(20) {
	case 0:
		s.Name = []string{"", "self", strings.Repeat("n", MaxName+1)}[r.IntN(3)]
	case 1:
		s.Addr = [][]byte{nil, {1, 2, 3}, make([]byte, 16), {10, 9, 9, 9}}[r.IntN(4)]
	case 2:
		s.Port = uint16(r.IntN(2))
	case 3:
		s.Meta = make([]byte, MaxMeta+r.IntN(2))
	case 4:
		s.Incarnation = MaxIncarnation
	case 5:
		s.State = []int{-1, 4, 200, 1 << 20}[r.IntN(4)]
	case 6:
		s.Vsn = [][]byte{nil, {0, 5, 2}, {6, 5, 2, 0, 0, 0}, {1, 5}, {1, 4, 4, 0, 0, 0, 7}}[r.IntN(5)]
	}
	return s
}
