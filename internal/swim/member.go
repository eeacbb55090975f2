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
func (s State) IsDown() bool { return s == StateDead || s == StateLeft }

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

// member is the Core's own record of a member: what a Member says, in as few bytes as can be, as there is one for each
// that each process of a cluster knows. It lives in the table's memory, which is used again: nothing may hold on to one
// that was forgotten.
type member struct {
	Name        string
	Meta        []byte
	since       time.Duration // when State last changed, after the table's epoch; never
	ID          ID
	Incarnation uint32
	ip          [4]byte // the IP address, if that has 4 bytes, or else where it is in table.long
	port        uint16
	ipSize      uint8 // how many bytes the IP address has on the wire: 4 or 16; 0: no address
	State       State
	Versions    Versions
	answered    bool  // us, itself, or pinged us: it is real
	metInBurst  uint8 // the episode of losses in which it came
}

// never is the since of a member that was never alive here.
const never = time.Duration(math.MinInt64)

// chunkSize is how many members are allocated at once: as many as fill 512 bytes, a size that Go's allocator has. A member
// that knows few others takes little, and larger chunks would take less for each by one byte.
const chunkSize = 7

// table holds the known members: by ID, by name, by address, and in probe order.
type table struct {
	self     *member              // nil before Introduce and Announce
	chunks   []*[chunkSize]member // by ID
	free     []ID                 // IDs of forgotten members
	order    []ID                 // probe order; also what random choices are made from
	unprobed int                  // how many of order, its first, are still to be probed in this round: the last of them next

	long             [][16]byte    // IP addresses of 16 bytes
	longFree         []uint32      // places in long
	deadIncarnations map[ID]uint32 // of members that are dead and were suspected at a higher incarnation since: which one is dead

	seed   maphash.Seed // so that no peer can choose names or addresses that are slow to find
	byName index.Index
	byAddr index.Index // up to maxAtAddress of those at an address
	epoch  time.Time
}

func newTable() table { return table{seed: maphash.MakeSeed(), deadIncarnations: make(map[ID]uint32)} }

// at returns the member of an ID.
func (t *table) at(id ID) *member { return &t.chunks[id/chunkSize][id%chunkSize] }

// ids is how many IDs are in use or were: all are below.
func (t *table) ids() ID { return ID(len(t.order) + len(t.free)) }

// len is how many members are known.
func (t *table) len() int { return len(t.order) }

// named returns the member of a name, or nil.
func (t *table) named(name string) *member {
	x := &t.byName
	for slot, id, ok := x.First(maphash.String(t.seed, name)); ok; slot, id, ok = x.Next(slot) {
		if m := t.at(ID(id)); m.Name == name {
			return m
		}
	}
	return nil
}

// namedBytes is named for a name that is not a string yet.
func (t *table) namedBytes(name []byte) *member {
	x := &t.byName
	for slot, id, ok := x.First(maphash.Bytes(t.seed, name)); ok; slot, id, ok = x.Next(slot) {
		if m := t.at(ID(id)); m.Name == string(name) {
			return m
		}
	}
	return nil
}

// sequence is where one is in names that come one after the other. Processes that learned of the members in the same order,
// as each does from the one that it joined, have them in the same order. The zero value is at no place.
type sequence struct {
	next    ID   // the one after the last that was found
	ordered bool // that one came right after the one before it
}

// following is namedBytes for the next name of a sequence: it takes a look at where that is if the order is ours before it
// searches.
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

// maxAtAddress is how many members are found at one address: a process that is started anew under another name, and a few that
// are said to be there.
const maxAtAddress = 4

// located returns the member known at an address, or nil: one that is present if there is any, and of several the one whose
// state changed last.
func (t *table) located(addr address) (best *member) {
	for m := range t.locatedAll(addr) {
		if best == nil || m.before(best) {
			best = m
		}
	}
	return best
}

// before reports whether of two members at one address m is the one that is meant.
func (m *member) before(other *member) bool {
	if m.State.IsDown() != other.State.IsDown() {
		return !m.State.IsDown()
	}
	return m.since > other.since || m.since == other.since && m.ID > other.ID
}

// locatedAll iterates over the members that are found at an address.
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

// add makes room for a member of a name at an address, which is not known, under a new ID at a random place of the probe
// order.
func (t *table) add(name string, addr address, intN func(int) int) *member {
	id := ID(len(t.order))
	if n := len(t.free); n > 0 {
		id, t.free = t.free[n-1], t.free[:n-1]
	} else if int(id) == chunkSize*len(t.chunks) {
		t.chunks = append(t.chunks, new([chunkSize]member))
	}
	m := t.at(id)
	m.ID, m.Name, m.since = id, name, never // the rest is zero
	t.setAddress(m, addr)
	t.byName.Add(maphash.String(t.seed, name), uint32(id))
	t.locate(m)
	t.enter(id, intN)
	return m
}

