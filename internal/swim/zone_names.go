package swim

// MaxZone is the maximum length of the name of a zone, in bytes.
const MaxZone = 64

// maxZones limits the zones that are known at once. A member of one more counts as one without a zone.
const maxZones = 4096

// zoneNames numbers the zones of members, so that a row of the table has room for one. Zone 0 is none.
type zoneNames struct {
	named  []zoneName // by number; 0 is not used
	number map[string]uint16
	free   []uint16
	given  []uint16 // by ID, if the program says the zones: see SetZone
}

// zoneName is the name of a zone, and how often it is in use.
type zoneName struct {
	name  string
	bytes []byte // the same, for messages
	uses  int
}

// use returns the number of a zone, and counts one use more.
func (z *zoneNames) use(name []byte) uint16 {
	if len(name) == 0 || len(name) > MaxZone {
		return 0
	}
	n, ok := z.number[string(name)]
	if !ok {
		if n, ok = z.add(string(name)); !ok {
			return 0
		}
	}
	z.named[n].uses++
	return n
}

// add numbers a zone, unless there are too many.
func (z *zoneNames) add(name string) (n uint16, ok bool) {
	if z.number == nil {
		z.number = make(map[string]uint16)
		z.named = make([]zoneName, 1)
	}
	switch last := len(z.free) - 1; {
	case last >= 0:
		n, z.free = z.free[last], z.free[:last]
	case len(z.named) > maxZones:
		return 0, false
	default:
		n = uint16(len(z.named))
		z.named = append(z.named, zoneName{})
	}
	z.named[n] = zoneName{name: name, bytes: []byte(name)}
	z.number[name] = n
	return n, true
}

// drop counts one use less.
func (z *zoneNames) drop(n uint16) {
	if n == 0 {
		return
	}
	one := &z.named[n]
	if one.uses--; one.uses == 0 {
		delete(z.number, one.name)
		*one = zoneName{}
		z.free = append(z.free, n)
	}
}

// name returns the name of a zone; "" for none.
func (z *zoneNames) name(n uint16) string {
	if n == 0 {
		return ""
	}
	return z.named[n].name
}

// bytes is name for a message; nil for none.
func (z *zoneNames) bytes(n uint16) []byte {
	if n == 0 {
		return nil
	}
	return z.named[n].bytes
}

// len returns the bound of all numbers in use.
func (z *zoneNames) len() int { return len(z.named) }

// setZone makes m a member of the zone that it announces, and reports whether it was in another.
func (t *table) setZone(m *member, zone []byte) bool {
	before := m.zone
	if string(zone) == t.zones.name(before) {
		return false
	}
	m.zone = t.zones.use(zone)
	t.zones.drop(before)
	return true
}

// isNewZone reports whether a zone that an alive message of the incarnation at which m is known has is to be taken. Members of the
// reference pass messages on without it, so none changes nothing. A member announces no second zone at one incarnation; if
// there are two they are compared, so that all members take the same one, and the member itself refutes it.
func (t *table) isNewZone(m *member, zone []byte) bool {
	return len(zone) > 0 && string(zone) > t.zones.name(m.zone)
}

// learn takes the zone of m from an assertion that is otherwise known.
func (z *zones) learn(t *Turn, m *member, asserted assertion) {
	if asserted.incarnation != m.Incarnation || m.State.IsDown() || !t.table.isNewZone(m, asserted.zone) {
		return
	}
	t.table.setZone(m, asserted.zone)
	t.ring.zoneChanged()
	if m.State == StateAlive { // also in place of what is queued, which has no room for the zone
		t.queue.add(t, m, broadcast{incarnation: m.Incarnation}, 0)
	}
	t.changed(m)
	z.onUp(t, m)
}

// readZone returns the zone in a message, unless this member ignores it, as one of the reference does.
func (c *Config) readZone(zone []byte) []byte {
	if !c.Extensions {
		return nil
	}
	return zone
}

// ownZone returns the zone that this member announces.
func (c *Config) ownZone() []byte { return c.readZone([]byte(c.Zone)) }

// SetZone sets the zone that the program says a member has, if Config.SaysZones, or "" if it says none. It is ignored if the member
// is not known any more, or at another incarnation: then the program is to be asked again.
func (t *Turn) SetZone(of *Member, zone string) {
	if r := t.rec; r != nil {
		put(r, &r.calls.SetZone, callSetZone{*of, zone})
	}
	m := t.table.named(of.Name)
	if m == nil || m.ID != of.ID || m.Incarnation != of.Incarnation || !t.cfg.SaysZones {
		return
	}
	z := &t.table.zones
	if missing := int(m.ID) + 1 - len(z.given); missing > 0 {
		z.given = append(z.given, make([]uint16, missing)...)
	}
	before := z.given[m.ID]
	if zone == z.name(before) {
		return
	}
	z.given[m.ID] = z.use([]byte(zone))
	z.drop(before)
	t.zones.changed()
	t.ring.zoneChanged()
	t.zones.onUp(t, m)
}

// zoneOf returns the zone by which m is grouped: the one that the program says, or else the one that m announces.
func (t *table) zoneOf(m *member) uint16 {
	if int(m.ID) < len(t.zones.given) {
		if given := t.zones.given[m.ID]; given != 0 {
			return given
		}
	}
	return m.zone
}

// isSameZone reports whether m is in this member's zone.
func (t *table) isSameZone(m *member) bool {
	zone := t.zoneOf(m)
	return zone != 0 && t.self != nil && zone == t.zoneOf(t.self)
}

// forgetZone forgets the zone of a member that is removed.
func (t *table) forgetZone(m *member) {
	t.zones.drop(m.zone)
	m.zone = 0
	if int(m.ID) < len(t.zones.given) {
		t.zones.drop(t.zones.given[m.ID])
		t.zones.given[m.ID] = 0
	}
}
