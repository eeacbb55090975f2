package sim

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
)

// MaxNodes is the maximum number of nodes of a simulation.
const MaxNodes = 1 << 16

// Config describes a simulation. The zero value of every field but N has a meaning.
type Config struct {
	Seed uint64 // of all randomness
	N    int    // nodes, 1 to MaxNodes

	// Core is the configuration of every node; Name and Rand are set for each. Without a DefaultPort it is LAN().
	Core swim.Config

	// Link is the link between any two nodes without a fault. Without a latency that is 1 ms to 2 ms.
	Link Link

	Room int // bytes of a packet; 0: 1400, the default of a Memberlist
	// CompressionBudget is the number of bytes of gossip that a packet may carry beyond Room, since packets are
	// compressed; 0: no compression. A packet that does not shrink enough is sent as two.
	CompressionBudget int

	// CPU is what the work of a node costs; the zero value: nothing.
	CPU CPU

	StreamTimeout time.Duration // time limit of an exchange on a stream; 0: 10 s

	// Start is the initial state: a converged cluster, or nodes that join one after the other.
	Start Start
	// JoinEvery is the time between two joins, of Joining.
	JoinEvery time.Duration
	// JoinRetry is the time after which a failed join is retried; 0: 1 s.
	JoinRetry time.Duration
	// View is the number of others that each node knows at the start, if Settled; 0: all. It is for clusters whose
	// tables would not fit into memory: a table entry takes some 300 bytes, and there are N * N.
	View int

	Faults []Fault

	// Seeds are the nodes that those of their cluster try when they have lost others: at their current address, as if
	// the program returned it from Seeds, or with FixedSeeds at their first address, as if that had been given to
	// Join. Nil: only lost members are tried.
	Seeds      []int
	FixedSeeds bool

	// Strangers is the number of nodes, the last ones, that form another cluster; members of the two must not mix.
	// SameNames of them have the names of the first nodes.
	Strangers, SameNames int

	// RouteByName routes by the name of the destination, whatever the address.
	RouteByName bool

	// NoProbes, NoGossip and NoSyncs are nodes without one of the loops.
	NoProbes, NoGossip, NoSyncs []int

	// Plain are nodes without extensions, as members of the reference.
	Plain []int

	// Zones are the zones of the nodes, numbered from 1 on; 0, or none in the list: the node has none. Across is what the link
	// between nodes of different zones, or without one, has beyond Link. With ZonesUnused the nodes do not know of them.
	Zones       []int
	Across      Across
	ZonesUnused bool

	// Heal is the time in which members must agree once faults have ended; 0: Bound.
	Heal time.Duration

	// Unchecked turns the checker off, and its measurements: detections, false positives and agreement.
	Unchecked bool

	// Never are effects that the faults cannot have: each is a violation.
	Never Effects

	// Ignored are rules that may be broken, to find what is behind known violations.
	Ignored []string

	// Trace, if not nil, receives a line for each event.
	Trace io.Writer

	// Observe, if not nil, is called with each change of a node's view, in order.
	Observe func(Belief)

	// Tamper breaks nodes on purpose, to test the checker.
	Tamper Tamper
}

// Belief is a change of a node's view of a member, itself included.
type Belief struct {
	At     time.Duration // since the start
	Node   int
	Member int
	State  swim.State
	Meta   uint32 // number of changes of the member's metadata
}

// Across is what a link between zones adds.
type Across struct {
	Latency time.Duration // one way
	Loss    float64       // of packets
}

// zoneOf returns the zone of a node, or 0.
func (c *Config) zoneOf(node int32) int {
	if int(node) < len(c.Zones) {
		return c.Zones[node]
	}
	return 0
}

// isAcross reports whether two nodes are in no common zone.
func (c *Config) isAcross(a, b int32) bool {
	return len(c.Zones) > 0 && (c.zoneOf(a) == 0 || c.zoneOf(a) != c.zoneOf(b))
}

// Effects is a set of effects of faults.
type Effects uint8

// The effects of faults.
const (
	Suspicion Effects = 1 << iota // a member is suspected
	Detours                       // a probe is acked on a stream only
	Isolation                     // a member counts as isolated
	Illness                       // a member has a health score above 0
)

