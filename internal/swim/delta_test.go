package swim

import (
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// deltaBytes is the number of bytes of the bodies that each side sent.
type deltaBytes struct{ dialler, acceptor int }

// exchangeDifferences makes a begin a push/pull of differences with b, as drivers do.
func exchangeDifferences(t *testing.T, a, b *node) (sent deltaBytes) {
	t.Helper()
	if a.ViewChecksum() == b.ViewChecksum() {
		return sent
	}
	own := b.NewDigests()
	for b.Digest(own) {
	}
	sent.acceptor = len(own.Append(nil))
	theirs, err := ParseDigests(own.Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	mine := theirs.Like()
	for a.Digest(mine) {
	}
	list := NewListing(mine, theirs)
	for a.List(list) {
	}
	sent.dialler = len(list.Buckets) + len(list.Hashes)
	x, err := NewComparison(own, list.Buckets, list.Hashes)
	if err != nil {
		t.Fatal(err)
	}
	for b.Compare(x) {
	}
	sent.acceptor += len(x.States) + len(x.Wanted())
	states := readStates(t, &x.Snapshot)
	wanted, err := NewWantedStates(x.Wanted(), states)
	if err != nil {
		t.Fatal(err)
	}
	for a.Collect(wanted) {
	}
	sent.dialler += len(wanted.States)
	peer := Peer{}.OfDifferences()
	for back := readStates(t, &wanted.Snapshot); back.Len() > 0; {
		b.Turn.Merge(&peer, &back)
	}
	for states.Len() > 0 {
		a.Turn.Merge(&peer, &states)
	}
	a.take()
	b.take()
	return sent
}

// TestDifferences: after one exchange, in either direction, both have the newer state of each member.
func TestDifferences(t *testing.T) {
	tests := []struct {
		name      string
		one       func(*node) // what one of the two has missed
		state     State       // of m1, in the end
		at        uint32
		otherwise State // the state of m1 at the one who missed nothing, if it is another; StateAlive: the same
	}{
		{"a member", func(n *node) { n.alive(aliveOf(100, 1)) }, StateAlive, 1, 0},
		{"an update", func(n *node) { n.alive(aliveOf(1, 2)) }, StateAlive, 2, 0},
		{"a leave", func(n *node) { n.dead(1, 1, "m1") }, StateLeft, 1, 0},
		{"a death", func(n *node) { n.dead(1, 1, "m2") }, StateSuspect, 1, StateDead},
	}
	for _, tt := range tests {
		for _, dialler := range []string{"informed", "uninformed"} {
			t.Run(tt.name+", "+dialler, func(t *testing.T) {
				a, b := newNode(t, nil).withMembers(60), newNode(t, nil).withMembers(60)
				tt.one(a)
				if dialler == "informed" {
					exchangeDifferences(t, a, b)
				} else {
					exchangeDifferences(t, b, a)
				}
				b.want(1, tt.state, tt.at)
				if tt.otherwise == StateAlive {
					a.want(1, tt.state, tt.at)
				} else {
					a.want(1, tt.otherwise, tt.at)
				}
				if tt.otherwise == StateAlive && a.ViewChecksum() != b.ViewChecksum() {
					t.Error("the views still differ")
				}
				a.wantSum("informed")
				b.wantSum("uninformed")
			})
		}
	}
}

// TestDeadMembersAreNoDifference: of members that are down a peer is told only if it has them as alive.
func TestDeadMembersAreNoDifference(t *testing.T) {
	for _, knows := range []bool{false, true} {
		a, b := newNode(t, nil).withMembers(3), newNode(t, nil).withMembers(3)
		a.alive(aliveOf(2, 2)) // in the same bucket, as all are
		b.dead(1, 1, "m3")
		if knows {
			a.dead(1, 1, "m3")
		}
		digests := b.NewDigests()
		for b.Digest(digests) {
		}
		own := digests.Like()
		for a.Digest(own) {
		}
		list := NewListing(own, digests)
		for a.List(list) {
		}
		x, err := NewComparison(digests, list.Buckets, list.Hashes)
		if err != nil {
			t.Fatal(err)
		}
		for b.Compare(x) {
		}
		want := 2
		if knows {
			want = 1
		}
		if x.Len() != want {
			t.Errorf("the peer knows of the death: %v; it is sent %d states, want %d", knows, x.Len(), want)
		}
	}
}

// TestDifferencesEndSuspicions: a member that suspects another believes that it is dead, at the incarnation of the verdict.
func TestDifferencesEndSuspicions(t *testing.T) {
	a, b := newNode(t, nil).withMembers(5), newNode(t, nil).withMembers(5)
	b.suspect(1, 1, "m3")
	a.dead(1, 1, "m2")
	a.suspect(1, 7, "m3") // raises what is stored, but not the verdict
	b.suspect(2, 5, "m3") // newer than the death that a knows
	a.dead(2, 4, "m4")
	exchangeDifferences(t, a, b)
	b.want(1, StateDead, 1)
	b.want(2, StateSuspect, 5)

	b.Merge([]wire.PushNodeState{{Name: "m4", Addr: memberAddr(4).Addr().AsSlice(), Port: 7946, Incarnation: 1,
		State: int(StateDead), Vsn: testVersions[:]}})
	b.take()
	a.dead(4, 1, "m2")
	exchangeDifferences(t, a, b)
	b.want(4, StateSuspect, 1) // begun by a push/pull: the two sides of a partition meet

	b.suspect(3, 1, "m4")
	b.Merge([]wire.PushNodeState{{Name: "m3", Addr: memberAddr(3).Addr().AsSlice(), Port: 7946, Incarnation: 1,
		State: int(StateDead), Vsn: testVersions[:]}})
	b.want(3, StateSuspect, 1) // as a push/pull of all states may be with a member of the reference
}

// TestDifferencesBytes: the bytes of an exchange are in proportion to what differs.
func TestDifferencesBytes(t *testing.T) {
	const members = 10_000
	for _, tt := range []struct{ differ, most int }{{0, 0}, {10, 9_000}, {100, 30_000}} {
		a, b := newNode(t, nil), newNode(t, nil)
		for i := 1; i <= members; i++ {
			a.Step(Endpoint{}, aliveOf(i, 1))
			b.Step(Endpoint{}, aliveOf(i, 1+min(1, uint32(max(tt.differ-i+1, 0)))))
			if i%100 == 0 {
				a.queue.dropAll(a.Turn)
				b.queue.dropAll(b.Turn)
				a.take()
				b.take()
			}
		}
		sent := exchangeDifferences(t, a, b)
		t.Logf("%d of %d members differ: %d and %d bytes", tt.differ, members, sent.dialler, sent.acceptor)
		if got := sent.dialler + sent.acceptor; got > tt.most || a.ViewChecksum() != b.ViewChecksum() {
			t.Errorf("%d of %d members differ: %d bytes, want at most %d; views agree: %v", tt.differ, members, got, tt.most,
				a.ViewChecksum() == b.ViewChecksum())
		}
	}
}

// TestDigestsOfLiars: malformed ones are refused, and lies cost no more than all states.
func TestDigestsOfLiars(t *testing.T) {
	n := newNode(t, nil).withMembers(40)
	for _, size := range []int{0, 1, 3, 5, 12, 4 * 3, 4 * 2 * maxBuckets} {
		if _, err := ParseDigests(make([]byte, size)); !errors.Is(err, wire.ErrMalformed) {
			t.Errorf("digests of %d bytes: %v", size, err)
		}
	}
	if d, err := ParseDigests(make([]byte, 4*maxBuckets)); err != nil || d.Len() != maxBuckets {
		t.Errorf("most digests: %v", err)
	}
	own := n.NewDigests()
	for n.Digest(own) {
	}
	for _, size := range []struct{ buckets, hashes int }{{0, 0}, {2, 0}, {1, 7}, {1, 4}} {
		if _, err := NewComparison(own, make([]byte, size.buckets), make([]byte, size.hashes)); !errors.Is(err, wire.ErrMalformed) {
			t.Errorf("a list of %v bytes: %v", size, err)
		}
	}
	hashes := make([]byte, 8000)
	for i := range 1000 {
		binary.BigEndian.PutUint32(hashes[8*i:], uint32(i)<<22)
	}
	x, err := NewComparison(own, []byte{0xff}, hashes)
	if err != nil {
		t.Fatal(err)
	}
	for n.Compare(x) {
	}
	if x.Len() != 41 || len(x.Wanted()) != 4000 {
		t.Errorf("%d states, %d bytes of wanted hashes", x.Len(), len(x.Wanted()))
	}
	if _, err := NewWantedStates(make([]byte, 3), wire.States{}); !errors.Is(err, wire.ErrMalformed) {
		t.Errorf("3 bytes of wanted hashes: %v", err)
	}
}

// TestViewsDiffer: a member whose settled view differs is asked for what differs, then not again for a while that grows until
// the views are equal.
func TestViewsDiffer(t *testing.T) {
	n := newNode(t, withExtensions).withMembers(1)
	n.Start()
	n.after(time.Second)
	var asked []time.Duration
	began := n.now
	run := func(d time.Duration, view uint64) {
		t.Helper()
		asked = nil
		n.run(d, func(out *Output) {
			for _, s := range out.Streams {
				if s.Kind == StreamDifferences && s.To.Name == "m1" {
					asked = append(asked, n.now.Sub(began).Round(time.Second))
				}
			}
			n.ackAll(out, view)
			for _, s := range n.take().Streams {
				if s.Kind == StreamDifferences {
					asked = append(asked, n.now.Sub(began).Round(time.Second))
				}
			}
		})
	}
	run(time.Second, 1000)
	first := len(asked)
	run(20*time.Second, 1000)
	if first == 0 && len(asked) == 0 || len(asked) > 6 {
		t.Errorf("asked at %v", asked)
	}
	run(10*time.Second, wire.ViewUnsaid)
	if len(asked) > 1 { // the periodic one
		t.Errorf("asked at %v, though the view of the other is changing", asked)
	}
	run(3*time.Second, wire.ViewEqual)
	run(3*time.Second, 1000)
	if len(asked) < 2 {
		t.Errorf("asked at %v after the views were equal", asked)
	}
	for _, off := range []func(*Config){func(c *Config) { c.PushPullInterval = 0 }, func(c *Config) { c.SelectsTargets = true },
		func(c *Config) { c.Extensions = false }} {
		n = newNode(t, func(c *Config) { withExtensions(c); off(c) }).withMembers(1)
		n.Start()
		run(20*time.Second, 1000)
		if len(asked) > 0 {
			t.Errorf("asked at %v", asked)
		}
	}
}

func BenchmarkDigests(b *testing.B) {
	for _, members := range []int{100, 10_000} {
		b.Run(fmt.Sprint(members), func(b *testing.B) {
			turn := New(testConfig()).Begin(testStart, new(Output))
			turn.Announce(memberAddr(0), nil, testVersions, 0)
			for i := 1; i <= members; i++ {
				turn.StepGossip(Endpoint{}, viewOf(b, wire.TypeAlive, aliveOf(i, 1).Append(nil)[1:]))
			}
			b.ReportAllocs()
			for b.Loop() {
				d := turn.NewDigests()
				for turn.Digest(d) {
				}
			}
		})
	}
}
