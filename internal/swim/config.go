package swim

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// Limits of what peers can make a Core keep.
const (
	// MaxMeta is the maximum size of a member's metadata, in bytes.
	MaxMeta = 512

	// MaxName is the maximum length of a member's name, in bytes. The wire sets no limit; a name has to fit a packet
	// together with the rest of an alive message.
	MaxName = 1024

	// MaxRelays limits the running indirect pings on behalf of others. One more is
	// ignored, and the asker's probe times out.
	MaxRelays = 4096

	// MaxIncarnation is where incarnations saturate. A suspect or dead message at
	// this incarnation could not be refuted, and is ignored, as is any above it.
	MaxIncarnation = 1<<32 - 2
)

// Config is the configuration of a Core. The zero value of an interval disables its
// loop. The driver has validated it.
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

	// LateAfter is how late a timer or a message may be without this member being late: late members suspect none. 0: never.
	LateAfter time.Duration

	GossipInterval      time.Duration // between two gossip rounds
	GossipNodes         int           // members gossiped to in a round
	GossipToTheDeadTime time.Duration // how long a dead member is gossiped to, and stays in the table
	RetransmitMult      int           // scales the number of transmissions of a broadcast (SWIM section 4.1: lambda)

	// PacketsAreStreams says that packets travel on connections, so that acks on streams would tell nothing new: probes ask for none.
	// Streams are only tried to find out whether the host of a suspect refuses them.
	PacketsAreStreams bool

	Room wire.Room // of a packet

	PushPullInterval    time.Duration // between two full state syncs, before scaling with the cluster's size
	PushPullNodes       int           // members to sync with at each interval; 0: one
	DeadNodeReclaimTime time.Duration // after this time a dead member's name may be claimed at another address; 0: never

	// A dead member is looked for about every ReconnectInterval at first (0: never),
	// for ReconnectTimeout (0: a day). With KeepAskingSeeds seeds are tried even if
	// no member has failed, at the slowest rate.
	ReconnectInterval time.Duration
	ReconnectTimeout  time.Duration
	KeepAskingSeeds   bool

	// Extensions makes this member send, and act on, what members of the reference ignore: the checksums of views
	// (view.go). Without it all bytes are those of the reference.
	Extensions bool

	Detector Detector

	// Zone is the zone of this member, at most MaxZone bytes, and ZoneRelays the number of relays of each zone, at most
	// MaxZoneRelays; 0: DefaultZoneRelays. Without Zone all members are alike: see zones.go. SaysZones is set if SetZone says the
	// zones of members, this one included. Zones need Extensions.
	Zone       string
	ZoneRelays int
	SaysZones  bool

	// HasUserBroadcasts is set if the driver adds user broadcasts to packets.
	// Otherwise rounds of gossip with an empty queue send nothing.
	HasUserBroadcasts bool

	// SelectsTargets is set if the driver has members selected for each round of gossip and push/pulls: see Output.Selections.
	SelectsTargets bool

	// Allowed reports whether a member may have an address. It must be a pure
	// function. Nil allows every address.
	Allowed func(netip.Addr) bool

	// Keep returns the string to keep for a name in a message; nil allocates one. A program with many Cores can make
	// them share names.
	Keep func(name []byte) string

	Rand *rand.Rand

	// Recorder records what goes into the Core; nil: nothing does. It is that of one Core.
	Recorder *Recorder
}

// Detector is what a Core adds to the failure detection of SWIM and Lifeguard. The zero value adds nothing.
type Detector struct {
	// AdaptiveTimeout takes the time limit of pings from round trips, with ProbeTimeout as its maximum: see roundTrips.
	AdaptiveTimeout bool

	// Refusals declares a member dead when several members, this one included, found that no process listens at its address, and
	// none of them reached it: see refusal.go. Their dials must have begun RefusalGrace after the suspicion, so that a restart
	// that takes less goes unseen.
	Refusals     bool
	RefusalGrace time.Duration

	// Corroborate makes the member whose probe began a suspicion ask others until it ends; their nacks confirm it: see
	// corroboration.go.
	Corroborate bool

	// SilenceTimeout is the time after which a suspect is dead that several members did not reach, if that is less than
	// Lifeguard's time; 0: never. It needs Corroborate.
	SilenceTimeout time.Duration

	// Ring makes this member send beats to the one that follows it in a ring of all, and leave out every second probe: see ring.go.
	Ring bool

	// CheckDead pings a member that is declared dead by another member alone before that is believed: see dead_check.go.
	CheckDead bool
}

// period returns the protocol period: ProbeInterval, or a second without a probe loop, so that suspicions and whatever else
// is counted in periods do not end at once.
//
// Compat: in the reference a member without probes declares another dead as soon as it receives a suspect message.
func (c *Config) period() time.Duration {
	if c.ProbeInterval > 0 {
		return c.ProbeInterval
	}
	return time.Second
}