// Start is the initial state of a cluster.
type Start uint8

// The initial states.
const (
	Settled Start = iota // every node knows every other, without pending gossip
	Joining              // the other nodes join through node 0
)

// Tamper is a set of hooks, each of which may be nil, between a node and the world.
type Tamper struct {
	Config func(node int, cfg *swim.Config)                                    // a core is about to be made
	In     func(node int, turn *swim.Turn, m any) (keep bool)                  // a decoded message is about to be handled
	Out    func(node int, core *swim.Core, now time.Time, output *swim.Output) // a turn has ended
}

// LAN returns the core's configuration for DefaultLANConfig.
func LAN() swim.Config {
	return swim.Config{
		DefaultPort:             port,
		ProbeInterval:           time.Second,
		ProbeTimeout:            500 * time.Millisecond,
		IndirectChecks:          3,
		SuspicionMult:           4,
		SuspicionMaxTimeoutMult: 6,
		AwarenessMaxMultiplier:  8,
		GossipInterval:          200 * time.Millisecond,
		GossipNodes:             3,
		GossipToTheDeadTime:     30 * time.Second,
		RetransmitMult:          4,
		PushPullInterval:        30 * time.Second,
		ReconnectInterval:       30 * time.Second,
		ReconnectTimeout:        24 * time.Hour,
		Extensions:              true,
		LateAfter:               swim.LateAfter(500 * time.Millisecond),
		Detector: swim.Detector{AdaptiveTimeout: true, Refusals: true, RefusalGrace: 2 * time.Second, Corroborate: true, Ring: true,
			CheckDead: true},
	}
}

// WAN returns the core's configuration for DefaultWANConfig.
func WAN() swim.Config {
	c := LAN()
	c.SuspicionMult = 6
	c.PushPullInterval = 60 * time.Second
	c.ProbeInterval = 5 * time.Second
	c.ProbeTimeout = 3 * time.Second
	c.LateAfter = swim.LateAfter(c.ProbeTimeout)
	c.GossipInterval = 500 * time.Millisecond
	c.GossipNodes = 4
	c.GossipToTheDeadTime = 60 * time.Second
	return c
}

// Local returns the core's configuration for DefaultLocalConfig.
func Local() swim.Config {
	c := LAN()
	c.IndirectChecks = 1
	c.RetransmitMult = 2
	c.SuspicionMult = 3
	c.PushPullInterval = 15 * time.Second
	c.ProbeTimeout = 200 * time.Millisecond
	c.LateAfter = swim.LateAfter(c.ProbeTimeout)
	c.GossipInterval = 100 * time.Millisecond
	c.GossipToTheDeadTime = 15 * time.Second
	return c
}

// coreOf returns the configuration of a node, without its name.
func (c *Config) coreOf(node int32) swim.Config {
	core := c.Core
	if slices.Contains(c.NoProbes, int(node)) {
		core.ProbeInterval = 0
	}
	if slices.Contains(c.NoGossip, int(node)) {
		core.GossipInterval = 0
	}
	if slices.Contains(c.NoSyncs, int(node)) {
		core.PushPullInterval = 0
	}
	if slices.Contains(c.Plain, int(node)) {
		core.Extensions, core.Detector = false, swim.Detector{}
	}
	if zone := c.zoneOf(node); zone > 0 && core.Extensions && !c.ZonesUnused {
		core.Zone = fmt.Sprint("zone ", zone)
	}
	core.HasUserBroadcasts = slices.ContainsFunc(c.Faults, func(f Fault) bool { return f.Kind == Say })
	return core
}

// withDefaults replaces zeros by defaults.
func (c Config) withDefaults() Config {
	if c.Core.DefaultPort == 0 {
		c.Core = LAN()
	}
	if c.Link.Latency == (Latency{}) {
		c.Link.Latency = Latency{Kind: Uniform, Min: time.Millisecond, Spread: time.Millisecond}
	}
	if c.Room == 0 {
		c.Room = 1400
	}
	if c.StreamTimeout == 0 {
		c.StreamTimeout = 10 * time.Second
	}
	if c.JoinRetry == 0 {
		c.JoinRetry = time.Second
	}
	if c.View == 0 || c.View > c.N-1 {
		c.View = c.N - 1
	}
	return c
}
