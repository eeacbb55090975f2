package clustertest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"

	"github.com/e3431adc/memberlist"
)

// callLog records the calls of its methods for members and messages, and takes its time for joins.
type callLog struct {
	testDelegate
	mu    sync.Mutex
	calls []string
}

func (l *callLog) record(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, what)
}

func (l *callLog) list() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.calls)
}

func (l *callLog) NotifyMsg(b []byte) { l.record("message " + string(b)) }

func (l *callLog) NotifyLeave(n *memberlist.Node) { l.record("leave " + n.Name) }

func (l *callLog) NotifyUpdate(n *memberlist.Node) { l.record("update " + n.Name) }

func (l *callLog) NotifyJoin(n *memberlist.Node) {
	time.Sleep(10 * time.Millisecond)
	l.record("join " + n.Name)
}

// TestMessagesComeAfterEventsOfMembers: a message of a member that is new, or that comes back, is delivered after the event
// of its join. Serf relies on it: it ignores what a member announces before its join.
func TestMessagesComeAfterEventsOfMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t)
		defer c.stop()
		l := new(callLog)
		c.add(func(config *memberlist.Config) {
			config.Delegate, config.Events = l, l
			config.Alive = aliveFunc(func(*memberlist.Node) error { time.Sleep(5 * time.Millisecond); return nil })
		})
		from := c.believed()
		for i := range 20 {
			name := fmt.Sprint("new", i)
			addr := simAddr(100 + i)
			alive := &wire.Alive{Incarnation: 1, Node: name, Addr: addr.Addr().AsSlice(), Port: addr.Port(),
				Vsn: []byte{1, 5, 2, 0, 0, 0}}
			packet, _ := wire.AppendCompound(nil, [][]byte{append([]byte{byte(wire.TypeUser)}, name...), alive.Append(nil)})
			if err := from.Send(packet, simAddr(0)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		told := l.list()
		for i := range 20 {
			join, message := slices.Index(told, fmt.Sprint("join new", i)), slices.Index(told, fmt.Sprint("message new", i))
			if join < 0 || message < join {
				t.Errorf("new%d: joined as number %d, its message was number %d", i, join, message)
			}
		}
	})
}

// TestMessagesKeepTheirOrder: broadcasts of one size that are queued at the
// same time are delivered in the order in which they were queued, and of two
// sizes the smaller first, as with the reference: Serf's users see their events
// in order.
func TestMessagesKeepTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t)
		defer c.stop()
		receiver := new(callLog)
		c.add(func(config *memberlist.Config) { config.Delegate = receiver })
		sender := &queueDelegate{queue: &memberlist.TransmitLimitedQueue{NumNodes: func() int { return 2 }, RetransmitMult: 1}}
		m := c.add(func(config *memberlist.Config) { config.Delegate = sender })
		if _, err := m.Join([]string{simAddr(0).String()}); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"one", "two", "six", "longer"} {
			sender.queue.QueueBroadcast(lineBroadcast(text))
		}
		time.Sleep(time.Second)
		want := []string{"message one", "message two", "message six", "message longer"}
		if got := receiver.list(); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// queueDelegate broadcasts the contents of a queue.
type queueDelegate struct {
	testDelegate
	queue *memberlist.TransmitLimitedQueue
}

func (d *queueDelegate) GetBroadcasts(overhead, limit int) [][]byte {
	return d.queue.GetBroadcasts(overhead, limit)
}

// lineBroadcast is a broadcast that replaces no other.
type lineBroadcast string

func (lineBroadcast) Invalidates(memberlist.Broadcast) bool { return false }

func (b lineBroadcast) Message() []byte { return []byte(b) }

func (lineBroadcast) Finished() {}

func (lineBroadcast) UniqueBroadcast() {}
