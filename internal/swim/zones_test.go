package swim

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// zoned returns a node that is member self of zones with a number of members each; "" is for members without a zone. The members are
// numbered, after the name of their zone.
func zoned(t *testing.T, self string, sizes map[string]int, change func(*Config)) *node {
	t.Helper()
	n := newNode(t, func(c *Config) {
		c.Extensions, c.Name, c.Zone = true, self, strings.TrimRight(self, "0123456789")
		c.Detector.Ring = true
		if change != nil {
			change(c)
		}
	})
	i := 0
	for _, zone := range slices.Sorted(maps.Keys(sizes)) {
		for k := range sizes[zone] {
			i++
			name := fmt.Sprint(zone, k)
			if name == self {
				continue
			}
			n.Step(Endpoint{}, aliveIn(zone, name, i, 1))
			n.view.note(n.table.named(name), wire.ViewUnsaid)
		}
	}
	n.queue.dropAll(n.Turn)
	n.take()
	return n
}

func aliveIn(zone, name string, i int, incarnation uint32) *wire.Alive {
	return &wire.Alive{Incarnation: incarnation, Node: name, Addr: memberAddr(i).Addr().AsSlice(), Port: memberAddr(i).Port(),
		Vsn: testVersions[:], Zone: []byte(zone)}
}

// TestZoneOfMember: a zone that a member announces outlives messages that passed a member of the reference, and what a
// member announces later replaces it.
func TestZoneOfMember(t *testing.T) {
	tests := []struct {
		name  string
		heard []*wire.Alive
		want  string
	}{
		{"announced", []*wire.Alive{aliveIn("a", "m1", 1, 1)}, "a"},
		{"none", []*wire.Alive{aliveIn("", "m1", 1, 1)}, ""},
		{"not erased", []*wire.Alive{aliveIn("a", "m1", 1, 1), aliveIn("", "m1", 1, 1)}, "a"},
		{"learned late", []*wire.Alive{aliveIn("", "m1", 1, 1), aliveIn("a", "m1", 1, 1)}, "a"},
		{"older", []*wire.Alive{aliveIn("", "m1", 1, 2), aliveIn("a", "m1", 1, 1)}, ""},
		{"newer", []*wire.Alive{aliveIn("a", "m1", 1, 1), aliveIn("b", "m1", 1, 2)}, "b"},
		{"none any more", []*wire.Alive{aliveIn("a", "m1", 1, 1), aliveIn("", "m1", 1, 2)}, ""},
		{"two at one incarnation", []*wire.Alive{aliveIn("a", "m1", 1, 1), aliveIn("b", "m1", 1, 1)}, "b"},
		{"two in the other order", []*wire.Alive{aliveIn("b", "m1", 1, 1), aliveIn("a", "m1", 1, 1)}, "b"},
		{"longest", []*wire.Alive{aliveIn(strings.Repeat("z", MaxZone), "m1", 1, 1)}, strings.Repeat("z", MaxZone)},
		{"too long", []*wire.Alive{aliveIn("a", "m1", 1, 1), aliveIn(strings.Repeat("z", MaxZone+1), "m1", 1, 2)}, "a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			packets, states := newNode(t, withExtensions), newNode(t, withExtensions)
			for _, a := range tt.heard {
				packets.Step(Endpoint{}, a)
				states.Merge([]wire.PushNodeState{{Name: a.Node, Addr: a.Addr, Port: a.Port, Incarnation: a.Incarnation, Vsn: a.Vsn, Zone: a.Zone}})
			}
			for _, n := range []*node{packets, states} {
				m, _ := n.Member("m1")
				if m.Zone != tt.want {
					t.Errorf("zone %q, want %q", m.Zone, tt.want)
				}
				if got, want := n.ViewChecksum(), Checksum(n.Members(nil)); got != want {
					t.Errorf("the checksum is %x, that of the members %x", got, want)
				}
			}
			if a, b := packets.ViewChecksum(), states.ViewChecksum(); a != b {
				t.Errorf("the checksums of equal views are %x and %x", a, b)
			}
		})
	}
}

