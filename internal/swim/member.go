package swim

import (
	"encoding/binary"
	"hash/maphash"
	"iter"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/e3431adc/memberlist/internal/index"
)

// State is the state of a member as a Core knows it. The values are those of the wire.
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

// IsDown reports whether the state is dead or left.
func (s State) IsDown() bool { return s == StateDead || s == StateLeft }

// Versions are the six version bytes of a member: the protocol's minimum,
// maximum and current version, then the delegate's. All zero: unknown.
type Versions [6]uint8

// PMin returns the minimum protocol version.
func (v Versions) PMin() uint8 { return v[0] }

// PMax returns the maximum protocol version.
func (v Versions) PMax() uint8 { return v[1] }

// ID is the number of a member within one Core while it is known. IDs are dense,
// and are used again after a member was removed.
type ID uint32

// Member is a snapshot of a member. Meta may be kept, and must not be changed.
type Member struct {
	ID          ID
	Name        string
	Addr        netip.AddrPort
	Meta        []byte
	Versions    Versions
	Incarnation uint32
	State       State
	Since       time.Time // time of the last change of State; zero: it was never alive here
	Zone        string    // by which it is grouped; "": none
}

// member is a row of the table. It is as small as possible, as each process of a cluster has one for each other. Its memory
// is used again: no reference to a removed member may be kept.
type member struct {
	Name        string
	Meta        []byte
	since       time.Duration // time of the last change of State, after the table's epoch; never
	ID          ID
	Incarnation uint32
	ip          [4]byte // the IP address, if that has 4 bytes, or else its place in table.long
	port        uint16
	ipSize      uint8 // size of the IP address on the wire: 4 or 16; 0: no address
	State       State
	Versions    Versions
	answered    bool  // us itself, or pinged us: it exists
	metInBurst  uint8 // the burst of failures during which it joined
	snappy      bool  // it has compressed with Snappy
	extensions  extensions
	zone        uint16 // number in table.zones, as it announced; 0: none
	hash        uint32 // of what the checksum of the view counts of it; 0: it is down
}

// extensions is what is known of whether a member knows the extensions: its last ping or ack had a view.
type extensions uint8

const (
	extensionsUnheard extensions = iota // it has sent none
	extensionsUnknown                   // it is of the reference, or its extensions are off
	extensionsKnown
)

// extended reports whether a member is known to know the extensions.
func (m *member) extended() bool { return m.extensions == extensionsKnown }

// never is the since of a member that was never alive here.
const never = time.Duration(math.MinInt64)

// chunkSize is how many members are allocated at once: as many as fill 480 bytes, a size class of Go's allocator. Larger chunks
// would save one byte for each member, and cost more while few are known.
const chunkSize = 6

// table holds the known members: by ID, by name, by address, and in probe order.
type table struct {
	self     *member              // nil before Introduce and Announce
	chunks   []*[chunkSize]member // by ID
	free     []ID                 // IDs of removed members
	order    []ID                 // probe order; also for random choices
	unprobed int                  // the first members of order, in number, that are still to be probed in this round, last to first

	long     [][16]byte    // IP addresses of 16 bytes
	longFree []uint32      // free indexes in long
	outcomes map[ID]uint32 // of dead members that were suspected at a higher incarnation since

	seed   maphash.Seed // so that peers cannot choose colliding names or addresses
	byName index.Index
	byAddr index.Index // up to maxAtAddress members for each address
	epoch  time.Time

	zones zoneNames
}

func newTable() table { return table{seed: maphash.MakeSeed(), outcomes: make(map[ID]uint32)} }

// at returns the member with an ID.
func (t *table) at(id ID) *member { return &t.chunks[id/chunkSize][id%chunkSize] }

// ids returns the bound of all IDs that are or were in use.
func (t *table) ids() ID { return ID(len(t.order) + len(t.free)) }

// len returns the number of known members.
func (t *table) len() int { return len(t.order) }

// named returns the member with a name, or nil.
func (t *table) named(name string) *member {
	x := &t.byName
	for slot, id, ok := x.First(maphash.String(t.seed, name)); ok; slot, id, ok = x.Next(slot) {
		if m := t.at(ID(id)); m.Name == name {
			return m
		}
	}
	return nil
}

// namedBytes is named for a name in a message.
func (t *table) namedBytes(name []byte) *member {
	x := &t.byName
	for slot, id, ok := x.First(maphash.Bytes(t.seed, name)); ok; slot, id, ok = x.Next(slot) {
		if m := t.at(ID(id)); m.Name == string(name) {
			return m
		}
	}
	return nil
}

