package sim

import (
	"io"
	"slices"
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
)

// MaxNodes is how many nodes a simulation can have.
const MaxNodes = 1 << 16

// Config says what is simulated. The zero value of every field but N has a meaning.
type Config struct {
	Seed uint64 // of everything that is random
	N    int    // nodes, 1 to MaxNodes

	// Core is what every node is made from; Name and Rand are set for each. Without a DefaultPort it
	// is LAN().
	Core swim.Config

	// Link is how packets and streams fare between any two nodes when no fault says otherwise. Without a latency it is
	// 1 ms to 2 ms.
	Link Link

	Room int // bytes of a packet; 0: 1400, as with the defaults of a Memberlist
	// CompressionBudget is how many bytes of gossip a packet may carry beyond Room, as packets are compressed before they are
	// sent; 0: they are not. A packet that does not shrink enough goes as two.
	CompressionBudget int

	StreamTimeout time.Duration // after which an exchange over a stream is given up; 0: 10 s

	// Start says how the cluster comes about: it is settled at the start, or the nodes join one after the other.
	Start Start
	// JoinEvery is the time between two joins, of Joining.
	JoinEvery time.Duration
	// JoinRetry is when a join that failed is tried again; 0: 1 s.
	JoinRetry time.Duration
	// View is how many others each node knows at the start, of Settled; 0: all. It is for clusters whose tables would not
	// fit into memory: a table entry takes some 300 bytes, and there are N * N.
	View int

	Faults []Fault

	// Seeds are the nodes that those of their cluster try when they lost others: wherever they are then, as if the program said
	// so when it is asked, or with FixedSeeds at the address that they had at the start, as if that was joined then. Nil: they
	// try only those that they lost.
	Seeds      []int
	FixedSeeds bool

	// Strangers are how many nodes, the last ones, are another cluster: no member of the one ever was to be one of the other.
	// SameNames of them have the names of the first nodes.
	Strangers, SameNames int

	// RouteByName says that what is sent to a name goes to where its member is now, whatever the address.
	RouteByName bool

	// NoProbes, NoGossip and NoSyncs are nodes that do without a loop that Core has.
	NoProbes, NoGossip, NoSyncs []int

	// Heal is how long members may take to agree once faults have ended; 0: Bound.
	Heal time.Duration

	// Unchecked leaves out the checker, and what is measured by it: detections, false positives and agreement.
	Unchecked bool

	// Never says what nothing that is wrong could bring about: it is a violation if it comes about.
	Never Effects

	// Ignored are rules that may be broken, to find what is behind those that are known to be.
	Ignored []string

	// Trace, if any, gets a line for each thing that happens.
	Trace io.Writer

	// Observe, if any, is told what nodes come to believe, in the order in which they do.
	Observe func(Belief)

	// Tamper breaks nodes on purpose, to test the checker.
	Tamper Tamper
}

// Belief is what a node came to believe of a member, itself included.
type Belief struct {
	At     time.Duration // since the start
	Node   int
	Member int
	State  swim.State
	Meta   uint32 // how often the member changed its metadata
}

// Effects is a set of what faults may bring about.
type Effects uint8

// What faults may bring about.
const (
	Suspicion Effects = 1 << iota // somebody is suspected
	Detours                       // a probe is answered on a stream only
	Isolation                     // a member is told that it is isolated
	Illness                       // a member takes itself for ill
)

// Start says how a cluster comes about.
type Start uint8

// How a cluster comes about.
const (
	Settled Start = iota // every node knows every other from the start, and no news is on its way
	Joining              // node 0 is alone, the others join through it
)

// Tamper is a set of hooks, each of which may be nil, between a node and the world.
type Tamper struct {
	Config func(node int, cfg *swim.Config)                                    // a core is about to be made
	In     func(node int, turn *swim.Turn, m any) (keep bool)                  // a decoded message is about to be handled
	Out    func(node int, core *swim.Core, now time.Time, output *swim.Output) // a turn has ended
}

// LAN is the core of a Memberlist with DefaultLANConfig.
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
	}
}

// WAN is the core of a Memberlist with DefaultWANConfig.
func WAN() swim.Config {
	c := LAN()
	c.SuspicionMult = 6
	c.PushPullInterval = 60 * time.Second
	c.ProbeInterval = 5 * time.Second
	c.ProbeTimeout = 3 * time.Second
	c.GossipInterval = 500 * time.Millisecond
	c.GossipNodes = 4
	c.GossipToTheDeadTime = 60 * time.Second
	return c
}

// Local is the core of a Memberlist with DefaultLocalConfig.
func Local() swim.Config {
	c := LAN()
	c.IndirectChecks = 1
	c.RetransmitMult = 2
	c.SuspicionMult = 3
	c.PushPullInterval = 15 * time.Second
	c.ProbeTimeout = 200 * time.Millisecond
	c.GossipInterval = 100 * time.Millisecond
	c.GossipToTheDeadTime = 15 * time.Second
	return c
}

// coreOf is the core of a node, but for its name.
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
	core.HasUserBroadcasts = slices.ContainsFunc(c.Faults, func(f Fault) bool { return f.Kind == Say })
	return core
}

// withDefaults fills in what the zero values mean.
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
