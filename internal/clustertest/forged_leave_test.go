package clustertest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"

	"github.com/e3431adc/memberlist"
)

// intentDelegate leaves as Serf's delegate does: it broadcasts that it is about to leave, waits until its queue has sent
// that as often as configured, and then calls Leave. A member that receives the broadcast broadcasts it too. A leave
// without it counts as a failure.
type intentDelegate struct {
	queueDelegate
	mu     sync.Mutex
	heard  map[string]bool
	left   int
	failed int
}

// finishedBroadcast is a lineBroadcast that closes a channel when it has been sent.
type finishedBroadcast struct {
	lineBroadcast
	done chan struct{}
}

func (b finishedBroadcast) Finished() { close(b.done) }

func newIntentDelegate() *intentDelegate {
	d := &intentDelegate{heard: make(map[string]bool)}
	d.queue = &memberlist.TransmitLimitedQueue{NumNodes: func() int { return 9 }, RetransmitMult: 4}
	return d
}

func (d *intentDelegate) NotifyMsg(b []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.heard[string(b)] {
		d.heard[string(b)] = true
		d.queue.QueueBroadcast(lineBroadcast(b))
	}
}

func (d *intentDelegate) NotifyJoin(n *memberlist.Node) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.heard, n.Name)
}

func (d *intentDelegate) NotifyUpdate(*memberlist.Node) {}

func (d *intentDelegate) NotifyLeave(n *memberlist.Node) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left++
	if !d.heard[n.Name] {
		d.failed++
	}
}

// leave announces that m leaves, and leaves when the announcement has been sent.
func (d *intentDelegate) leave(t *testing.T, m *memberlist.Memberlist) {
	t.Helper()
	<-d.tell(m)
	d.leaveNow(t, m)
}

// leaveAtOnce announces that m leaves, and leaves without waiting.
func (d *intentDelegate) leaveAtOnce(t *testing.T, m *memberlist.Memberlist) {
	t.Helper()
	d.tell(m)
	d.leaveNow(t, m)
}

func (d *intentDelegate) tell(m *memberlist.Memberlist) (sent chan struct{}) {
	d.mu.Lock()
	d.heard[m.LocalNode().Name] = true
	d.mu.Unlock()
	sent = make(chan struct{})
	d.queue.QueueBroadcast(finishedBroadcast{lineBroadcast(m.LocalNode().Name), sent})
	return sent
}

func (d *intentDelegate) leaveNow(t *testing.T, m *memberlist.Memberlist) {
	t.Helper()
	if err := m.Leave(5 * time.Second); err != nil {
		t.Error(err)
	}
}

// TestIntentComesBeforeLeave: a broadcast that a program made before it left is delivered before its leave event, though
// the leave goes to more members at once than the broadcast did.
func TestIntentComesBeforeLeave(t *testing.T) {
	t.Run("that was sent", func(t *testing.T) { testIntent(t, (*intentDelegate).leave) })
	t.Run("that waits to be sent", func(t *testing.T) { testIntent(t, (*intentDelegate).leaveAtOnce) })
}

func testIntent(t *testing.T, leave func(*intentDelegate, *testing.T, *memberlist.Memberlist)) {
	synctest.Test(t, func(t *testing.T) {
		const size, leaves = 9, 50
		c := newSimCluster(t)
		defer c.stop()
		delegates := make([]*intentDelegate, size)
		start := func(i int) *memberlist.Memberlist {
			config := c.simConfig(i)
			delegates[i] = newIntentDelegate()
			config.Delegate, config.Events = delegates[i], delegates[i]
			m, err := memberlist.Create(config)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := m.Join([]string{simAddr((i + 1) % size).String()}); err != nil && i > 0 {
				t.Fatal(err)
			}
			return m
		}
		c.members = make([]*memberlist.Memberlist, size)
		for i := range size {
			c.members[(size-i)%size] = start((size - i) % size)
		}
		c.await(settles, func() bool { return c.agree(size) })
		left, failed := 0, 0
		for n := range leaves {
			i := n % size
			leave(delegates[i], t, c.members[i])
			time.Sleep(time.Second) // as Serf does
			c.members[i].Shutdown()
			for j, d := range delegates {
				if j != i {
					d.mu.Lock()
					left, failed, d.left, d.failed = left+d.left, failed+d.failed, 0, 0
					d.mu.Unlock()
				}
			}
			c.members[i] = start(i)
			c.await(settles, func() bool { return c.agree(size) })
		}
		if want := leaves * (size - 1); left != want || failed > 0 {
			t.Errorf("of %d leaves that were told %d came before the broadcast, want %d and none", left, failed, want)
		}
	})
}

// slowCallLog is a callLog that also takes its time for messages.
type slowCallLog struct {
	callLog
	takes time.Duration
}

