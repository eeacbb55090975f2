package memberlist

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkGrowth is what often happens to a member of clusters of several sizes. Receiving and gossiping must not take
// longer in a large cluster than in a small one; what gives all members may, and each in about the same time.
func BenchmarkGrowth(b *testing.B) {
	for _, n := range []int{10, 100, 1000, 10000, 100000} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			m := benchMember(b, func(c *Config) {
				c.GossipInterval, c.RetransmitMult = time.Hour, 1<<20 // what is queued stays
			})
			meet(m, n)
			f, known := newFeed(m), alivePacket(1)
			b.Run("receive 18 known alives", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					f.receive(known)
				}
			})
			at := time.Now()
			b.Run("round of gossip", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					at = at.Add(time.Hour)
					t := m.beginTurnIn(m.newTurn(), at)
					t.core.Tick(at)
					m.endTurn(t)
				}
			})
			b.Run("Members", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					m.Members()
				}
			})
			b.Run("local state", func(b *testing.B) {
				b.ReportAllocs()
				mem := new(conversation)
				for b.Loop() {
					if _, err := m.localState(false, mem); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}
