package sim

import (
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
)

// Scenario makes a cluster and its faults from a seed.
type Scenario struct {
	Name string
	make func(d draw) Config
}

// Config returns the simulation of a seed.
func (sc Scenario) Config(seed uint64) Config {
	h := fnv.New64a()
	h.Write([]byte(sc.Name))
	cfg := sc.make(draw{rand.New(rand.NewPCG(seed, h.Sum64()))})
	cfg.Seed = seed
	return cfg
}

// Scenarios returns all scenarios.
func Scenarios() []Scenario {
	return []Scenario{
		{"calm", calm},
		{"join at once", joinAtOnce},
		{"join one by one", joinOneByOne},
		{"join again", joinAgain},
		{"loss", loss},
		{"duplicates", duplicates},
		{"jitter", jitter},
		{"one way", oneWay},
		{"partial partition", partialPartition},
		{"short partition", shortPartition},
		{"long partition", longPartition},
		{"asymmetric", asymmetric},
		{"slow", slow},
		{"pauses", pauses},
		{"all stopped", allStopped},
		{"blocks", blocks},
		{"bandwidth", bandwidth},
		{"no streams", noStreams},
		{"no packets", noPackets},
		{"refused", refused},
		{"crash", crash},
		{"crash and return", crashAndReturn},
		{"amnesia", amnesia},
		{"move", move},
		{"leave", leave},
		{"metadata", metadata},
		{"clock jumps", clockJumps},
		{"swap", swap},
		{"take", take},
		{"rename", rename},
		{"crash loop", crashLoop},
		{"rolling rename", rollingRename},
		{"twins", twins},
		{"mass move", massMove},
		{"move by name", moveByName},
		{"two clusters", twoClusters},
		{"two clusters at once", twoClustersAtOnce},
		{"ghosts", ghosts},
		{"ghosts meanwhile", ghostsMeanwhile},
		{"replay", replayed},
		{"configurations", configurations},
		{"observers", observers},
		{"no indirect way", noWay},
		{"one death", oneDeath},
		{"refused by the dead", refusedByTheDead},
		{"strange versions", strange},
		{"user broadcasts", userBroadcasts},
		{"compressed", compressed},
		{"forged leaves", forgedLeaves},
		{"attacker", attacker},
		{"zones", zones},
		{"chaos", chaos},
	}
}

// draw makes random choices.
type draw struct{ *rand.Rand }

// between returns a time from a up to b, in milliseconds.
func (d draw) between(a, b time.Duration) time.Duration {
	return (a + time.Duration(d.Int64N(int64(b-a)+1))).Truncate(time.Millisecond)
}

// seconds returns a time between a and b seconds.
func (d draw) seconds(a, b float64) time.Duration {
	return d.between(time.Duration(a*float64(time.Second)), time.Duration(b*float64(time.Second)))
}

// some returns between 1 and k distinct nodes of n.
func (d draw) some(n, k int) []int { return d.Perm(n)[:1+d.IntN(max(1, min(k, n-1)))] }

// cluster returns a converged cluster of a few nodes, mostly with LAN timing.
func (d draw) cluster() Config {
	cfg := Config{N: 3 + d.IntN(14), Core: LAN()}
	switch d.IntN(8) {
	case 0, 1:
		cfg.Core = Local()
	case 2:
		cfg.Core = WAN()
	}
	if d.IntN(3) == 0 {
		cfg.Core.DeadNodeReclaimTime = d.seconds(1, 30)
	}
	switch d.IntN(8) {
	case 0:
		cfg.Core.Extensions, cfg.Core.Detector = false, swim.Detector{} // the protocol of the reference
	case 1:
		cfg.Core.Detector.RefusalGrace = 0
	case 2:
		cfg.Core.Detector.RefusalGrace, cfg.Core.Detector.SilenceTimeout = 0, d.seconds(2, 5)
	}
	return cfg
}

// with adds between 1 and k faults.
func (d draw) with(cfg Config, k int, fault func() Fault) Config {
	for range 1 + d.IntN(k) {
		cfg.Faults = append(cfg.Faults, fault())
	}
	return cfg
}

func calm(d draw) Config {
	cfg := d.cluster()
	cfg.N += d.IntN(40)
	cfg.Never = Suspicion | Detours | Isolation | Illness
	return d.with(cfg, 1, func() Fault { return Fault{Kind: Meta, At: d.seconds(1, 60), Nodes: []int{0}} })
}

