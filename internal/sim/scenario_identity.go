package sim

import (
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
)

// The scenarios of this file vary names, addresses and clusters.

// others returns the nodes of a cluster of n that are not among some.
func others(n int, some []int) []int {
	in := newSet(some, n)
	var rest []int
	for i := range n {
		if !in.has(int32(i)) {
			rest = append(rest, i)
		}
	}
	return rest
}

// swap makes members come back at each other's addresses.
func swap(d draw) Config {
	cfg := d.cluster()
	cfg.Seeds = []int{0, 1, 2}
	return d.with(cfg, 2, func() Fault {
		return Fault{Kind: Swap, At: d.seconds(0, 40), For: d.seconds(0.1, 80), Nodes: d.Perm(cfg.N)[:2+d.IntN(cfg.N/2)]}
	})
}

// take makes members come back, some at the addresses of others that have crashed or left meanwhile.
func take(d draw) Config {
	cfg := d.cluster()
	cfg.N += 2
	cfg.Seeds = []int{0, 1, 2}
	gone := d.some(cfg.N, cfg.N/3)
	kind := []Kind{Crash, Leave}[d.IntN(2)]
	cfg.Faults = []Fault{{Kind: kind, At: d.seconds(0, 30), Nodes: gone}}
	if d.IntN(2) == 0 {
		cfg.Faults[0].For = d.seconds(40, 120)
	}
	takers := others(cfg.N, gone)
	return d.with(cfg, 2, func() Fault {
		return Fault{Kind: Take, At: d.seconds(0, 40), For: d.seconds(0.1, 40), Nodes: takers[:1+d.IntN(len(takers)-1)], To: gone}
	})
}

// rename restarts processes under new names at the same addresses. Some receive old messages about the old names.
func rename(d draw) Config {
	cfg := d.cluster()
	if d.IntN(2) == 0 {
		cfg.Faults = []Fault{{Kind: Replay, At: d.seconds(10, 60), For: d.seconds(1, 60), Delay: d.seconds(1, 10), Nodes: d.some(cfg.N, 3)}}
	}
	return d.with(cfg, 3, func() Fault {
		return Fault{Kind: Rename, At: d.seconds(0, 40), For: d.seconds(0.1, 60), Nodes: d.some(cfg.N, 3)}
	})
}

// crashLoop restarts one process repeatedly, each time under a new name. The others are healthy.
func crashLoop(d draw) Config {
	cfg := d.cluster()
	cfg.N = 4 + d.IntN(4)
	cfg.Never = Isolation
	every := d.seconds(8, 20)
	for i := range 8 + d.IntN(12) {
		cfg.Faults = append(cfg.Faults, Fault{Kind: Rename, At: time.Duration(i+1) * every, For: d.seconds(0.1, 3),
			Nodes: []int{cfg.N - 1}})
	}
	return cfg
}

// rollingRename restarts all processes but one, one after the other, under new names.
func rollingRename(d draw) Config {
	cfg := d.cluster()
	cfg.N = 4 + d.IntN(6)
	cfg.Never = Isolation
	every := d.seconds(5, 20)
	for i := range 2 * (cfg.N - 1) {
		cfg.Faults = append(cfg.Faults, Fault{Kind: Rename, At: time.Duration(i+1) * every, For: d.seconds(0.1, 2),
			Nodes: []int{1 + i%(cfg.N-1)}})
	}
	return cfg
}

// twins starts processes under names that others have.
func twins(d draw) Config {
	cfg := d.cluster()
	cfg.N += 2
	order := d.Perm(cfg.N)
	k := 1 + d.IntN(2)
	cfg.Faults = []Fault{{Kind: Twin, At: d.seconds(0, 10), For: d.seconds(0.1, 60), Nodes: order[:k], To: order[k : 2*k]}}
	return cfg
}

// massMove has more names that claim other addresses at once than a core may have undecided checks, and more of them
// right after. Nodes do not compare their views, as then they would learn of each other's names before these move, and have
// more to check.
func massMove(d draw) Config {
	cfg := Config{N: 2 + d.IntN(3), Core: []swim.Config{LAN(), Local()}[d.IntN(2)]}
	cfg.Core.Extensions = false
	at, decided := d.seconds(0, 5), 2*cfg.Core.ProbeTimeout+time.Second
	for range 2 {
		cfg.Faults = append(cfg.Faults, Fault{Kind: Movers, At: at, For: 2 * decided, Delay: decided, Nodes: d.some(cfg.N, 2), Count: 70 + d.IntN(50)})
		at += decided + d.seconds(0, 1)
	}
	return cfg
}

// moveByName makes members come back at other addresses with a transport that routes by name.
func moveByName(d draw) Config {
	cfg := []func(draw) Config{move, swap, take, rename}[d.IntN(4)](d)
	cfg.RouteByName = true
	return cfg
}

