package swim

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/e3431adc/memberlist/internal/wire"
)

// The reasons to refuse the states of a peer.
var (
	ErrIncompatibleVersion = errors.New("incompatible protocol version")
	ErrMistaken            = errors.New("another is meant")
)

// CheckPeer returns an error that wraps ErrIncompatibleVersion if a peer itself speaks a version that a member with versions own
// does not understand, or the other way round. The peer's own state is the one with the IP address of the stream, if there is one.
// States of other members that are incompatible are left out when states are merged.
//
// It returns an error that wraps ErrMistaken if the push/pull was meant for another member than the one that answers.
//
// Compat: the reference refuses all states if any member, here or there, speaks a version that any other does not understand.
func CheckPeer(own Versions, states wire.States, from netip.Addr, meant Recipient) error {
	var there, all compatibility
	for v := (wire.StateView{}); states.Next(&v); {
		if State(v.State) != StateAlive {
			continue
		}
		err := incompatible(own, &v)
		all.add(err)
		addr, ok := netip.AddrFromSlice(v.Addr())
		if ok && addr.Unmap() == from {
			there.add(err)
		}
		meant.Observe(v.Name(), netip.AddrPortFrom(addr.Unmap(), v.Port))
	}
	if there.known {
		all = there
	}
	if other, mistaken := meant.Mistaken(); mistaken && all.err == nil {
		return fmt.Errorf("%w: %q is said to be at %v, not %q", ErrMistaken, other, meant.At, meant.Name)
	}
	return all.err
}

// compatibility is whether any of several members is compatible with this one.
type compatibility struct {
	known bool
	err   error // of the first; nil if any is compatible
}

func (c *compatibility) add(err error) {
	if !c.known || err == nil {
		c.known, c.err = true, err
	}
}

// incompatible returns the reason why a member and this one do not understand each other, or nil.
func incompatible(own Versions, v *wire.StateView) error {
	vsn := v.Vsn()
	if string(vsn) == string(own[:]) { // as most are
		return nil
	}
	if len(vsn) < len(own) || vsn[0] == 0 {
		return fmt.Errorf("%w: member %q says no versions", ErrIncompatibleVersion, v.Name())
	}
	theirs := Versions(vsn[:len(own)])
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