func joinAtOnce(d draw) Config {
	cfg := d.cluster()
	cfg.N += d.IntN(20)
	cfg.Start, cfg.Never = Joining, Suspicion|Detours|Isolation|Illness
	return cfg
}

func joinOneByOne(d draw) Config {
	cfg := joinAtOnce(d)
	cfg.JoinEvery = d.seconds(0, 2)
	return cfg
}

// joinAgain makes members join again that joined long ago.
func joinAgain(d draw) Config {
	cfg := d.cluster()
	cfg.Never = Suspicion | Detours | Isolation | Illness
	return d.with(cfg, 5, func() Fault { return Fault{Kind: Join, At: d.seconds(0, 60), Nodes: d.some(cfg.N, 3)} })
}

func loss(d draw) Config {
	return d.with(d.cluster(), 3, func() Fault {
		f := Fault{Kind: Loss, At: d.seconds(0, 20), For: d.seconds(1, 60), Rate: 0.05 + 0.6*d.Float64()}
		return f
	})
}

func duplicates(d draw) Config {
	cfg := d.cluster()
	cfg.Start = Joining
	cfg.Link.Latency = Latency{Kind: Exponential, Min: time.Millisecond, Spread: 20 * time.Millisecond}
	cfg = d.with(cfg, 2, func() Fault {
		return Fault{Kind: Duplicate, At: 0, For: d.seconds(10, 60), Rate: d.Float64()}
	})
	return d.with(cfg, 2, func() Fault { return d.crash(cfg.N, Crash) })
}

func jitter(d draw) Config {
	cfg := d.cluster()
	cfg.Link.Latency = Latency{Kind: LatencyKind(1 + d.IntN(4)), Min: d.seconds(0, 0.05), Spread: d.seconds(0.01, 0.15)}
	return d.with(cfg, 2, func() Fault {
		return Fault{Kind: Reorder, At: d.seconds(0, 20), For: d.seconds(1, 60), Rate: d.Float64(), Delay: d.seconds(0.01, 2)}
	})
}

func oneWay(d draw) Config {
	cfg := d.cluster()
	return d.with(cfg, 2, func() Fault {
		f := Fault{Kind: Cut, At: d.seconds(0, 20), For: d.seconds(1, 25), Nodes: d.some(cfg.N, 2)}
		if d.IntN(2) == 0 {
			f.Nodes, f.To = nil, f.Nodes
		}
		return f
	})
}

func partialPartition(d draw) Config {
	cfg := d.cluster()
	return d.with(cfg, 3, func() Fault {
		order := d.Perm(cfg.N)
		a, b := 1+d.IntN(max(1, cfg.N/3)), 1+d.IntN(max(1, cfg.N/3))
		return Fault{Kind: Partition, At: d.seconds(0, 20), For: d.seconds(1, 60), Nodes: order[:a], To: order[a : a+b]}
	})
}

// shortPartition ends before any member is declared dead.
func shortPartition(d draw) Config {
	cfg := d.cluster()
	least := shortestSuspicion(cfg.Core, cfg.N)
	return d.with(cfg, 1, func() Fault {
		return Fault{Kind: Partition, At: d.seconds(0, 20), For: d.between(time.Second/2, least), Nodes: d.some(cfg.N, cfg.N/2)}
	})
}

// longPartition lasts until the members have forgotten each other.
func longPartition(d draw) Config {
	cfg := d.cluster()
	cfg.Faults = []Fault{{Kind: Partition, At: d.seconds(0, 20), For: d.seconds(30, 200), Nodes: d.some(cfg.N, cfg.N-1)}}
	return cfg
}

func asymmetric(d draw) Config {
	cfg := d.cluster()
	return d.with(cfg, 3, func() Fault {
		f := Fault{Kind: Delay, At: d.seconds(0, 20), For: d.seconds(5, 60), Nodes: d.some(cfg.N, 3), Delay: d.seconds(0.1, 3)}
		if d.IntN(2) == 0 {
			f.Nodes, f.To = nil, f.Nodes
		}
		return f
	})
}

func slow(d draw) Config {
	cfg := d.cluster()
	return d.with(cfg, 3, func() Fault {
		return Fault{Kind: Slow, At: d.seconds(0, 20), For: d.seconds(5, 60), Nodes: d.some(cfg.N, 3), Delay: d.seconds(0.05, 3)}
	})
}

