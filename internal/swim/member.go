package swim

import (
	"net/netip"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// State is what a Core believes of a member. The values are those of the wire.
type State uint8

// The states of a member.
const (
	StateAlive State = iota
	StateSuspect
	StateDead
	StateLeft
)

// String returns the state's name in lower case.
func (s State) String() string {
	switch s {
	case StateAlive:
		return "alive"
	case StateSuspect:
		return "suspect"
	case StateDead:
		return "dead"
	case StateLeft:
		return "left"
	default:
		return "unknown"
	}
}

// Gone reports whether a member in this state takes no part: it is dead or
// has left.
func (s State) Gone() bool { return s == StateDead || s == StateLeft }

// Versions are the six version bytes of a member: the protocol's minimum,
// maximum and current version, then the delegate's. All zero: never told.
type Versions [6]uint8

// PMin is the oldest protocol version the member understands.
func (v Versions) PMin() uint8 { return v[0] }

// PMax is the newest protocol version the member understands.
func (v Versions) PMax() uint8 { return v[1] }

// ID numbers a member within one Core for as long as the Core knows it. IDs are
// dense and are used again after a member was forgotten.
type ID uint32

// Member is a snapshot of what a Core knows of a member. Nobody writes to what
// it refers to: Meta may be kept, and must not be changed.
type Member struct {
	ID          ID
	Name        string
	Addr        netip.AddrPort
	Meta        []byte
	Versions    Versions
	Incarnation uint32
	State       State
	Since       time.Time // when State last changed; zero: it was never alive here
}

// member is the Core's own record of a member.
type member struct {
	Member
	suspicion *suspicion // runs while State is StateSuspect, else nil
	verdict   uint32     // while State is StateDead: the incarnation that is dead; a higher one may have been suspected
}

// table holds the known members: by name, by address, and in probe order.
type table struct {
	byName map[string]*member
	byAddr map[netip.AddrPort]*member // the latest member known at an address
	order  []*member                  // probe order; also what random choices are made from
	next   int                        // index in order of the next member to probe
	free   []ID                       // IDs of forgotten members
}

func newTable() table {
	return table{byName: make(map[string]*member), byAddr: make(map[netip.AddrPort]*member)}
}

// add inserts a member under a new ID at a random place of the probe order.
func (t *table) add(m *member, intN func(int) int) {
	m.ID = ID(len(t.order))
	if n := len(t.free); n > 0 {
		m.ID, t.free = t.free[n-1], t.free[:n-1]
	}
	t.byName[m.Name] = m
	t.byAddr[canonical(m.Addr)] = m
	t.order = append(t.order, m)
	i, last := intN(len(t.order)), len(t.order)-1
	t.order[i], t.order[last] = t.order[last], t.order[i]
}

// move gives a member another address.
func (t *table) move(m *member, to netip.AddrPort) {
	t.forgetAddr(m)
	m.Addr = to
	t.byAddr[canonical(to)] = m
}

// remove forgets a member; the caller takes it out of the order.
func (t *table) remove(m *member) {
	delete(t.byName, m.Name)
	t.forgetAddr(m)
	t.free = append(t.free, m.ID)
}

func (t *table) forgetAddr(m *member) {
	if t.byAddr[canonical(m.Addr)] == m {
		delete(t.byAddr, canonical(m.Addr))
	}
}

// canonical makes the two spellings of an IPv4 address, 4 and 16 bytes, one.
func canonical(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// addrPort reads an address off the wire: 4 or 16 bytes, and defaultPort for
// port 0.
func addrPort(ip []byte, port, defaultPort uint16) (netip.AddrPort, bool) {
	addr, ok := netip.AddrFromSlice(ip)
	if port == 0 {
		port = defaultPort
	}
	return netip.AddrPortFrom(addr, port), ok
}

// versionsOf reads the version bytes of an alive or a state. Fewer than six
// are no versions.
func versionsOf(vsn []byte) (Versions, bool) {
	if len(vsn) < len(Versions{}) {
		return Versions{}, false
	}
	return Versions(vsn[:len(Versions{})]), true
}

// appendAlive appends the alive message that says of m what we know of it.
func appendAlive(dst []byte, m *member, vsn []byte) []byte {
	ip := m.Addr.Addr().As16()
	addr := ip[:]
	if m.Addr.Addr().Is4() {
		addr = ip[12:]
	}
	return (&wire.Alive{
		Incarnation: m.Incarnation,
		Node:        m.Name,
		Addr:        addr,
		Port:        m.Addr.Port(),
		Meta:        m.Meta,
		Vsn:         vsn,
	}).Append(dst)
}