// TestZoneIsPassedOn: gossip and push/pulls have the zones of others, and a view with a zone differs from one without.
func TestZoneIsPassedOn(t *testing.T) {
	n := newNode(t, withExtensions)
	n.Step(Endpoint{}, aliveIn("", "m1", 1, 1))
	without := n.ViewChecksum()
	n.Step(Endpoint{}, aliveIn("a", "m1", 1, 1))
	if n.ViewChecksum() == without {
		t.Error("the view does not change with a zone")
	}
	var s Snapshot
	n.Snapshot(&s)
	states, err := wire.ParseStates(s.States, s.Len())
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for v := (wire.StateView{}); states.Next(&v); {
		if string(v.Name()) == "m1" && string(v.Zone()) == "a" {
			found++
		}
	}
	packet := n.out.newPacket()
	n.queue.fill(n.Turn, n.Turn.out, packet, 1400)
	for _, m := range packet.Messages {
		if v := viewOf(t, wire.Type(m[0]), m[1:]); string(v.Node) == "m1" && string(v.Zone) == "a" {
			found++
		}
	}
	if found != 2 {
		t.Error("the zone is not in gossip and in states")
	}
}

// TestZoneUnread: a member without extensions neither announces a zone nor reads those of others.
func TestZoneUnread(t *testing.T) {
	n := newNode(t, func(c *Config) { c.Zone = "a" })
	n.Step(Endpoint{}, aliveIn("b", "m1", 1, 1))
	for _, m := range n.Members(nil) {
		if m.Zone != "" {
			t.Errorf("%s is in zone %q", m.Name, m.Zone)
		}
	}
}

// TestOwnZone: a member refutes another zone of its own, but not the lack of one.
func TestOwnZone(t *testing.T) {
	tests := []struct {
		name      string
		own, said string
		refutes   bool
	}{
		{"the same", "a", "a", false}, {"lost on the way", "a", "", false}, {"another", "a", "b", true}, {"none any more", "", "b", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := newNode(t, func(c *Config) { c.Extensions, c.Zone = true, tt.own })
			n.Step(Endpoint{}, aliveIn(tt.said, "self", 0, 1))
			if got := n.Self().Incarnation > 1; got != tt.refutes {
				t.Errorf("incarnation %d", n.Self().Incarnation)
			}
			if n.Self().Zone != tt.own {
				t.Errorf("zone %q, want %q", n.Self().Zone, tt.own)
			}
		})
	}
}

// TestZonesAreBounded: zones that no member has any more are forgotten, and there are only so many at once.
func TestZonesAreBounded(t *testing.T) {
	n := newNode(t, withExtensions)
	for i := range uint32(3 * maxZones) {
		n.Step(Endpoint{}, aliveIn(fmt.Sprint("zone ", i), "m1", 1, i+1))
	}
	if got := n.table.zones.len(); got > 3 {
		t.Errorf("one member had %d zones at once", got)
	}
	var z zoneNames
	for i := range 2 * maxZones {
		z.use(fmt.Append(nil, i))
	}
	if z.len() > maxZones+1 || len(z.number) > maxZones {
		t.Errorf("%d zones", z.len())
	}
	m := n.table.named("m1")
	n.remove(m)
	if len(n.table.zones.number) != 0 {
		t.Errorf("zones without members: %v", n.table.zones.number)
	}
}

// relaysOf returns the names of the relays of a zone.
func (n *node) relaysOf(zone string) (names []string) {
	n.t.Helper()
	if !n.zones.areActive(n.Turn) {
		n.t.Fatal("zones are not in use")
	}
	for _, r := range n.zones.relays[n.table.zones.number[zone]] {
		names = append(names, n.table.at(r.id).Name)
	}
	return names
}

