package sim

import (
	"slices"
	"time"
)

// zones are clusters in zones, some members without one, with faults of all kinds: those of another scenario, or those that
// befall zones.
func zones(d draw) Config {
	if d.IntN(2) == 0 {
		others := slices.DeleteFunc(Scenarios(), func(sc Scenario) bool { return sc.Name == "zones" || sc.Name == "chaos" })
		cfg := others[d.IntN(len(others))].make(d)
		d.divide(&cfg)
		return cfg
	}
	cfg := d.cluster()
	cfg.N = 9 + d.IntN(16)
	d.divide(&cfg)
	return d.with(cfg, 3, func() Fault { return d.zoneFault(&cfg) })
}

// divide puts the nodes into zones, one in eight into none.
func (d draw) divide(cfg *Config) {
	zones := 1 + d.IntN(4)
	cfg.Across.Latency = d.between(0, 45*time.Millisecond) // so that nacks, sent a fifth of ProbeTimeout before the end, come in time
	for range cfg.N {
		if d.IntN(8) == 0 {
			cfg.Zones = append(cfg.Zones, 0)
		} else {
			cfg.Zones = append(cfg.Zones, 1+d.IntN(zones))
		}
	}
	if d.IntN(4) == 0 {
		cfg.Core.ZoneRelays = 1 + d.IntN(4)
	}
	if cfg.Plain == nil && d.IntN(3) == 0 {
		cfg.Plain = d.some(cfg.N, cfg.N/2)
	}
}

// zoneFault returns a fault of a zone, or of some of its nodes.
func (d draw) zoneFault(cfg *Config) Fault {
	zone := cfg.Zones[d.IntN(cfg.N)]
	var inside, outside []int
	for i, z := range cfg.Zones {
		if z == zone {
			inside = append(inside, i)
		} else {
			outside = append(outside, i)
		}
	}
	some := inside[:1+d.IntN(len(inside))]
	f := Fault{At: d.seconds(0, 20), For: d.seconds(1, 60), Nodes: inside, To: outside}
	switch d.IntN(6) {
	case 0:
		f.Kind, f.For = Partition, d.seconds(1, 200)
	case 1:
		f.Kind, f.Rate = Loss, 0.05+0.5*d.Float64()
	case 2:
		f.Kind, f.Delay = Delay, d.seconds(0.01, 1)
	case 3:
		return Fault{Kind: Meta, At: f.At, For: f.For, Delay: d.seconds(0.1, 5), Nodes: some}
	case 4:
		return Fault{Kind: Pause, At: f.At, For: d.seconds(1, 30), Nodes: some}
	default: // all of a zone may end at once
		f = Fault{Kind: []Kind{Crash, HostCrash, Leave, Amnesia}[d.IntN(4)], At: f.At, For: f.For, Nodes: some}
		if len(outside) > 1 && d.IntN(2) == 0 {
			f.For = 0
		}
		return f
	}
	if len(outside) == 0 {
		f.Kind, f.Delay, f.To = Meta, 0, nil
	}
	return f
}