func pauses(d draw) Config {
	cfg := d.cluster()
	return d.with(cfg, 6, func() Fault {
		return Fault{Kind: []Kind{Pause, HostPause}[d.IntN(2)], At: d.seconds(0, 60), For: d.seconds(0.1, 20), Nodes: d.some(cfg.N, 4)}
	})
}

// allStopped stops all members at once, as those of one process, which have little CPU time or much.
func allStopped(d draw) Config {
	cfg := d.cluster()
	cfg.Never = Suspicion | Detours | Isolation | Illness
	if d.IntN(2) == 0 {
		cfg.CPU = CPU{Packet: 15 * time.Microsecond, Message: 1500 * time.Nanosecond, State: 500 * time.Nanosecond}.Times(d.Float64() * 1000)
	}
	return d.with(cfg, 3, func() Fault { return Fault{Kind: Pause, At: d.seconds(0, 60), For: d.seconds(0.1, 20)} })
}

func blocks(d draw) Config {
	cfg := d.cluster()
	return d.with(cfg, 8, func() Fault {
		return Fault{Kind: Block, At: d.seconds(0, 60), For: d.seconds(0.1, 20), Nodes: d.some(cfg.N, 4)}
	})
}

func bandwidth(d draw) Config {
	cfg := d.cluster()
	cfg = d.with(cfg, 2, func() Fault {
		return Fault{Kind: Bandwidth, At: d.seconds(0, 10), For: d.seconds(10, 60), Nodes: d.some(cfg.N, 4), Bytes: 50 + d.IntN(2000)}
	})
	cfg.Faults[0].Bytes = 50 + d.IntN(200)
	return d.with(cfg, 3, func() Fault {
		return Fault{Kind: Meta, At: d.seconds(0, 30), For: d.seconds(1, 20), Delay: d.seconds(0.1, 1), Nodes: d.some(cfg.N, 4)}
	})
}

func noStreams(d draw) Config {
	cfg := d.cluster()
	cfg = d.with(cfg, 2, func() Fault {
		return Fault{Kind: NoStreams, At: d.seconds(0, 20), For: d.seconds(60, 120), Rate: 0.3 + 0.7*d.Float64()}
	})
	return d.with(cfg, 2, func() Fault { return d.crash(cfg.N, Crash) })
}

func noPackets(d draw) Config {
	cfg := d.cluster()
	return d.with(cfg, 2, func() Fault {
		return Fault{Kind: NoPackets, At: d.seconds(0, 20), For: d.seconds(5, 60), Nodes: d.some(cfg.N, 3)}
	})
}

func refused(d draw) Config {
	cfg := d.cluster()
	return d.with(cfg, 2, func() Fault {
		return Fault{Kind: Refuse, At: d.seconds(0, 20), For: d.seconds(1, 20), Nodes: d.some(cfg.N, 3)}
	})
}

// crash returns a crash of some nodes, some of which return.
func (d draw) crash(n int, kind Kind) Fault {
	f := Fault{Kind: kind, At: d.seconds(0, 40), Nodes: d.some(n, (n-1)/2)}
	if d.IntN(2) == 0 {
		f.For = d.seconds(0.1, 80)
	}
	return f
}

func crash(d draw) Config {
	cfg := d.cluster()
	f := d.crash(cfg.N, []Kind{Crash, HostCrash}[d.IntN(2)])
	f.For = 0
	cfg.Faults = []Fault{f}
	return cfg
}

// back makes the nodes of a fault return.
func (d draw) back(f Fault) Fault {
	f.For = d.seconds(0.1, 80)
	return f
}

func crashAndReturn(d draw) Config {
	cfg := d.cluster()
	return d.with(cfg, 4, func() Fault { return d.back(d.crash(cfg.N, []Kind{Crash, Crash, HostCrash}[d.IntN(3)])) })
}

func amnesia(d draw) Config {
	cfg := d.cluster()
	return d.with(cfg, 4, func() Fault { return d.back(d.crash(cfg.N, Amnesia)) })
}

// move makes members come back at other addresses, also all of them: then those that do not know each other's new
// addresses find each other by the seeds only.
func move(d draw) Config {
	cfg := d.cluster()
	cfg.Seeds = []int{0, 1, 2}
	return d.with(cfg, 3, func() Fault { return d.back(d.crash(cfg.N, Move)) })
}

func leave(d draw) Config {
	cfg := d.cluster()
	return d.with(cfg, 4, func() Fault { return d.crash(cfg.N, Leave) })
}

