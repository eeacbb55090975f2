package memberlist

import (
	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// hasZones reports whether this member may have a zone.
func (c *Config) hasZones() bool { return c.Zone != "" || c.ZoneOf != nil }

// crosses reports whether what is sent to a receiver is not known to stay within the zone of this member, which has one.
func (m *Memberlist) crosses(features wire.Features) bool {
	return m.config.hasZones() && !features.Has(wire.FeatureSameZone)
}

// askZones asks the program for the zones of members that have changed, with the core not locked. Until it has answered they are in
// the zones that they announce themselves.
func (m *Memberlist) askZones(changed []swim.Member) {
	for i := range changed {
		c := &changed[i]
		if c.State.IsDown() {
			continue
		}
		if !m.tasks.BeginCallback() {
			return
		}
		zone := m.config.ZoneOf(newNode(c))
		m.tasks.EndCallback()
		if zone == c.Zone {
			continue
		}
		t := m.begin()
		t.core.SetZone(c, zone)
		t.commit()
	}
}
