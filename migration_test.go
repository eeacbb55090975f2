package memberlist

import (
	"fmt"
	"strings"
	"time"
)

// restart has member i leave and come back with another configuration, which
// begins as that of a new member.
func (c *simCluster) restart(i int, change func(*Config)) {
	c.t.Helper()
	if err := c.members[i].Leave(10 * time.Second); err != nil {
		c.t.Fatal(err)
	}
	c.members[i].Shutdown()
	config := c.simConfig(i)
	config.Events = c.events[i]
	change(config)
	m, err := Create(config)
	if err != nil {
		c.t.Fatal(err)
	}
	c.members[i] = m
	if _, err := m.Join(seedsAt((i + 1) % len(c.members))); err != nil {
		c.t.Fatalf("member %d: %v", i, err)
	}
}

// deaths are the events of members taken for dead.
func (c *simCluster) deaths() (deaths []string) {
	for i, log := range c.events {
		log.mu.Lock()
		for k, e := range log.events {
			if strings.HasPrefix(e, "leave") && log.nodes[k].State == StateDead {
				deaths = append(deaths, fmt.Sprintf("member %d: %s", i, e))
			}
		}
		log.mu.Unlock()
	}
	return deaths
}
