// Code generated from ../suite by go generate; DO NOT EDIT.

package suite

import (
	"testing"
	"time"

	"github.com/hashicorp/memberlist"
)

// BenchmarkMemory is the heap for each of 50,000 known members, while it is gossiped about and afterwards. They have
// no metadata, which would be added.
func BenchmarkMemory(b *testing.B) {
	known := 50000
	if testing.Short() {
		known = 1000
	}
	answer := plain.stream(b, pushPullOf(b, known, nil))
	b.Run("queued", func(b *testing.B) {
		for range b.N {
			l := newLone(b, plain, 0)
			reportHeap(b, known, func() {
				l.transport.answer = answer
				l.addMembers(b, known)
			})
			l.Shutdown()
		}
	})
	b.Run("known", func(b *testing.B) {
		for range b.N {
			l := newLoneOf(b, plain, 0, func(c *memberlist.Config) {
				c.GossipInterval, c.GossipNodes = 5*time.Millisecond, 10
				c.RetransmitMult, c.UDPBufferSize = 1, 60000
			})
			reportHeap(b, known, func() {
				l.transport.answer = answer
				l.addMembers(b, known)
				l.fallSilent()
			})
			l.Shutdown()
		}
	})
}

// fallSilent returns when nothing has been sent for a while, so that the queue is empty.
func (l *lone) fallSilent() {
	for before := int64(-1); before != l.transport.sent.count.Load(); {
		before = l.transport.sent.count.Load()
		time.Sleep(200 * time.Millisecond)
	}
}

// reportHeap reports the growth of the heap for each known member.
func reportHeap(b *testing.B, known int, grow func()) {
	b.Helper()
	before := liveHeap()
	grow()
	b.ReportMetric((float64(liveHeap())-float64(before))/float64(known), "B/member")
}
