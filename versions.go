package memberlist

import (
	"cmp"
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
// In an exchange that is no join it refuses a peer, too, that does not mean us, or is not whom we meant: by now an address may
// be that of a member of another cluster, and the two must not become one.
//
// Compat: the reference refuses all if any member, here or there, speaks what any other does not understand, and merges what
// anybody says.
func (m *Memberlist) checkPeer(states wire.States, from netip.Addr, meant meant) error {
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
		meant.hear(v.Name(), netip.AddrPortFrom(addr.Unmap(), v.Port))
	}
	if there.heard {
		all = there
	}
	return cmp.Or(all.err, meant.err())
}

// meant is who an exchange of states is meant for. The zero value is anybody.
type meant struct {
	name  string
	at    netip.AddrPort
	known bool   // by that name
	other string // who else is said to be there
}

// hear takes note of a member that is said to be alive.
func (m *meant) hear(name []byte, at netip.AddrPort) {
	switch {
	case m.name == "":
	case string(name) == m.name:
		m.known = true
	case at == m.at:
		m.other = string(name)
	}
}

// err returns an error if it is meant for another.
func (m *meant) err() error {
	if m.known || m.other == "" {
		return nil
	}
	return fmt.Errorf("%w: %v is said to be %q, not %q", errMistaken, m.at, m.other, m.name)
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
		case theirs[speaks] < own[low] || theirs[speaks] > own[high]:
			return fmt.Errorf("%w: member %q speaks %s version %d, we understand [%d, %d]",
				ErrIncompatibleVersion, v.Name(), what, theirs[speaks], own[low], own[high])
		case own[speaks] < theirs[low] || own[speaks] > theirs[high]:
			return fmt.Errorf("%w: member %q understands %s versions [%d, %d], we speak %d",
				ErrIncompatibleVersion, v.Name(), what, theirs[low], theirs[high], own[speaks])
		}
	}
	return nil
}
