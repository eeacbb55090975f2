package swim

import (
	"cmp"
	"math/rand/v2"
	"slices"
)

// zones keep most of the traffic within this member's zone, if it has one. Of the other zones it sends to a few members only:
//
//	zone a                     zone b
//	  m m m m m                  m m m m m
//	  | | | | |  gossip, push/pulls, most probes
//	  m m R R ------ news ------ R R m m m      R: the relays of a zone
//	  | | | | |                  | | | | |
//	  | | | | +-- probes, one in farEvery --> any member
//	  | | | | |                  | | | | |
//	  o   o   o   o   o   o   o   o   o         o: members without a zone
//
// Relays: of the members of a zone that are alive, those whose names have the least hashes (rendezvous hashing),
// Config.ZoneRelays in number. All members that know the same members agree on them, and replace one as soon as they suspect it.
// In each round of gossip a relay sends to GossipNodes members of its own zone and to as many relays of other zones; what it
// sends, it sends in as many rounds as others do. It exchanges states with a member of another zone as often as with one of
// its own.
//
// Open members: a member without a zone, or of a zone of no more members than it has relays, does as if there were no zones, and
// so does one of the reference: it sends to all. Each member sends to open ones as often as without zones, as these would miss
// news otherwise, and all probe them.
//
// Probes: of a member's probes one in farEvery, in a smaller zone one in as many as it has members, is of a member of another
// zone, for the case that a whole zone fails. The ring of beats (ring.go) is that of the zone. Of a zone that works, members
// that fail are found by others of it; if a member of another zone suspects one first, all others probe that zone's
// members, around the ring, every other time, until the suspicion ends. Those that are asked about a member of one's own zone are of that zone.
//
// All else is as without zones: suspicion, refutation, joins, the comparison of views after each probe, the search for failed
// members. So views in two zones that differ, because all relays failed at once or the zones were cut off from each other, become
// equal by probes between them, with exchanges of what differs. Members whose views differ for a moment choose other relays,
// and send some news twice or later.
//
// Compat: in the reference each member sends to all.
type zones struct {
	known  bool // what follows is up to date
	active bool // this member sends to its zone
	relay  bool // and is a relay

	members  []int           // present members of each zone, by its number
	troubled []bool          // the zones that may be failing
	trouble  bool            // there is such a zone
	near     []ID            // others of our zone that may be sent gossip
	open     []ID            // open members that may be
	far      [][]ID          // relays of each other zone
	relays   [][]rank        // of each zone, by its number
	lost     map[string]bool // zones of which no member is present any more
	probes   int             // since the last one of a member of another zone
	other    bool            // the last probe was of a zone that may be failing
}

const (
	// farEvery is how many probes there are for each one of another zone's member. With three zones of a size two thirds of the
	// probes would be.
	farEvery = 12

	// DefaultZoneRelays is the number of relays of a zone unless Config has another.
	DefaultZoneRelays = 2

	// MaxZoneRelays is the maximum of Config.ZoneRelays.
	MaxZoneRelays = 32
)

// maxLostZones limits the lost zones that are remembered. Of others it is not reported that they are found.
const maxLostZones = 256

// onDown takes the death or leave of a member, which may have been the last one of its zone.
func (z *zones) onDown(t *Turn, m *member) {
	zone := t.table.zoneOf(m)
	if zone == 0 || t.table.isSameZone(m) {
		return
	}
	for _, id := range t.table.order {
		if other := t.table.at(id); t.table.zoneOf(other) == zone && !other.State.IsDown() {
			return
		}
	}
	if z.lost == nil {
		z.lost = make(map[string]bool)
	}
	if len(z.lost) < maxLostZones {
		z.lost[t.table.zones.name(zone)] = true
	}
	t.out.event(Event{Kind: EventZoneLost, Member: t.table.snapshot(m)})
}