// strangers returns two clusters. A member of one crashes, or leaves, at about the same time as one of the other, and
// that one comes back at its address after a time. Some may have the same names.
func (d draw) strangers(after time.Duration) Config {
	cfg := d.cluster()
	cfg.N = 6 + d.IntN(8)
	cfg.Strangers = 3 + d.IntN(cfg.N-5)
	first := cfg.N - cfg.Strangers
	spared := 0
	cfg.SameNames = min([]int{0, 0, 1, cfg.N}[d.IntN(4)], first, cfg.Strangers)
	if cfg.SameNames > 1 {
		spared = 1 // a member whose name is in both must be up: else it cannot be distinguished from the other after a move
	}
	seeds := make([]int, 0, first)
	for _, i := range d.some(first-spared, first-spared) {
		seeds = append(seeds, i+spared)
	}
	cfg.Seeds, cfg.FixedSeeds = seeds, true
	gone := seeds[:1+d.IntN(max(1, min(len(seeds), first-2)))]
	kind := []Kind{Crash, Crash, Leave, Move}[d.IntN(4)]
	at := d.seconds(0, 20)
	cfg.Faults = []Fault{{Kind: kind, At: at, Nodes: gone}, {Kind: Take, At: at, For: after, Nodes: []int{cfg.N - 1}, To: gone}}
	if kind == Move {
		cfg.Faults[0].For = d.seconds(0.1, 5)
	}
	if rest := others(first, gone)[spared:]; len(rest) > 0 && d.IntN(2) == 0 {
		cfg.Faults = append(cfg.Faults, Fault{Kind: Crash, At: d.seconds(0, 200), Nodes: rest[:1]})
	}
	return cfg
}

// twoClusters meet at an address whose member was forgotten.
func twoClusters(d draw) Config {
	cfg := d.strangers(0)
	known := longestSuspicion(cfg.Core, cfg.N) + time.Duration(2*cfg.N)*probeEvery(cfg.Core) + 2*cfg.Core.GossipToTheDeadTime
	for i := range cfg.Faults {
		if cfg.Faults[i].Kind == Take {
			cfg.Faults[i].For = known + d.seconds(0, 60)
		}
	}
	return cfg
}

// twoClustersAtOnce meet at an address that is still in use. No name is in both: a push/pull that finds the name which it is meant
// for at the address, or known to the member there, cannot distinguish them. In half of the runs they mostly meet in push/pulls.
func twoClustersAtOnce(d draw) Config {
	cfg := d.strangers(d.seconds(0.1, 60))
	cfg.SameNames = 0
	if d.IntN(2) == 0 {
		cfg.Core.PushPullInterval = d.seconds(1, 3)
		for i := range cfg.N {
			cfg.NoGossip = append(cfg.NoGossip, i)
		}
		if d.IntN(2) == 0 { // push/pulls of all states, as with members of the reference
			cfg.Core.Extensions, cfg.Core.Detector = false, swim.Detector{}
		}
	}
	return cfg
}

// ghosts are many lost names that never return, before a partition that lasts until members are forgotten.
func ghosts(d draw) Config {
	cfg := d.cluster()
	cfg.N = 4 + d.IntN(6)
	cfg.Core = LAN()
	cfg.Heal = 75 * time.Second
	haunted := Fault{Kind: Ghosts, At: d.seconds(0, 2), Count: 30 + d.IntN(271), Rate: 0.3 * d.Float64()}
	if d.IntN(3) == 0 {
		haunted.To = d.some(cfg.N, 3)
	}
	cfg.Faults = []Fault{haunted, {Kind: Partition, At: d.seconds(60, 300), For: d.seconds(100, 300), Nodes: d.some(cfg.N, cfg.N-1)}}
	return cfg
}

// ghostsMeanwhile are such names that are lost during the partition: not all are pinged in one round.
func ghostsMeanwhile(d draw) Config {
	cfg := ghosts(d)
	cfg.Heal = 3 * time.Minute
	cfg.Faults[0].At = cfg.Faults[1].At + d.seconds(30, 90)
	return cfg
}

// replayed has members that leave or crash, and old messages of theirs that arrive later, also from other addresses.
func replayed(d draw) Config {
	cfg := d.cluster()
	cfg.N = 5 + d.IntN(8)
	leavers := d.some(cfg.N, 3)
	if d.IntN(2) == 0 {
		cfg.Faults = []Fault{{Kind: Move, At: d.seconds(0, 5), For: d.seconds(0.1, 10), Nodes: leavers}}
	}
	cfg.Faults = append(cfg.Faults, Fault{Kind: Meta, At: d.seconds(20, 30), Nodes: leavers},
		Fault{Kind: []Kind{Leave, Leave, Crash}[d.IntN(3)], At: d.seconds(40, 60), Nodes: leavers})
	return d.with(cfg, 3, func() Fault {
		return Fault{Kind: Replay, At: d.seconds(60, 200), For: d.seconds(1, 30), Delay: d.seconds(0.5, 5),
			Nodes: others(cfg.N, leavers)[:2], To: leavers}
	})
}
