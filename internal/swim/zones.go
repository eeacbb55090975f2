package swim

import (
	"cmp"
	"slices"
)

// zones keep most of the traffic within this member's zone, if it has one. Of the other zones it sends to a few members only:
//
//		zone a                     zone b
//		  m m m m m                  m m m m m
//		  | | | | |  gossip, push/pulls, most probes
//		  m m R R ------ news ------ R R m m m      R: the relays of a zone
//		  |     \                    /
//		  +-------\---- probes, one in farEvery ----> any member
//		           \               /
//		            o   o   o   o              members without a zone
//
//	  - Relays. Of the members of a zone that are alive, those whose names have the least hashes (rendezvous hashing), Config.ZoneRelays in
//	    number: all members that know the same members agree on them, and replace one as soon as they suspect it. In each round of
//	    gossip a relay sends to GossipNodes members of its own zone, and to as many relays of other zones. What it sends, it sends
//	    for as many rounds as others do. It exchanges states with a member of another zone as often as with one of its own.
//	  - Open members. A member without a zone, or of a zone of no more members than it has relays, does as if there were no zones,
//	    and so does one of the reference: it sends to all. Relays send to them as to another zone, and all probe them.
//	  - Probes. Of a member's probes, one in farEvery is of a member of another zone, for the case that a whole zone fails; in a smaller
//	    zone one in as many as it has members. The ring of probes (ring.go) is that of the zone. A zone of which an eighth is suspect
//	    is probed as if it were one's own, until they refute or are dead. Those that are asked about a member of one's own zone are
//	    of that zone.
//
// All else is as without zones: suspicion, refutation, joins, the comparison of views after each probe, the search for failed
// members. So views in two zones that differ, because all relays failed at once or the zones were cut off from each other, become
// equal by probes between them, with exchanges of what differs.
//
// Compat: in the reference each member sends to all. Its members are open members.
//
// Zones are of use if most members have them. A zone needs no agreement but on names: members whose views differ for a moment
// choose other relays, and send some news twice or later.
type zones struct {
	known  bool // what follows is up to date
	active bool // this member sends to its zone
	relay  bool // and is a relay

	members  []int  // present members of each zone, by its number
	suspects []int  // the suspect ones of them
	near     []ID   // others of our zone that may be sent gossip
	far      [][]ID // relays of each other zone, and the open members
	relays   [][]ID // of each zone, by its number
	probes   int    // since the last one of a member of another zone
}

const (
	// farEvery is how many probes there are for each one of another zone's member. With three zones of a size two thirds of the
	// probes would be.
	farEvery = 12

	// troubledShare is the part of a zone's members, an eighth, that is suspect if it is the zone that fails; two at least.
	troubledShare = 8

	// DefaultZoneRelays is the number of relays of a zone unless Config has another.
	DefaultZoneRelays = 2

	// MaxZoneRelays is the maximum of Config.ZoneRelays.
	MaxZoneRelays = 32
)

// changed takes a change of the state or the zone of a member, or its removal.
func (z *zones) changed() { z.known = false }

// areActive reports whether this member sends to its zone, and brings the plan up to date.
func (z *zones) areActive(t *Turn) bool {
	if t.cfg.Zone == "" && !t.cfg.SaysZones || !t.cfg.Extensions || t.cfg.gossipInterval() <= 0 || t.cfg.SelectsTargets {
		return false
	}
	if !z.known {
		z.plan(t)
	}
	return z.active
}

// plan finds who is in which zone, and the relays.
func (z *zones) plan(t *Turn) {
	z.known = true
	z.count(&t.table)
	own := t.table.zoneOf(t.table.self)
	z.active = own != 0 && !z.isOpen(t, own)
	if !z.active {
		return
	}
	z.near, z.far, z.relays = z.near[:0], z.far[:0], resized(z.relays, t.table.zones.len())
	var open []ID
	for _, id := range t.table.order {
		m := t.table.at(id)
		zone := t.table.zoneOf(m)
		if zone != 0 && !m.State.IsDown() {
			z.relays[zone] = t.withRelay(z.relays[zone], m)
		}
		switch {
		case !t.isGossipTarget(m):
		case zone == own:
			z.near = append(z.near, id)
		case z.isOpen(t, zone):
			open = append(open, id)
		}
	}
	for zone, relays := range z.relays {
		if zone != int(own) && len(relays) > 0 && !z.isOpen(t, uint16(zone)) {
			z.far = append(z.far, relays)
		}
	}
	if len(open) > 0 {
		z.far = append(z.far, open)
	}
	z.relay = slices.Contains(z.relays[own], t.table.self.ID)
}

// count counts the members of each zone.
func (z *zones) count(t *table) {
	z.members, z.suspects = resized(z.members, t.zones.len()), resized(z.suspects, t.zones.len())
	for _, id := range t.order {
		m := t.at(id)
		zone := t.zoneOf(m)
		if zone == 0 || m.State.IsDown() {
			continue
		}
		z.members[zone]++
		if m.State == StateSuspect {
			z.suspects[zone]++
		}
	}
}

