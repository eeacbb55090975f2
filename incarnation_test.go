package memberlist

import (
	"errors"
	"math"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// TestLastIncarnation: messages of a stranger at the last incarnations do not keep a member from announcing changes. Those of
// other members may, in the end; then it returns an error when it has to announce a change, and changes nothing.
func TestLastIncarnation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := new(MockNetwork)
		m := newMember(t, network, "m", func(c *Config) { c.Delegate = callback{func(string) {}} })
		other := newMember(t, network, "other", nil)
		joinMember(t, other, m)
		suspect := func(incarnation uint32, from net.Addr) {
			message := (&wire.Suspect{Incarnation: incarnation, Node: "m", From: "other"}).Append(nil)
			newReceiver(m).handlePacket(&Packet{Buf: message, From: from})
			time.Sleep(time.Second)
		}
		for _, incarnation := range []uint32{math.MaxUint32, math.MaxUint32 - 1, math.MaxUint32 - 2, 1 << 31} {
			suspect(incarnation, peer(66))
		}
		if err := m.UpdateNode(10 * time.Second); err != nil {
			t.Error(err)
		}
		if known, ok := other.Member("m"); !ok || known.Incarnation != 2 {
			t.Errorf("known at incarnation %d, want 2", known.Incarnation)
		}

		at := netip.MustParseAddrPort(m.LocalNode().Address())
		for _, incarnation := range []uint32{math.MaxUint32 - 2 - 1<<20, math.MaxUint32 - 2} {
			states := wire.StatesOf(wire.PushNodeState{Name: "m", Addr: at.Addr().AsSlice(), Port: at.Port(), Incarnation: incarnation,
				State: int(StateSuspect), Vsn: []byte{1, 5, 2, 0, 0, 0}})
			turn, replied := m.begin(), swim.Dialled(netip.MustParseAddrPort(other.LocalNode().Address()))
			turn.core.Merge(&replied, &states)
			turn.commit()
		}
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