// sequence is a position in a list of names. Processes that learned of the members in the same order, as each does from the
// one that it joined, list them in the same order. The zero value has no position.
type sequence struct {
	next    ID   // after the last one found
	ordered bool // the last one found followed the one before
}

// following is namedBytes for the next name of a list. It first looks where that is if the list has the order of the table.
func (t *table) following(name []byte, s *sequence) *member {
	if s.ordered && s.next < t.ids() {
		if m := t.at(s.next); m.Name == string(name) && m.Name != "" {
			s.next++
			return m
		}
	}
	m := t.namedBytes(name)
	if m != nil {
		s.ordered = m.ID == s.next
		s.next = m.ID + 1
	}
	return m
}

// maxAtAddress limits the members that are found at one address: a process that was restarted under other names, and a few that
// others assert to be there.
const maxAtAddress = 4

// located returns the member at an address, or nil: one that is alive or suspect if there is any, and of several the one
// that changed last.
func (t *table) located(addr address) (best *member) {
	for m := range t.locatedAll(addr) {
		if best == nil || m.before(best) {
			best = m
		}
	}
	return best
}

// before reports whether m takes precedence over another member at its address.
func (m *member) before(other *member) bool {
	if m.State.IsDown() != other.State.IsDown() {
		return !m.State.IsDown()
	}
	return m.since > other.since || m.since == other.since && m.ID > other.ID
}

// locatedAll iterates over the members at an address.
func (t *table) locatedAll(addr address) iter.Seq[*member] {
	return func(yield func(*member) bool) {
		x := &t.byAddr
		for slot, id, ok := x.First(addr.hash(t.seed)); ok; slot, id, ok = x.Next(slot) {
			if m := t.at(ID(id)); t.isAt(m, addr) && !yield(m) {
				return
			}
		}
	}
}

// add adds a row for an unknown name at an address, with a free ID, at a random place of the probe order.
func (t *table) add(name string, addr address, intN func(int) int) *member {
	id := ID(len(t.order))
	if n := len(t.free); n > 0 {
		id, t.free = t.free[n-1], t.free[:n-1]
	} else if int(id) == chunkSize*len(t.chunks) {
		t.chunks = append(t.chunks, new([chunkSize]member))
	}
	m := t.at(id)
	m.ID, m.Name, m.since = id, name, never // the other fields are zero
	t.setAddress(m, addr)
	t.byName.Add(maphash.String(t.seed, name), uint32(id))
	t.locate(m)
	t.enter(id, intN)
	return m
}

// enter inserts an ID at a random place of the probe order (SWIM section 4.3). If the member there is still to be probed it
// becomes the next one; otherwise it could be put off again and again while many members join.
func (t *table) enter(id ID, intN func(int) int) {
	t.order = append(t.order, id)
	i, last := intN(len(t.order)), len(t.order)-1
	if i < t.unprobed {
		t.order[last] = t.order[t.unprobed]
		t.order[t.unprobed] = t.order[i]
		t.unprobed++
	} else {
		t.order[last] = t.order[i]
	}
	t.order[i] = id
}

// shuffle begins a round of probes in another order (SWIM section 4.3).
func (t *table) shuffle(random *rand.Rand) {
	random.Shuffle(len(t.order), func(i, j int) { t.order[i], t.order[j] = t.order[j], t.order[i] })
	t.unprobed = len(t.order)
}

// reserve makes room for more members, so that the table does not grow step by step.
func (t *table) reserve(more int) {
	t.byName.Grow(more)
	t.byAddr.Grow(more)
	t.order = slices.Grow(t.order, more)
	t.chunks = slices.Grow(t.chunks, more/chunkSize+1)
}

// move changes the address of a member.
func (t *table) move(m *member, to address) {
	t.forgetAddr(m)
	t.setAddress(m, to)
	t.locate(m)
}

// remove removes a member; leaveOrder then removes it from the order.
func (t *table) remove(m *member) {
	t.byName.Remove(maphash.String(t.seed, m.Name), uint32(m.ID))
	t.forgetAddr(m)
	t.forgetZone(m)
	t.setAddress(m, address{})
	delete(t.outcomes, m.ID)
	t.free = append(t.free, m.ID)
	*m = member{} // releases its name and metadata
}

// leaveOrder takes removed members out of the probe order, which otherwise stays as it is.
func (t *table) leaveOrder() {
	kept := t.order[:0]
	unprobed := t.unprobed
	for i, id := range t.order {
		switch {
		case t.at(id).Name != "":
			kept = append(kept, id)
		case i < t.unprobed:
			unprobed--
		}
	}
	t.order, t.unprobed = kept, unprobed
}