// enter puts an ID at a random place of the probe order (SWIM section 4.3). If another stood there that is still to be
// probed, it is now next: else one member could be put off over and over while many come.
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

// shuffle begins a round of probes, in another order (SWIM section 4.3).
func (t *table) shuffle(random *rand.Rand) {
	random.Shuffle(len(t.order), func(i, j int) { t.order[i], t.order[j] = t.order[j], t.order[i] })
	t.unprobed = len(t.order)
}

// reserve makes room for so many more members in what else would grow step by step.
func (t *table) reserve(more int) {
	t.byName.Grow(more)
	t.byAddr.Grow(more)
	t.order = slices.Grow(t.order, more)
	t.chunks = slices.Grow(t.chunks, more/chunkSize+1)
}

// move gives a member another address.
func (t *table) move(m *member, to address) {
	t.forgetAddr(m)
	t.setAddress(m, to)
	t.locate(m)
}

// remove forgets a member; leaveOrder then takes it out of the order.
func (t *table) remove(m *member) {
	t.byName.Remove(maphash.String(t.seed, m.Name), uint32(m.ID))
	t.forgetAddr(m)
	t.setAddress(m, address{})
	delete(t.deadIncarnations, m.ID)
	t.free = append(t.free, m.ID)
	*m = member{} // its name and metadata are no longer held
}

// leaveOrder takes the members that were removed out of the probe order, which
// else stays as it is.
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

// locate makes m one of the members that are found at its address, in the place of the one least meant if there are too many.
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

// ip is the IP address of m as the wire has it: a view into the table, for the moment.
func (t *table) ip(m *member) []byte {
	if m.ipSize == 16 {
		return t.long[m.longPlace()][:]
	}
	return m.ip[:m.ipSize]
}

// longPlace is where in table.long the IP address is.
func (m *member) longPlace() uint32 { return binary.LittleEndian.Uint32(m.ip[:]) }

// address is where m is.
func (t *table) address(m *member) address {
	if m.ipSize == 4 {
		return address{ip: [16]byte{10: 0xff, 11: 0xff, 12: m.ip[0], 13: m.ip[1], 14: m.ip[2], 15: m.ip[3]}, port: m.port, size: 4}
	}
	addr := address{port: m.port, size: m.ipSize}
	copy(addr.ip[:], t.ip(m))
	return addr
}

// isAt reports whether m is at an address, in whichever spelling.
func (t *table) isAt(m *member, addr address) bool {
	if m.ipSize == 4 {
		return m.port == addr.port && m.ip == [4]byte(addr.ip[12:]) && addr.isIPv4()
	}
	return t.address(m).same(addr)
}

// setAddress writes where m is. It does not tell byAddr.
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

// verdict is the incarnation of a dead member that is dead; a higher one may have been suspected since.
func (t *table) deadIncarnation(m *member) uint32 {
	if v, ok := t.deadIncarnations[m.ID]; ok {
		return v
	}
	return m.Incarnation
}

// suspectDead notes that a member that is dead is suspected at an incarnation, which may be a higher one.
func (t *table) suspectDead(m *member, incarnation uint32) {
	if incarnation == m.Incarnation {
		return
	}
	t.deadIncarnations[m.ID] = t.deadIncarnation(m)
	m.Incarnation = incarnation
}

// judge notes at which incarnation a member is dead, or alive.
func (t *table) setIncarnation(m *member, incarnation uint32) {
	delete(t.deadIncarnations, m.ID)
	m.Incarnation = incarnation
}

// since is how long after the epoch now is; the first to ask makes it the epoch.
func (t *table) since(now time.Time) time.Duration {
	if t.epoch.IsZero() {
		t.epoch = now
	}
	return now.Sub(t.epoch)
}

// age is how long m has been in its state.
func (t *table) age(now time.Time, m *member) time.Duration {
	if m.since == never {
		return math.MaxInt64
	}
	return t.since(now) - m.since
}

// snapshot is what is known of m.
func (t *table) snapshot(m *member) Member {
	s := Member{ID: m.ID, Name: m.Name, Addr: t.addrPort(m), Meta: m.Meta, Versions: m.Versions,
		Incarnation: m.Incarnation, State: m.State}
	if m.since != never {
		s.Since = t.epoch.Add(m.since)
	}
	return s
}

// addrPort is where m is, for others than the table.
func (t *table) addrPort(m *member) netip.AddrPort {
	if m.ipSize == 4 {
		return netip.AddrPortFrom(netip.AddrFrom4(m.ip), m.port)
	}
	return t.address(m).addrPort()
}

// versionsOf reads the version bytes of an alive or a state. Fewer than six
// are no versions.
func versionsOf(vsn []byte) (Versions, bool) {
	if len(vsn) < len(Versions{}) {
		return Versions{}, false
	}
	return Versions(vsn[:len(Versions{})]), true
}
