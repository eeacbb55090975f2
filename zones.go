package memberlist

import "github.com/e3431adc/memberlist/internal/swim"

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