// locate makes m one of the members that are found at its address. If there are too many it replaces the last in precedence.
func (t *table) locate(m *member) {
	addr, n := t.address(m), 0
	var least *member
	for other := range t.locatedAll(addr) {
		n++
		if least == nil || least.before(other) {
			least = other
		}
	}
	if n >= maxAtAddress {
		t.forgetAddr(least)
	}
	t.byAddr.Add(addr.hash(t.seed), uint32(m.ID))
}

func (t *table) forgetAddr(m *member) { t.byAddr.Remove(t.address(m).hash(t.seed), uint32(m.ID)) }

// ip returns the IP address of m as on the wire: a view into the table, valid until it changes.
func (t *table) ip(m *member) []byte {
	if m.ipSize == 16 {
		return t.long[m.longPlace()][:]
	}
	return m.ip[:m.ipSize]
}

// longPlace returns the place of the IP address in table.long.
func (m *member) longPlace() uint32 { return binary.LittleEndian.Uint32(m.ip[:]) }

// address returns the address of m.
func (t *table) address(m *member) address {
	if m.ipSize == 4 {
		return address{ip: [16]byte{10: 0xff, 11: 0xff, 12: m.ip[0], 13: m.ip[1], 14: m.ip[2], 15: m.ip[3]}, port: m.port, size: 4}
	}
	addr := address{port: m.port, size: m.ipSize}
	copy(addr.ip[:], t.ip(m))
	return addr
}

// isAt reports whether m is at an address, in either spelling of IPv4.
func (t *table) isAt(m *member, addr address) bool {
	if m.ipSize == 4 {
		return m.port == addr.port && m.ip == [4]byte(addr.ip[12:]) && addr.isIPv4()
	}
	return t.address(m).same(addr)
}

// setAddress writes the address of m, but does not update byAddr.
func (t *table) setAddress(m *member, to address) {
	if m.ipSize == 16 {
		t.longFree = append(t.longFree, m.longPlace())
	}
	m.ip, m.port, m.ipSize = [4]byte{}, to.port, to.size
	switch to.size {
	case 4:
		copy(m.ip[:], to.ip[12:])
	case 16:
		place := uint32(len(t.long))
		if n := len(t.longFree); n > 0 {
			place, t.longFree = t.longFree[n-1], t.longFree[:n-1]
			t.long[place] = to.ip
		} else {
			t.long = append(t.long, to.ip)
		}
		binary.LittleEndian.PutUint32(m.ip[:], place)
	}
}

// deadIncarnation returns the incarnation at which a dead member is dead; it may have been suspected at a higher one since.
func (t *table) deadIncarnation(m *member) uint32 {
	if v, ok := t.outcomes[m.ID]; ok {
		return v
	}
	return m.Incarnation
}

// suspectDead notes that a dead member is suspected at an incarnation, which may be higher.
func (t *table) suspectDead(m *member, incarnation uint32) {
	if incarnation == m.Incarnation {
		return
	}
	t.outcomes[m.ID] = t.deadIncarnation(m)
	m.Incarnation = incarnation
}

// setIncarnation sets the incarnation at which a member is alive or dead.
func (t *table) setIncarnation(m *member, incarnation uint32) {
	delete(t.outcomes, m.ID)
	m.Incarnation = incarnation
}

// since returns now as a time after the epoch. The first call sets the epoch.
func (t *table) since(now time.Time) time.Duration {
	if t.epoch.IsZero() {
		t.epoch = now
	}
	return now.Sub(t.epoch)
}

// age returns how long m has been in its state.
func (t *table) age(now time.Time, m *member) time.Duration {
	if m.since == never {
		return math.MaxInt64
	}
	return t.since(now) - m.since
}

// snapshot returns m as a Member.
func (t *table) snapshot(m *member) Member {
	s := Member{ID: m.ID, Name: m.Name, Addr: t.addrPort(m), Meta: m.Meta, Versions: m.Versions,
		Incarnation: m.Incarnation, State: m.State, Zone: t.zones.name(t.zoneOf(m))}
	if m.since != never {
		s.Since = t.epoch.Add(m.since)
	}
	return s
}

// addrPort returns the address of m.
func (t *table) addrPort(m *member) netip.AddrPort {
	if m.ipSize == 4 {
		return netip.AddrPortFrom(netip.AddrFrom4(m.ip), m.port)
	}
	return t.address(m).addrPort()
}

// versionsOf parses the version bytes of an alive message or a state. Fewer than six are none.
func versionsOf(vsn []byte) (Versions, bool) {
	if len(vsn) < len(Versions{}) {
		return Versions{}, false
	}
	return Versions(vsn[:len(Versions{})]), true
}
