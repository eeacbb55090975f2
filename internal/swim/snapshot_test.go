package swim

import (
	"bytes"
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