// TestRelays: all members agree on the relays of a zone, which are of those that are alive, and replace them.
func TestRelays(t *testing.T) {
	sizes := map[string]int{"a": 10, "b": 10, "c": 2, "": 3}
	n := zoned(t, "a0", sizes, nil)
	chosen := n.relaysOf("b")
	if len(chosen) != 2 {
		t.Fatalf("relays %v", chosen)
	}
	var members []string
	for k := range sizes["b"] {
		members = append(members, fmt.Sprint("b", k))
	}
	if want := Relays(members, 2); !slices.Equal(chosen, want) {
		t.Errorf("relays %v, want %v", chosen, want)
	}
	relays := 0
	for zone := range maps.Keys(sizes) {
		for k := range sizes[zone] {
			other := zoned(t, fmt.Sprint(zone, k), sizes, func(c *Config) { c.Rand = rand.New(rand.NewPCG(9, uint64(k))) })
			if active := other.zones.areActive(other.Turn); active != (zone == "a" || zone == "b") {
				t.Errorf("%s keeps to its zone: %v", other.cfg.Name, active)
			} else if !active {
				continue
			}
			if got := other.relaysOf("b"); !slices.Equal(got, chosen) {
				t.Errorf("the relays of b are %v for %s and %v for %s", got, other.cfg.Name, chosen, n.cfg.Name)
			}
			if other.zones.relay {
				relays++
			}
		}
	}
	if relays != 4 {
		t.Errorf("%d members are relays of two zones, want 4", relays)
	}

	n.Step(Endpoint{}, &wire.Suspect{Incarnation: 1, Node: chosen[0], From: "x"})
	if now := n.relaysOf("b"); len(now) != 2 || now[0] != chosen[1] {
		t.Errorf("relays %v after %v, of which the first is suspect", now, chosen)
	}
	n.Step(Endpoint{}, &wire.Alive{Incarnation: 2, Node: chosen[0], Addr: n.table.ip(n.table.named(chosen[0])), Port: 7946, Vsn: testVersions[:],
		Zone: []byte("b")})
	if now := n.relaysOf("b"); !slices.Equal(now, chosen) {
		t.Errorf("relays %v after a refutation, want %v", now, chosen)
	}
	for k := range 10 {
		n.Step(Endpoint{}, &wire.Suspect{Incarnation: 2, Node: fmt.Sprint("b", k), From: "x"})
	}
	if now := n.relaysOf("b"); len(now) != 2 {
		t.Errorf("relays %v of a zone whose members are all suspect", now)
	}
}

// TestZoneTargets: gossip and push/pulls of a member stay in its zone and with open members, but for relays, which reach relays of each
// other zone, and send to so many more what they send.
func TestZoneTargets(t *testing.T) {
	sizes := map[string]int{"a": 10, "b": 10, "c": 10, "d": 1, "": 3}
	for _, self := range []string{"a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9"} {
		t.Run(self, func(t *testing.T) {
			n := zoned(t, self, sizes, nil)
			own, open := n.relaysOf("a"), []string{"0", "1", "2", "d0"}
			count := make(map[string]int)
			for range 200 {
				for _, m := range n.loops.targets(n.Turn) {
					count[m.Name]++
				}
				n.loops.pushPullTick(n.Turn)
			}
			for _, s := range n.take().Streams {
				count[s.To.Name]++
			}
			var across []string
			for name := range count {
				if !strings.HasPrefix(name, "a") {
					across = append(across, name)
				}
			}
			slices.Sort(across)
			if !slices.Contains(own, self) {
				if len(count) != 9+4 || !slices.Equal(across, open) || n.zones.transmits(8) != 8 {
					t.Errorf("targets %v", count)
				}
				return
			}
			want := slices.Concat(open, n.relaysOf("b"), n.relaysOf("c"))
			slices.Sort(want)
			if !slices.Equal(across, want) || len(count) != 9+len(want) || n.zones.transmits(8) != 16 {
				t.Errorf("targets of a relay %v, want of other zones %v", count, want)
			}
		})
	}
}

