package memberlist

import (
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// TestLastIncarnation: a member that forged messages have raised to the last incarnation returns an error when it has
// to announce a change, which the others would ignore, and changes nothing.
func TestLastIncarnation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := new(MockNetwork)
		m := newMember(t, network, "m", func(c *Config) { c.Delegate = callback{func(string) {}} })
		joinMember(t, newMember(t, network, "other", nil), m)
		if err := m.UpdateNode(10 * time.Second); err != nil {
			t.Fatal(err)
		}
		suspect := (&wire.Suspect{Incarnation: 1<<32 - 2, Node: "m", From: "other"}).Append(nil)
		newReceiver(m).handlePacket(&Packet{Buf: suspect, From: peer(66)})
		time.Sleep(time.Second)
		if err := m.UpdateNode(10 * time.Second); !errors.Is(err, ErrIncarnationExhausted) {
			t.Errorf("UpdateNode: %v, want ErrIncarnationExhausted", err)
		}
		before := m.LocalNode().Address()
		if err := m.SetAdvertiseAddr(t.Context(), net.IPv4(127, 0, 0, 9).String(), 0); !errors.Is(err, ErrIncarnationExhausted) {
			t.Errorf("SetAdvertiseAddr: %v, want ErrIncarnationExhausted", err)
		}
		if after := m.LocalNode().Address(); after != before {
			t.Errorf("the address is %s, want still %s", after, before)
		}
	})
}
