package swim

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// snapshotOf takes a Snapshot, in parts with a call in between, and reads it.
func snapshotOf(n *node, between func()) (map[string]wire.PushNodeState, *Snapshot) {
	n.t.Helper()
	var s Snapshot
	for n.Core.Snapshot(&s) {
		between()
	}
	states := readStates(n.t, &s)
	byName := make(map[string]wire.PushNodeState)
	for _, state := range states.Take(s.Len()) {
		if _, twice := byName[state.Name]; twice {
			n.t.Errorf("%s is in it twice", state.Name)
		}
		byName[state.Name] = state
	}
	return byName, &s
}

// readStates reads a Snapshot as a peer reads it from a stream.
func readStates(t *testing.T, s *Snapshot) wire.States {
	t.Helper()
	states, err := wire.NewStreamReader(bytes.NewReader(s.States), nil).ReadStates(s.Len())
	if err != nil {
		t.Fatal(err)
	}
	return states
}

// TestSnapshotSaysWhatIsKnown: a Snapshot has every known member, in any state, and this one once it is announced.
func TestSnapshotSaysWhatIsKnown(t *testing.T) {
	n := newNode(t, nil).withMembers(4)
	a := aliveOf(5, 7)
	a.Meta, a.Addr = []byte("meta"), bytes.Repeat([]byte{0x20, 0x01}, 8)
	n.alive(a)
	n.suspect(2, 1, "m1")
	n.dead(3, 1, "m1")
	n.dead(4, 1, "m4")
	states, s := snapshotOf(n, func() {})
	var counted Instances
	for n.Count(&counted) {
	}
	if s.ByState != [...]int{3, 1, 1, 1} || counted.ByState != s.ByState || len(states) != 6 {
		t.Errorf("counts %v, %v in the snapshot, %d states", counted.ByState, s.ByState, len(states))
	}
	for _, m := range n.Members(nil) {
		got := states[m.Name]
		if got.State != int(m.State) || got.Incarnation != m.Incarnation || !bytes.Equal(got.Meta, m.Meta) ||
			(got.Meta == nil) != (m.Meta == nil) || got.Port != m.Addr.Port() ||
			!bytes.Equal(got.Addr, m.Addr.Addr().AsSlice()) || !bytes.Equal(got.Vsn, m.Versions[:]) {
			t.Errorf("%+v is said to be %+v", m, got)
		}
	}

	unknown := New(testConfig()).Begin(testStart, new(Output))
	unknown.Introduce(memberAddr(0), nil, testVersions)
	var none Snapshot
	if more := unknown.Snapshot(&none); more || none.Len() != 0 || len(none.States) != 0 {
		t.Errorf("before Announce it has %d states", none.Len())
	}
}

// TestSnapshotInParts: a member that is known all the time is in it once, though others are added and removed
// meanwhile.
func TestSnapshotInParts(t *testing.T) {
	const members = 3*snapshotPart + 10
	n := newNode(t, func(c *Config) { c.GossipToTheDeadTime = time.Second }).withMembers(members)
	for i := 1; i <= members; i += 10 {
		n.dead(i, 1, "m2")
	}
	n.after(time.Minute)
	parts := 0
	states, _ := snapshotOf(n, func() {
		if parts++; parts == 1 {
			n.reaper.tick(n.Turn)
		}
		for i := range 20 {
			n.alive(aliveOf(members+20*parts+i, 1))
		}
	})
	if parts < 3 {
		t.Errorf("taken in %d parts", parts)
	}
	for i := 2; i <= members; i++ {
		if _, ok := states[memberName(i)]; !ok && i%10 != 1 {
			t.Errorf("%s is missing", memberName(i))
		}
	}
}

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
			values.origin = origin{cause: CausePushPull}
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