// TestZoneProbes: most probes are of one's own zone and of open members. A zone in which much is suspect is watched by all.
func TestZoneProbes(t *testing.T) {
	n := zoned(t, "a0", map[string]int{"a": 20, "b": 20, "c": 20, "": 1}, nil)
	probe := func() map[string]int {
		count := make(map[string]int)
		for range 240 {
			m := n.probe.next(n.Turn)
			count[strings.TrimRight(m.Name, "0123456789")]++
			if m.Name == "0" {
				count["open"]++
			}
		}
		return count
	}
	calm := probe()
	if across := calm["b"] + calm["c"]; across != 240/farEvery || calm["b"] == 0 || calm["c"] == 0 || calm["open"] < 4 {
		t.Errorf("probes by zone: %v", calm)
	}
	n.Step(Endpoint{}, &wire.Suspect{Incarnation: 1, Node: "b0", From: "b1"})
	if some := probe(); some["b"]+some["c"] != 240/farEvery {
		t.Errorf("probes while a member of b is suspect there: %v", some)
	}
	n.Step(Endpoint{}, &wire.Suspect{Incarnation: 1, Node: "b1", From: "c1"})
	if troubled := probe(); troubled["b"] < 110 || troubled["a"] < 100 {
		t.Errorf("probes while b may be failing: %v", troubled)
	}
	n.Step(Endpoint{}, aliveIn("b", "b1", int(n.table.named("b1").ip[3]), 2))
	if after := probe(); after["b"]+after["c"] != 240/farEvery {
		t.Errorf("probes after the suspicion: %v", after)
	}
}

// TestZoneHelpers: about a member of one's own zone others of that zone are asked.
func TestZoneHelpers(t *testing.T) {
	n := zoned(t, "a0", map[string]int{"a": 5, "b": 20}, nil)
	var asked []ID
	target := n.table.named("a1")
	snapshot := n.table.snapshot(target)
	for range 20 {
		question{seq: 1, members: 3}.ask(n.Turn, target, &snapshot, &asked)
	}
	for _, id := range asked {
		if name := n.table.at(id).Name; name[0] != 'a' || name == "a1" {
			t.Errorf("%s is asked about a1", name)
		}
	}
	asked = asked[:0]
	question{seq: 1, members: 4}.ask(n.Turn, target, &snapshot, &asked)
	if len(asked) != 4 {
		t.Errorf("%d of 4 members are asked, of a zone with 3 others", len(asked))
	}
}

// TestSetZone: zones that the program says group members, and are told to no other member.
func TestSetZone(t *testing.T) {
	n := newNode(t, func(c *Config) { c.Extensions, c.SaysZones = true, true }).withMembers(9)
	said := func(m Member) string { return fmt.Sprint("z", m.Addr.Addr().As4()[3]%2) }
	for _, m := range n.Members(nil) {
		n.SetZone(&m, said(m))
	}
	if !n.zones.areActive(n.Turn) || len(n.zones.near) != 4 {
		t.Errorf("%d others in the zone of this member, want 4", len(n.zones.near))
	}
	for _, m := range n.Members(nil) {
		if m.Zone != said(m) {
			t.Errorf("%s is in %q", m.Name, m.Zone)
		}
	}
	stale, _ := n.Member("m1")
	n.Step(Endpoint{}, aliveOf(1, 2))
	n.SetZone(&stale, "z0")
	if m, _ := n.Member("m1"); m.Zone != "z1" {
		t.Error("a zone of an earlier incarnation is taken")
	}
	before := n.ViewChecksum()
	m1, _ := n.Member("m1")
	n.SetZone(&m1, strings.Repeat("z", MaxZone+1))
	if m, _ := n.Member("m1"); m.Zone != "" {
		t.Errorf("zone %q", m.Zone)
	}
	if n.ViewChecksum() != before {
		t.Error("what the program says changes the view")
	}
}

