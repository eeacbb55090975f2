package main

import (
	"time"

	"github.com/e3431adc/memberlist/internal/sim"
	"github.com/e3431adc/memberlist/internal/swim"
)

// profile is a configuration of the failure detection.
type profile struct {
	name   string
	change func(c *swim.Config)
}

var (
	without  = profile{"without extensions", func(c *swim.Config) { *c = papers() }}
	standard = profile{"default", func(*swim.Config) {}}
	noGrace  = profile{"default, RefusalGrace none", func(c *swim.Config) { c.Detector.RefusalGrace = 0 }}
	fast     = profile{"DefaultFastLANConfig", func(c *swim.Config) {
		c.Detector.RefusalGrace, c.Detector.SilenceTimeout = 0, 4*time.Second
	}}
)

// profiles are those that are compared. Where processes end, noGrace shows what the grace costs.
var (
	profiles          = []profile{without, standard, fast}
	profilesOfProcess = []profile{without, standard, noGrace, fast}
)

// core returns the LAN defaults with a profile.
func (p profile) core() swim.Config {
	c := sim.LAN()
	p.change(&c)
	return c
}

// lossy returns a cluster with LAN defaults, 1 % loss and a latency of 2 ms ± 1 ms, with a profile.
func (p profile) lossy(n, seed int) sim.Config {
	cfg := hundred(seed)
	cfg.N, cfg.Core = n, p.core()
	return cfg
}

// mixed returns such a cluster in which every other member is as those of the reference.
func (p profile) mixed(n, seed int) sim.Config {
	cfg := p.lossy(n, seed)
	cfg.Plain = everyOther(n)
	return cfg
}

// everyOther returns the odd numbers below n.
func everyOther(n int) []int {
	var all []int
	for i := 1; i < n; i += 2 {
		all = append(all, i)
	}
	return all
}

// detectorFrom is the time of the first fault: round trips have been measured by then.
const detectorFrom = 15 * time.Second
