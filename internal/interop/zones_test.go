package interop

import (
	"fmt"
	"testing"
	"time"
)

// TestZones: members of this library in two zones and members of the reference are one cluster. The zones reach all that read them,
// whichever members the news passed, and outlive changes that members of the reference pass on.
func TestZones(t *testing.T) {
	inBubbles(t, scenario{verb: "lives-in-zones-with", roles: 2, play: func(c *cluster) {
		var all []peer
		var names []string
		want := make(map[string]string)
		for i := range 16 {
			zone := ""
			kind := c.cast[i%2]
			if kind == ours {
				zone = string("ab"[i/2%2])
			}
			p := c.start(kind, fmt.Sprintf("m%02d", i), func(o *options) { o.zone, o.pushPullInterval = zone, 5*time.Second })
			all, names, want[p.name()] = append(all, p), append(names, p.name()), zone
			if i > 0 {
				c.join(p, all[i-1])
			}
		}
		for _, p := range all {
			c.awaitMembers(p, names...)
		}
		knowZones := func() {
			c.Helper()
			deadline := time.Now().Add(2 * time.Minute)
			for _, p := range all {
				o, ok := p.(*oursPeer)
				for ok {
					zones := make(map[string]string)
					for info := range o.m.All() {
						zones[info.Name] = info.Zone
					}
					if fmt.Sprint(zones) == fmt.Sprint(want) {
						break
					}
					if time.Now().After(deadline) {
						c.Errorf("%s: zones %v, want %v", p.name(), zones, want)
						return
					}
					time.Sleep(100 * time.Millisecond)
				}
			}
		}
		knowZones()
		for i := range 4 {
			if err := all[i].setMeta("new", time.Minute); err != nil {
				c.Error(err)
			}
		}
		for i := range 4 {
			for _, p := range all {
				if p != all[i] {
					c.awaitEntry(p, sawUpdate, names[i], "new")
				}
			}
		}
		knowZones()
		for _, p := range all {
			for _, q := range all {
				if p.journal().count(entry{sawLeave, q.name(), ""}) > 0 {
					c.Errorf("%s (%s) declared %s (%s) dead", p.name(), p.kind(), q.name(), q.kind())
				}
			}
		}
	}}, settings[:1])
}