// TestDeadInZones: members that failed are sent gossip as without zones: by their own zone, or by the relays if it has failed.
func TestDeadInZones(t *testing.T) {
	n := zoned(t, "a0", map[string]int{"a": 10, "b": 10, "c": 10}, nil)
	relay := zoned(t, n.relaysOf("a")[0], map[string]int{"a": 10, "b": 10, "c": 10}, nil)
	dead := func(n *node, name string) {
		n.Step(Endpoint{}, &wire.Dead{Incarnation: 1, Node: name, From: "x"})
	}
	dead(n, "a5")
	for k := range 10 {
		dead(relay, fmt.Sprint("b", k))
	}
	has := func(n *node, prefix string) bool {
		for range 100 {
			for _, m := range n.loops.targets(n.Turn) {
				if strings.HasPrefix(m.Name, prefix) {
					return true
				}
			}
		}
		return false
	}
	if !has(n, "a5") || !has(relay, "b") {
		t.Error("the recently dead are sent no gossip")
	}
	for _, m := range []*node{n, relay} {
		m.after(time.Minute)
		if m == n && has(m, "a5") || m == relay && has(m, "b") {
			t.Error("those that have been dead for long are sent gossip")
		}
	}
}

// TestNewRelay: a member that becomes a relay exchanges what differs with another zone.
func TestNewRelay(t *testing.T) {
	sizes := map[string]int{"a": 10, "b": 10}
	first := zoned(t, "a0", sizes, nil).relaysOf("a")
	for k := range 10 {
		self := fmt.Sprint("a", k)
		if slices.Contains(first, self) {
			continue
		}
		n := zoned(t, self, sizes, nil)
		n.zones.areActive(n.Turn)
		if streams := n.take().Streams; len(streams) != 0 {
			t.Errorf("%s, no relay, begins %v", self, streams)
		}
		for _, name := range first {
			n.Step(Endpoint{}, &wire.Suspect{Incarnation: 1, Node: name, From: "a1"})
		}
		relay := slices.Contains(n.relaysOf("a"), self)
		streams := n.take().Streams
		if got := len(streams) == 1 && streams[0].Kind == StreamDifferences && streams[0].To.Name[0] == 'b'; got != relay {
			t.Errorf("%s, a relay: %v, begins %v", self, relay, streams)
		}
	}
}

// TestLostZone: it is reported when no member of a zone is left, and when one is back.
func TestLostZone(t *testing.T) {
	n := zoned(t, "a0", map[string]int{"a": 3, "b": 2, "c": 1}, nil)
	events := func() (found []string) {
		for _, e := range n.take().Events {
			if e.Kind == EventZoneLost || e.Kind == EventZoneFound {
				found = append(found, fmt.Sprint(e.Kind == EventZoneFound, " ", e.Member.Name, " ", e.Member.Zone))
			}
		}
		return found
	}
	ip := func(name string) int { return int(n.table.named(name).ip[3]) }
	b1 := ip("b1")
	for _, name := range []string{"a1", "a2", "b0"} {
		n.Step(Endpoint{}, &wire.Dead{Incarnation: 1, Node: name, From: "x"})
	}
	if got := events(); got != nil {
		t.Errorf("%v while each zone has a member", got)
	}
	n.Step(Endpoint{}, &wire.Dead{Incarnation: 1, Node: "b1", From: "b1"})
	n.Step(Endpoint{}, &wire.Dead{Incarnation: 1, Node: "c0", From: "x"})
	if got, want := fmt.Sprint(events()), "[false b1 b false c0 c]"; got != want {
		t.Errorf("lost: %v, want %v", got, want)
	}
	n.Step(Endpoint{}, aliveIn("b", "b1", b1, 2))
	n.Step(Endpoint{}, aliveIn("b", "b7", 77, 1))
	if got, want := fmt.Sprint(events()), "[true b1 b]"; got != want {
		t.Errorf("found: %v, want %v", got, want)
	}
}
