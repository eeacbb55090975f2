package clustertest

import (
	"testing"
	"testing/synctest"

	"github.com/e3431adc/memberlist/internal/wire"

	"github.com/e3431adc/memberlist"
)

// TestNoncesAreNeverUsedTwice: no two packets of a member have the same nonce, or the same bytes, though their contents are
// equal.
func TestNoncesAreNeverUsedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(1, encrypted)
		defer c.stop()
		end := c.outsider(66)
		seen := make(map[[wire.NonceSize]byte]bool)
		const packets = 2000
		for range packets {
			if err := c.members[0].SendToAddress(memberlist.Address{Addr: simAddr(66).String(), Name: "m66"}, []byte("the same")); err != nil {
				t.Fatal(err)
			}
			p := <-end.Packets()
			seen[[wire.NonceSize]byte(p.Data[1:])] = true
		}
		if len(seen) != packets {
			t.Errorf("%d nonces in %d packets", len(seen), packets)
		}
	})
}
