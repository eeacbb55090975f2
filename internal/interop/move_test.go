package interop

import (
	"slices"
	"testing"
)

// TestMoveToAnotherAddress: a running member of this library gets another address. The others see it leave and come back,
// and never fail.
func TestMoveToAnotherAddress(t *testing.T) {
	if !canListen("127.0.0.2:0") {
		t.Skip("only one loopback address")
	}
	for _, cast := range [][]kind{{ours, theirs}, {ours, theirs, ours, theirs}} {
		t.Run(string(rune('0'+len(cast))), func(t *testing.T) {
			t.Parallel()
			s := scenario{roles: len(cast), play: func(c *cluster) {
				mover := c.start(ours, "a", func(o *options) { o.allInterfaces = true })
				var others []peer
				for i, k := range cast[1:] {
					others = append(others, c.start(k, string(rune('b'+i))))
				}
				c.assemble(mover, others...)
				if err := mover.(*oursPeer).m.SetAdvertiseAddr(t.Context(), "127.0.0.2", 0); err != nil {
					c.Fatal(err)
				}
				all := []string{"a"}
				for _, p := range others {
					all = append(all, p.name())
				}
				for _, p := range others {
					c.awaitEntry(p, sawLeave, "a", "")
					c.await("the new address", func() bool {
						s := c.states(p)["a"]
						return s.State == stateAlive && slices.Equal(s.Addr, []byte{127, 0, 0, 2})
					})
				}
				// Each is still probed, also at the new address, and gossips to all.
				for _, p := range others {
					if err := p.setMeta("after the move", patience); err != nil {
						c.Error(err)
					}
				}
				for _, p := range append(others, mover) {
					for _, q := range others {
						if q != p {
							c.awaitEntry(p, sawUpdate, q.name(), "after the move")
						}
					}
					c.awaitMembers(p, all...)
				}
				for _, p := range others {
					left := 0
					for _, e := range p.journal().all() {
						if e.what == sawLeave {
							left++
						}
					}
					if left != 1 {
						c.Errorf("%s (%s) noted %d leaves, want the one of the move", p.name(), p.kind(), left)
					}
				}
			}}
			s.run(t, cast, setting{name: "plain", protocol: 2}, newSockets())
		})
	}
}