// onUp takes a member that is alive, or whose zone is known now, which may be the first one of a lost zone.
func (z *zones) onUp(t *Turn, m *member) {
	if name := t.table.zones.name(t.table.zoneOf(m)); z.lost[name] && !m.State.IsDown() {
		delete(z.lost, name)
		t.out.event(Event{Kind: EventZoneFound, Member: t.table.snapshot(m)})
	}
}

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
	z.count(t)
	own := t.table.zoneOf(t.table.self)
	wasActive := z.active
	if z.active = own != 0 && !z.isOpen(t, own); z.active && !wasActive {
		z.probes = t.cfg.Rand.IntN(farEvery) // members that start together probe other zones at different times
	}
	wasRelay := z.relay
	if z.relay = false; !z.active {
		return
	}
	z.near, z.open, z.far, z.relays = z.near[:0], z.open[:0], z.far[:0], resized(z.relays, t.table.zones.len())
	for _, id := range t.table.order {
		m := t.table.at(id)
		zone := t.table.zoneOf(m)
		if zone != 0 && !m.State.IsDown() {
			z.relays[zone] = z.withRelay(z.relays[zone], m, t.cfg.zoneRelays())
		}
		switch {
		case !t.isGossipTarget(m):
		case zone == own:
			z.near = append(z.near, id)
		case z.isOpen(t, zone):
			z.open = append(z.open, id)
		}
	}
	for zone, relays := range z.relays {
		if zone == int(own) || z.isOpen(t, uint16(zone)) {
			continue
		}
		var ids []ID
		for _, r := range relays {
			ids = append(ids, r.id)
		}
		z.far = append(z.far, ids)
	}
	z.relay = slices.ContainsFunc(z.relays[own], func(r rank) bool { return r.id == t.table.self.ID })
	if z.relay && !wasRelay {
		z.catchUp(t)
	}
}

// catchUp exchanges what differs with another zone, for a new relay: what its zone learned while the former ones were failing is not
// gossiped any more.
func (z *zones) catchUp(t *Turn) {
	if t.cfg.PushPullInterval <= 0 || len(z.far) == 0 {
		return
	}
	relays := z.far[t.cfg.Rand.IntN(len(z.far))]
	if m := t.table.at(relays[t.cfg.Rand.IntN(len(relays))]); m.extended() && t.table.isPushPullPeer(m) {
		t.out.Streams = append(t.out.Streams, Stream{Kind: StreamDifferences, To: t.table.snapshot(m)})
	}
}

// count counts the members of each zone, and finds other zones that may be failing.
func (z *zones) count(t *Turn) {
	n := t.table.zones.len()
	z.members, z.troubled = resized(z.members, n), resized(z.troubled, n)
	for _, id := range t.table.order {
		m := t.table.at(id)
		zone := t.table.zoneOf(m)
		if zone == 0 || m.State.IsDown() {
			continue
		}
		z.members[zone]++
		z.troubled[zone] = z.troubled[zone] || m.State == StateSuspect && t.suspicions.isFromOutside(t, m)
	}
	z.troubled[t.table.zoneOf(t.table.self)] = false
	z.trouble = slices.Contains(z.troubled, true)
}

// isFromOutside reports whether a member of another zone than m was the first that suspected m.
func (s suspicions) isFromOutside(t *Turn, m *member) bool {
	one := s.of(m)
	if one == nil || one.reporters[0] == unattributed {
		return false
	}
	by := t.table.named(one.reporters[0])
	return by != nil && t.table.zoneOf(by) != t.table.zoneOf(m)
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
	return zone == 0 || int(zone) >= len(z.members) || z.members[zone] <= t.cfg.zoneRelays()
}

// rank is the place of a member of a zone in the order in which relays are chosen: those that are alive before suspect ones.
type rank struct {
	state State
	place uint64 // in the ring
	id    ID
}

func (r rank) compare(other rank) int {
	return cmp.Or(cmp.Compare(r.state, other.state), cmp.Compare(r.place, other.place))
}