// resized returns s with n zero values, at least one.
func resized[T any](s []T, n int) []T {
	s = slices.Grow(s[:0], max(n, 1))[:max(n, 1)]
	clear(s)
	return s
}

// zoneRelays returns the number of relays of a zone.
func (c *Config) zoneRelays() int {
	if c.ZoneRelays <= 0 {
		return DefaultZoneRelays
	}
	return c.ZoneRelays
}

// isOpen reports whether the members of a zone do as if they had none.
func (z *zones) isOpen(t *Turn, zone uint16) bool {
	return zone == 0 || z.members[zone] <= t.cfg.zoneRelays()
}

// withRelay adds m to the relays of its zone, which are in order, if it precedes one of them or there are too few.
func (t *Turn) withRelay(relays []ID, m *member) []ID {
	i, _ := slices.BinarySearchFunc(relays, m, func(id ID, m *member) int {
		if t.precedes(t.table.at(id), m) {
			return -1
		}
		return 1
	})
	if i == t.cfg.zoneRelays() {
		return relays
	}
	if len(relays) == t.cfg.zoneRelays() {
		relays = relays[:len(relays)-1]
	}
	return slices.Insert(relays, i, m.ID)
}

// precedes reports whether m is chosen before another member of its zone: one that is alive before a suspect one.
func (t *Turn) precedes(m, other *member) bool {
	if m.State != other.State {
		return m.State == StateAlive
	}
	return byPlace(m.Name, other.Name) < 0
}

// byPlace compares two names by their places in the ring.
func byPlace(a, b string) int {
	return cmp.Or(cmp.Compare(ringPlace(a), ringPlace(b)), cmp.Compare(a, b))
}

// Relays returns the n relays of a zone whose members, by name, are all alive.
func Relays(members []string, n int) []string {
	sorted := slices.SortedFunc(slices.Values(members), byPlace)
	return sorted[:min(n, len(sorted))]
}

// targets chooses the members of a round of gossip, in random order: when there is more than fits their packets each of
// them gets another part.
func (z *zones) targets(t *Turn) []*member {
	z.choose(t, t.cfg.GossipNodes, t.isGossipTarget)
	t.cfg.Rand.Shuffle(len(t.chosen), func(i, j int) { t.chosen[i], t.chosen[j] = t.chosen[j], t.chosen[i] })
	return t.chosen
}

// choose chooses k members of our zone and, if this member is a relay, k relays of others and open members.
func (z *zones) choose(t *Turn, k int, may func(*member) bool) []*member {
	t.chosen = t.chosen[:0]
	t.draw(k, len(z.near), func(i int) *member { return t.table.at(z.near[i]) }, may)
	if z.relay {
		t.draw(len(t.chosen)+k, len(z.far), func(i int) *member {
			return t.table.at(z.far[i][t.cfg.Rand.IntN(len(z.far[i]))])
		}, may)
	}
	return t.chosen
}

// transmits returns how often a broadcast is sent that others send n times: a relay sends each round to twice as many members.
func (z *zones) transmits(t *Turn, n int) int {
	if z.areActive(t) && z.relay {
		return 2 * n
	}
	return n
}

// isNear reports whether m is of this member's zone.
func (z *zones) isNear(t *Turn, m *member) bool {
	return t.table.zoneOf(m) == t.table.zoneOf(t.table.self)
}

// isWatched reports whether m is probed as often as without zones.
func (z *zones) isWatched(t *Turn, m *member) bool {
	zone := t.table.zoneOf(m)
	return z.isNear(t, m) || z.isOpen(t, zone) || z.suspects[zone] > 1 && troubledShare*z.suspects[zone] > z.members[zone]
}

// nextProbe returns the next member to probe, or nil if zones do not matter.
func (z *zones) nextProbe(t *Turn) *member {
	if !z.areActive(t) {
		return nil
	}
	if z.probes++; z.probes >= min(farEvery, z.members[t.table.zoneOf(t.table.self)]) {
		z.probes = 0
		if m := t.nextUnprobed(func(m *member) bool { return !z.isWatched(t, m) }); m != nil {
			return m
		}
	}
	if m := t.ring.next(t); m != nil {
		return m
	}
	return t.nextUnprobed(func(m *member) bool { return z.isWatched(t, m) })
}

// nextUnprobed returns the next member of the probe order of those that are wanted, and alive or suspect. Others that are passed over
// keep their turns, unless the round ends as no wanted one is left.
func (t *Turn) nextUnprobed(wanted func(*member) bool) *member {
	for range 2 {
		order := t.table.order
		for last := t.table.unprobed - 1; last >= 0; last-- {
			if m := t.table.at(order[last]); t.table.isPresent(m) && wanted(m) {
				t.table.unprobed--
				order[last], order[t.table.unprobed] = order[t.table.unprobed], order[last]
				return m
			}
		}
		t.table.shuffle(t.cfg.Rand)
	}
	return nil
}
