package memberlist

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// checkPeer refuses the states of a peer that is itself incompatible with us: that speaks a version which we do not
// understand, or does not understand ours. What it says of others that are is left out when states are merged. Which of the
// states is the peer's own is told by the IP address that it speaks from, if any has that.
//
// It refuses a peer, too, that does not mean us, or is not whom we meant.
//
// Compat: the reference refuses all if any member, here or there, speaks what any other does not understand.
func (m *Memberlist) checkPeer(states wire.States, from netip.Addr, meant swim.Meant) error {
	var there, all versionsHeard
	own := swim.Versions(m.config.BuildVsnArray())
	var v wire.StateView
	for states.Next(&v) {
		if swim.State(v.State) != swim.StateAlive {
			continue
		}
		err := incompatible(own, &v)
		all.hear(err)
		addr, ok := netip.AddrFromSlice(v.Addr())
		if ok && addr.Unmap() == from {
			there.hear(err)
		}
		meant.Hear(v.Name(), netip.AddrPortFrom(addr.Unmap(), v.Port))
	}
	if there.heard {
		all = there
	}
	if other, mistaken := meant.Mistaken(); mistaken && all.err == nil {
		return fmt.Errorf("%w: %q is said to be at %v, not %q", errMistaken, other, meant.At, meant.Name)
	}
	return all.err
}

// errMistaken is an exchange of states with somebody that was meant for another.
var errMistaken = errors.New("another is meant")

// versionsHeard sums up whether members are compatible with us.
type versionsHeard struct {
	heard bool
	err   error // why the first is not; nil if any is
}

func (h *versionsHeard) hear(err error) {
	if !h.heard || err == nil {
		h.heard, h.err = true, err
	}
}

// incompatible says why the member of a state and we do not understand what the other speaks, if we do not.
func incompatible(own swim.Versions, v *wire.StateView) error {
	vsn := v.Vsn()
	if string(vsn) == string(own[:]) { // as most are
		return nil
	}
	if len(vsn) < len(own) || vsn[0] == 0 {
		return fmt.Errorf("%w: member %q says no versions", ErrIncompatibleVersion, v.Name())
	}
	theirs := swim.Versions(vsn[:len(own)])
	for i, what := range []string{"protocol", "delegate protocol"} {
		low, high, speaks := 3*i, 3*i+1, 3*i+2
		switch {
		case !own.Understands(theirs, i):
			return fmt.Errorf("%w: member %q speaks %s version %d, we understand [%d, %d]",
				ErrIncompatibleVersion, v.Name(), what, theirs[speaks], own[low], own[high])
		case !theirs.Understands(own, i):
			return fmt.Errorf("%w: member %q understands %s versions [%d, %d], we speak %d",
				ErrIncompatibleVersion, v.Name(), what, theirs[low], theirs[high], own[speaks])
		}
	}
	return nil
}