func (s *slowCallLog) NotifyMsg(b []byte) {
	time.Sleep(s.takes)
	s.callLog.NotifyMsg(b)
}

// leavePatience is the time for which a member's leave waits for the user messages that arrived before it, and for which
// Leave waits for a slow delegate.
const leavePatience = 200 * time.Millisecond

// TestLeaveComesAfterMessages: a leave event comes after the messages of its packet and of packets before, unless the
// delegate takes long for them.
func TestLeaveComesAfterMessages(t *testing.T) {
	for _, tt := range []struct {
		name  string
		takes time.Duration // for a message
		want  string
		least time.Duration
		most  time.Duration
	}{
		{"at once", 0, "join m1, message before, message with, leave m1", 0, 5 * time.Millisecond},
		{"some time", 50 * time.Millisecond, "join m1, message before, message with, leave m1", 90 * time.Millisecond, 110 * time.Millisecond},
		{"an hour", time.Hour, "join m1, leave m1", leavePatience, leavePatience + 5*time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newSimCluster(t)
				defer time.Sleep(2 * time.Hour) // until the delegate is done
				defer c.stop()
				l := &slowCallLog{takes: tt.takes}
				m := c.add(func(config *memberlist.Config) {
					config.Delegate, config.Events = l, l
					config.ProbeInterval = 0 // those members do not exist
				})
				from := c.believed()
				send := func(messages ...[]byte) {
					t.Helper()
					packet, _ := wire.AppendCompound(nil, messages)
					if err := from.Send(packet, simAddr(0)); err != nil {
						t.Fatal(err)
					}
				}
				user := func(text string) []byte { return append([]byte{byte(wire.TypeUser)}, text...) }
				alive := func(i int) []byte {
					return (&wire.Alive{Incarnation: 1, Node: fmt.Sprint("m", i), Addr: simAddr(i).Addr().AsSlice(), Port: simAddr(i).Port(),
						Vsn: []byte{1, 5, 2, 0, 0, 0}}).Append(nil)
				}
				leave := func(i int) []byte {
					return (&wire.Dead{Incarnation: 1, Node: fmt.Sprint("m", i), From: fmt.Sprint("m", i)}).Append(nil)
				}
				send(alive(1), alive(2))
				c.await(time.Second, func() bool { return m.NumMembers() == 3 })
				time.Sleep(time.Second)
				begin := time.Now()
				send(user("before"))
				send(leave(1), user("with"))
				c.await(time.Minute, func() bool { return m.NumMembers() == 2 })
				if took := time.Since(begin); took < tt.least || took > tt.most {
					t.Errorf("it is gone after %v, want %v to %v", took, tt.least, tt.most)
				}
				if tt.takes == time.Hour { // the next does not wait for the same message again
					send(leave(2))
					c.await(5*time.Millisecond, func() bool { return m.NumMembers() == 1 })
				}
				time.Sleep(time.Second)
				calls := slices.DeleteFunc(l.list(), func(s string) bool { return strings.Contains(s, "m0") || strings.Contains(s, "m2") })
				if got := strings.Join(calls, ", "); got != tt.want {
					t.Errorf("calls %s, want %s", got, tt.want)
				}
			})
		})
	}
}

// leaveTap records the destinations of packets that contain a leave.
type leaveTap struct {
	*simTransport
	mu       sync.Mutex
	unpacker wire.Unpacker
	to       []string
}

func (l *leaveTap) WriteTo(b []byte, addr string) (time.Time, error) {
	l.mu.Lock()
	l.unpacker.Unpack(b, func(t wire.Type, _ []byte) {
		if t == wire.TypeDead {
			l.to = append(l.to, addr)
		}
	})
	l.mu.Unlock()
	return l.simTransport.WriteTo(b, addr)
}

// TestLeaveTellsEightMembersAtOnce: a leave is sent to eight members at once, in addition to gossip, of which there is none
// here.
func TestLeaveTellsEightMembersAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(12, nil)
		defer c.stop()
		var tap *leaveTap
		m := c.add(func(config *memberlist.Config) {
			tap = &leaveTap{simTransport: config.Transport.(*simTransport)}
			config.Transport = tap
			config.GossipInterval, config.ProbeInterval = time.Hour, time.Hour
		})
		if _, err := m.Join(seedsAt(0)); err != nil {
			t.Fatal(err)
		}
		c.await(settles, func() bool { return c.agree(13) })
		left := make(chan error)
		go func() { left <- m.Leave(time.Second) }()
		time.Sleep(10 * time.Millisecond)
		tap.mu.Lock()
		slices.Sort(tap.to)
		if got := slices.Compact(tap.to); len(got) != 8 {
			t.Errorf("%d members were told at once, want 8: %v", len(got), got)
		}
		tap.mu.Unlock()
		<-left
	})
}