func metadata(d draw) Config {
	cfg := d.cluster()
	cfg = d.with(cfg, 4, func() Fault {
		return Fault{Kind: Meta, At: d.seconds(0, 20), For: d.seconds(1, 40), Delay: d.seconds(0.05, 5), Nodes: d.some(cfg.N, 5)}
	})
	return d.with(cfg, 1, func() Fault { return Fault{Kind: Loss, For: 30 * time.Second, Rate: 0.5 * d.Float64()} })
}

func clockJumps(d draw) Config {
	cfg := d.cluster()
	return d.with(cfg, 5, func() Fault {
		return Fault{Kind: Jump, At: d.seconds(0, 40), Nodes: d.some(cfg.N, 4), Delay: d.seconds(0, 30) - d.seconds(0, 10)}
	})
}

// forgedLeaves are leave messages of members that have not left, sent to some or all members. All see all again within 5
// seconds.
func forgedLeaves(d draw) Config {
	cfg := Config{N: 3 + d.IntN(38), Core: LAN()}
	return d.with(cfg, 3, func() Fault {
		f := Fault{Kind: Forge, At: d.seconds(0, 10), Rate: float64(d.IntN(2))}
		if d.IntN(2) == 0 {
			f.Nodes = d.some(cfg.N, cfg.N-1)
		}
		if d.IntN(2) == 0 {
			f.To = d.some(cfg.N, cfg.N-1)
		}
		return f
	})
}

// attacker is one who sends forged and recorded messages of several kinds, while members change, crash, leave and return. Members
// have seeds, as the attacker can make the last two take each other's names for those of other addresses.
func attacker(d draw) Config {
	cfg := d.cluster()
	cfg.Seeds = []int{0, 1, 2}
	cfg = d.with(cfg, 5, func() Fault {
		f := Fault{Kind: Attack, At: d.seconds(0, 30), For: d.seconds(1, 30), Delay: d.seconds(0.1, 2), Rate: float64(d.IntN(2)) * d.Float64(),
			Count: 1 + d.IntN(8), Forgery: Forgery(d.IntN(int(numForgeries)))}
		if d.IntN(2) == 0 {
			f.Nodes = d.some(cfg.N, cfg.N-1)
		}
		if d.IntN(2) == 0 {
			f.To = d.some(cfg.N, cfg.N-1)
		}
		return f
	})
	return d.with(cfg, 2, func() Fault {
		switch d.IntN(3) {
		case 0:
			return Fault{Kind: Meta, At: d.seconds(0, 30), For: d.seconds(1, 20), Delay: d.seconds(0.1, 5), Nodes: d.some(cfg.N, 4)}
		case 1:
			return d.crash(cfg.N, Leave)
		default:
			return d.crash(cfg.N, []Kind{Crash, Amnesia}[d.IntN(2)])
		}
	})
}

// chaos combines all faults.
func chaos(d draw) Config {
	all := Scenarios()
	all = all[4 : len(all)-2] // those with faults
	cfg := d.cluster()
	cfg.N = 8 + d.IntN(9)
	cfg.RouteByName = d.IntN(6) == 0
	if d.IntN(4) == 0 {
		d.timings(&cfg.Core)
	}
	for range 3 + d.IntN(4) {
		other := all[d.IntN(len(all))].make(d)
		for _, f := range other.Faults {
			if f.Kind == Twin || f.Kind == Movers || f.Kind == Attack { // after a Twin views cannot be judged; Movers needs a configuration of its own
				continue
			}
			if f.Kind == Refuse && f.For == 0 { // the refused nodes may return
				f.For = time.Minute
			}
			f.Nodes, f.To = within(f.Nodes, cfg.N), within(f.To, cfg.N)
			cfg.Faults = append(cfg.Faults, f)
			if f.Kind >= Move { // see move
				cfg.Seeds = []int{0, 1, 2}
			}
		}
	}
	// A forged leave that cannot be refuted in time is believed, and members that left are not looked for.
	if slices.ContainsFunc(cfg.Faults, func(f Fault) bool { return f.Kind == Partition || f.Kind == Cut }) {
		cfg.Faults = slices.DeleteFunc(cfg.Faults, func(f Fault) bool { return f.Kind == Forge })
	}
	return cfg
}

// within maps node numbers into a cluster of n, each once.
func within(nodes []int, n int) []int {
	if nodes == nil {
		return nil
	}
	var mapped []int
	seen := make(map[int]bool)
	for _, i := range nodes {
		if !seen[i%n] {
			seen[i%n] = true
			mapped = append(mapped, i%n)
		}
	}
	return mapped
}
