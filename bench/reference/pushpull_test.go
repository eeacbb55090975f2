// Code generated from ../suite by go generate; DO NOT EDIT.

package suite

import (
	"fmt"
	"testing"
)

// BenchmarkPushPull is an exchange between two members that both know all members: each reads, merges and writes.
func BenchmarkPushPull(b *testing.B) {
	for _, members := range []int{1000, 10000} {
		for _, mode := range []mode{plain, both} {
			b.Run(fmt.Sprintf("%d/%s", members, mode.name), func(b *testing.B) {
				from, to := newLone(b, mode, members), newLone(b, mode, members)
				from.transport.peer = to.transport
				meter := newMeter(b)
				meter.start()
				for range b.N {
					if _, err := from.Join([]string{memberAddr(1).String()}); err != nil {
						b.Fatal(err)
					}
				}
				meter.stop()
				meter.report()
			})
		}
	}
}

// BenchmarkFirstJoin is the join of a new member to a cluster of 10,000.
func BenchmarkFirstJoin(b *testing.B) {
	const members = 10000
	for _, mode := range []mode{plain, both} {
		b.Run(mode.name, func(b *testing.B) {
			answer := mode.stream(b, pushPullMessage(b, members))
			meter := newMeter(b)
			for range b.N {
				l := newLone(b, mode, 0)
				l.transport.answer = answer
				meter.start()
				l.addMembers(b, members)
				meter.stop()
				l.stop()
			}
			meter.report()
		})
	}
}
