// Code generated from ../suite by go generate; DO NOT EDIT.

package suite

import (
	"fmt"
	"testing"

	"github.com/hashicorp/memberlist"
)

// queueDepth is the number of queued broadcasts.
const queueDepth = 10000

// uniqueBroadcast replaces none and is replaced by none.
type uniqueBroadcast struct{ message []byte }

func (u *uniqueBroadcast) Invalidates(memberlist.Broadcast) bool { return false }
func (u *uniqueBroadcast) Message() []byte                       { return u.message }
func (u *uniqueBroadcast) Finished()                             {}
func (u *uniqueBroadcast) UniqueBroadcast()                      {}

// namedBroadcast replaces the one of the same name.
type namedBroadcast struct {
	name    string
	message []byte
}

func (n *namedBroadcast) Invalidates(b memberlist.Broadcast) bool {
	other, ok := b.(*namedBroadcast)
	return ok && other.name == n.name
}
func (n *namedBroadcast) Message() []byte { return n.message }
func (n *namedBroadcast) Finished()       {}
func (n *namedBroadcast) Name() string    { return n.name }

func newNamed(i int) memberlist.Broadcast {
	return &namedBroadcast{name: memberName(i), message: fmt.Appendf(nil, "what is to be said of %s to all of the others", memberName(i))}
}

func newUnique(i int) memberlist.Broadcast {
	return &uniqueBroadcast{message: fmt.Appendf(nil, "what is to be said of %s to all of the others", memberName(i))}
}

// plainDepth is the number of queued plain broadcasts.
const plainDepth = 1000

// plainBroadcast replaces those with its key.
type plainBroadcast struct {
	key     int
	message []byte
}

func (p *plainBroadcast) Invalidates(b memberlist.Broadcast) bool {
	other, ok := b.(*plainBroadcast)
	return ok && other.key == p.key
}
func (p *plainBroadcast) Message() []byte { return p.message }
func (p *plainBroadcast) Finished()       {}

// simpleBroadcast replaces none, as in Alertmanager.
type simpleBroadcast []byte

func (s *simpleBroadcast) Invalidates(memberlist.Broadcast) bool { return false }
func (s *simpleBroadcast) Message() []byte                       { return *s }
func (s *simpleBroadcast) Finished()                             {}

// newQueue returns a queue that never empties: its transmit limit is not reached.
func newQueue(broadcasts []memberlist.Broadcast) *memberlist.TransmitLimitedQueue {
	q := &memberlist.TransmitLimitedQueue{NumNodes: func() int { return queueDepth }, RetransmitMult: 1 << 30}
	for _, broadcast := range broadcasts {
		q.QueueBroadcast(broadcast)
	}
	return q
}

func makeBroadcasts(make func(int) memberlist.Broadcast) []memberlist.Broadcast {
	var broadcasts []memberlist.Broadcast
	for i := range queueDepth {
		broadcasts = append(broadcasts, make(i))
	}
	return broadcasts
}

// BenchmarkQueueDrain is one packet filled from a deep queue.
func BenchmarkQueueDrain(b *testing.B) {
	for _, bb := range []struct {
		name string
		make func(int) memberlist.Broadcast
	}{{"named", newNamed}, {"unique", newUnique}} {
		b.Run(bb.name, func(b *testing.B) {
			q := newQueue(makeBroadcasts(bb.make))
			meter := newMeter(b)
			meter.start()
			for range b.N {
				if len(q.GetBroadcasts(2, 1400)) == 0 {
					b.Fatal("nothing to send")
				}
			}
			meter.stop()
			meter.report()
		})
	}
}

// BenchmarkQueueReplace queues a broadcast that replaces one of the same name in a deep queue.
func BenchmarkQueueReplace(b *testing.B) {
	broadcasts := makeBroadcasts(newNamed)
	q := newQueue(broadcasts)
	meter := newMeter(b)
	meter.start()
	for i := range b.N {
		q.QueueBroadcast(broadcasts[i%queueDepth])
	}
	meter.stop()
	meter.report()
}

// BenchmarkQueueFill queues one of 10,000 broadcasts in an initially empty queue.
func BenchmarkQueueFill(b *testing.B) {
	broadcasts := makeBroadcasts(newNamed)
	meter := newMeter(b)
	for left := b.N; left > 0; left -= queueDepth {
		q := newQueue(nil)
		meter.start()
		for _, broadcast := range broadcasts[:min(left, queueDepth)] {
			q.QueueBroadcast(broadcast)
		}
		meter.stop()
	}
	meter.report()
}

// BenchmarkQueuePlain queues a broadcast that is neither named nor unique, and compares it with 1,000 queued ones: it
// replaces none, and another one is pruned, or it replaces one.
func BenchmarkQueuePlain(b *testing.B) {
	message := []byte("what is to be said to all of the others")
	for _, bb := range []struct {
		name string
		make func(i int) memberlist.Broadcast
	}{
		{"keep", func(int) memberlist.Broadcast { return (*simpleBroadcast)(&message) }},
		{"replace", func(i int) memberlist.Broadcast { return &plainBroadcast{i, message} }},
	} {
		b.Run(bb.name, func(b *testing.B) {
			var broadcasts []memberlist.Broadcast
			for i := range plainDepth {
				broadcasts = append(broadcasts, bb.make(i))
			}
			q := newQueue(broadcasts)
			meter := newMeter(b)
			meter.start()
			for i := range b.N {
				q.QueueBroadcast(broadcasts[i%plainDepth])
				q.Prune(plainDepth)
			}
			meter.stop()
			meter.report()
			if q.NumQueued() != plainDepth {
				b.Fatalf("%d are queued", q.NumQueued())
			}
		})
	}
}
