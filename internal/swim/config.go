package swim

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// Limits of what a peer may make a Core keep.
const (
	// MaxMeta is the largest metadata of a member, in bytes.
	MaxMeta = 512

	// MaxName is the longest name of a member, in bytes. The wire sets no
	// limit; a name has to fit into one packet together with the rest of an
	// alive message.
	MaxName = 1024

	// MaxRelays is how many indirect pings may be under way on behalf of
	// others. One more is refused (and answered by its asker's own timeout).
	MaxRelays = 4096

	// MaxIncarnation is where incarnations saturate. An accusation at this
	// incarnation could not be refuted and is not believed.
	MaxIncarnation = 1<<32 - 1
)

// Config is what a Core must know. The zero value of an interval switches its
// loop off. The Core keeps the Config as given: its driver has validated it.
type Config struct {
	Name string // our own name, unique in the cluster

	// DefaultPort replaces port 0 in an alive, a state and an indirect ping.
	DefaultPort uint16

	ProbeInterval           time.Duration // between two probes (SWIM section 3.1: the protocol period)
	ProbeTimeout            time.Duration // for a direct ack, before indirect probes
	IndirectChecks          int           // members asked to probe on our behalf (SWIM: k)
	SuspicionMult           int           // scales the minimum suspicion timeout
	SuspicionMaxTimeoutMult int           // maximum suspicion timeout, in minimum ones
	AwarenessMaxMultiplier  int           // local health score stays below it (S + 1 in Lifeguard section IV-A)

	GossipInterval      time.Duration // between two gossip rounds
	GossipNodes         int           // members gossiped to in a round
	GossipToTheDeadTime time.Duration // a dead member is gossiped to and remembered so long
	RetransmitMult      int           // scales how often a broadcast is sent (SWIM section 4.1: lambda)

	Room wire.Room // of a packet

	PushPullInterval    time.Duration // between two full state syncs, before scaling with the cluster's size
	DeadNodeReclaimTime time.Duration // a name dead for longer may come back at another address; 0: never

	// A member that was declared dead is looked for about every ReconnectInterval
	// at first (0: never), for ReconnectTimeout (0: a day). KeepAskingSeeds says
	// that seeds are tried even if nothing is lost, at the slowest.
	ReconnectInterval time.Duration
	ReconnectTimeout  time.Duration
	KeepAskingSeeds   bool

	// HasUserBroadcasts says that the driver has broadcasts of its own to add
	// to packets. Without, gossip rounds with nothing queued send nothing.
	HasUserBroadcasts bool

	// Allowed says whether a member may have an address. It must be a pure
	// function. Nil allows every address.
	Allowed func(netip.Addr) bool

	// Keep returns the string to keep for a name in a message; nil makes a new
	// one. A program that runs many Cores can let them share their names.
	Keep func(name []byte) string

	Rand *rand.Rand
}

// period is the protocol period: ProbeInterval, or without a probe loop what most have. What else is counted in periods, such
// as suspicions that others begin, does not end at once then.
//
// Compat: in the reference a member without probes takes a member for dead as soon as it hears that another suspects it.
func (c *Config) period() time.Duration {
	if c.ProbeInterval > 0 {
		return c.ProbeInterval
	}
	return time.Second
}