// withRelay adds m to the first members of its zone, which are in order, if it precedes one of them or there are too few.
func (z *zones) withRelay(first []rank, m *member, most int) []rank {
	r := rank{m.State, ringPlace(m.Name), m.ID}
	i, _ := slices.BinarySearchFunc(first, r, rank.compare)
	if i == most {
		return first
	}
	return slices.Insert(first[:min(len(first), most-1)], i, r)
}

// Relays returns the n relays of a zone whose members, by name, are all alive.
func Relays(members []string, n int) []string {
	sorted := slices.SortedFunc(slices.Values(members), func(a, b string) int { return cmp.Compare(ringPlace(a), ringPlace(b)) })
	return sorted[:min(n, len(sorted))]
}

// targets chooses the members of a round of gossip, in random order: when there is more than fits their packets each of
// them gets another part.
func (z *zones) targets(t *Turn) []*member {
	z.choose(t, t.cfg.GossipNodes, t.isGossipTarget)
	t.cfg.Rand.Shuffle(len(t.chosen), func(i, j int) { t.chosen[i], t.chosen[j] = t.chosen[j], t.chosen[i] })
	return t.chosen
}

// choose chooses k members of our zone and open ones and, if this member is a relay, k relays of other zones. Open members are
// chosen as often as without zones, so that as much reaches them.
func (z *zones) choose(t *Turn, k int, may func(*member) bool) []*member {
	t.chosen = t.chosen[:0]
	t.draw(k, t.table.len(), func(i int) *member {
		if i < len(z.open) {
			return t.table.at(z.open[i])
		}
		if len(z.near) == 0 {
			return nil
		}
		return t.table.at(z.near[(i-len(z.open))%len(z.near)])
	}, may)
	if z.relay {
		t.draw(len(t.chosen)+k, len(z.far), func(i int) *member {
			return t.table.at(z.far[i][t.cfg.Rand.IntN(len(z.far[i]))])
		}, may)
	}
	return t.chosen
}

// transmits returns how often a broadcast is sent that others send n times: a relay sends each round to twice as many members.
func (z *zones) transmits(n int) int {
	if z.relay {
		return 2 * n
	}
	return n
}

// isWatched reports whether m is probed as often as without zones.
func (z *zones) isWatched(t *Turn, m *member) bool {
	return t.table.isSameZone(m) || z.isOpen(t, t.table.zoneOf(m))
}

// nextProbe returns the next member to probe, or nil if zones do not matter.
func (z *zones) nextProbe(t *Turn) *member {
	if !z.areActive(t) {
		return nil
	}
	if z.probes++; t.ring.isUsed(t) && t.ring.leavesOut(t) {
		z.probes++ // for the one that is left out
	}
	if z.probes >= min(farEvery, z.members[t.table.zoneOf(t.table.self)]) {
		z.probes = 0
		if m := t.table.nextUnprobed(t.cfg.Rand, func(m *member) bool { return !z.isWatched(t, m) }); m != nil {
			return m
		}
	}
	if z.trouble && z.turn() {
		inTrouble := func(m *member) bool { return z.troubled[t.table.zoneOf(m)] }
		if m := t.ring.find(t, inTrouble); m != nil {
			return m
		}
	}
	return t.table.nextUnprobed(t.cfg.Rand, func(m *member) bool { return z.isWatched(t, m) })
}

// turn reports, every other time, that it is the turn of a zone that may be failing.
func (z *zones) turn() bool {
	z.other = !z.other
	return z.other
}

// nextUnprobed returns the next member of the probe order of those that are wanted, and alive or suspect. Others that are passed over
// keep their turns, unless the round ends as no wanted one is left.
func (t *table) nextUnprobed(random *rand.Rand, wanted func(*member) bool) *member {
	for range 2 {
		order := t.order
		for last := t.unprobed - 1; last >= 0; last-- {
			if m := t.at(order[last]); t.isPresent(m) && wanted(m) {
				t.unprobed--
				order[last], order[t.unprobed] = order[t.unprobed], order[last]
				return m
			}
		}
		t.shuffle(random)
	}
	return nil
}
