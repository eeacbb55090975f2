package swim

import (
	"net/netip"
	"time"
)

// Endpoint is where a packet goes to or came from. Of a member, or of an
// address a peer gave, AddrPort is valid. Of a packet's sender on a transport
// without IP addresses, only Text is: the Core hands it back as it came.
type Endpoint struct {
	Name     string // the member's name, if known
	AddrPort netip.AddrPort
	Text     string
}

// Packet is a packet to send.
type Packet struct {
	To Endpoint

	// Messages are what it carries, each with its type byte, the one it is
	// sent for first. They are valid until the Output is given to Begin again,
	// and must not be changed. More than one go out as a compound.
	Messages [][]byte

	// Room is how many bytes of user broadcasts may be added, their overhead
	// in the compound (2 bytes each) included; 0: none. Only packets of gossip
	// have room: pings and acks do not wait for user code. Such a packet has no
	// messages yet: the driver, which does not know what the user has before it
	// asks, calls FillGossip then. A packet with neither messages nor user
	// broadcasts is not sent. One with a message is the farewell of Leave: what
	// the user said before goes in front of it.
	Room int

	// Checksum says that the receiver is known to understand checksums.
	Checksum bool

	// Ping is the sequence number of our own ping in it, if any: when sending
	// fails, the driver reports that with SendFailed. 0: none.
	Ping uint32
}

// StreamKind says what a stream is for.
type StreamKind uint8

// The streams a Core asks for.
const (
	StreamPing      StreamKind = iota // ping Seq, and report StreamPingDone
	StreamPushPull                    // exchange states
	StreamLeave                       // exchange states, whatever else is under way: we leave
	StreamReconnect                   // join To, which is at its address if it answers a ping there
	StreamSeeds                       // join a few of the seeds: To is nobody
)

// Stream is an exchange over a stream to begin.
type Stream struct {
	Kind     StreamKind
	To       Member
	Seq      uint32    // of the probe (StreamPing)
	Deadline time.Time // when it is of no use any more (StreamPing)
}

// EventKind says what an Event tells.
type EventKind uint8

// The events of a Core. The first five have a delegate; the others are for
// logs, and tell why.
const (
	EventJoin           EventKind = iota // Member is alive, and was not known to be
	EventLeave                           // Member is dead or has left
	EventUpdate                          // Member's metadata changed
	EventConflict                        // Other claims Member's name at another address
	EventPingComplete                    // Member answered our probe after RTT, with Payload
	EventProbeFailed                     // Member did not answer a probe; we suspect it
	EventSuspect                         // Member is suspected, accused by From
	EventTimeout                         // Member's suspicion ended after Count confirmations; we declare it dead
	EventRefute                          // From said of us that we are suspect, dead or other than we are
	EventStreamOnly                      // Member answers pings on streams but not in packets
	EventMoved                           // Member, gone before, took the place of Other, at another address
	EventConflictEnded                   // Verdict was found on Member and Other, who claims its name
	EventIsolated                        // we lost sight of all others, or of most in quick succession; Count are lost
	EventIsolationEnded                  // that has ended; Count are still lost
	EventRecover                         // Member, suspected before, has refuted that
	EventUnanswered                      // Member did not answer our ping in time; others are asked, and a stream
)

// Event is one thing that happened, in order.
type Event struct {
	Kind    EventKind
	Member  Member
	Other   *Member // nil: there is none
	Verdict Verdict // EventConflictEnded
	From    string  // who said it; "": another did, in a push/pull, of whomever
	RTT     time.Duration
	Payload []byte // a copy of its own
	Count   int
}

// Drop says why something that arrived was ignored.
type Drop uint8

// The reasons for which a Core drops messages.
const (
	DropMalformed   Drop = iota // no name, a bad address, metadata or name over the limit
	DropVersions                // version bytes that cannot be
	DropNotAllowed              // an address outside of Config.Allowed
	DropMaximum                 // an accusation at MaxIncarnation
	DropBusy                    // MaxRelays indirect pings are under way
	DropMisdirected             // a ping for another name
	DropOversize                // what we would say and fits no packet: a broadcast, the payload of an ack
	numDrops
)

// Counts are how often things happened in a turn.
type Counts struct {
	Alive, Suspect, Dead int // transitions made (metrics msg.alive, msg.suspect, msg.dead)
	DegradedProbes       int // probes begun with a stretched interval
	DegradedTimeouts     int // suspicions that ended with fewer confirmations than wanted
	GossipRounds         int // rounds of gossip begun
	StaleAlives          int // alives answered with what we know better
	Drops                [numDrops]int
}

// PingResult ends a ping that was begun with Core.Ping.
type PingResult struct {
	Seq uint32
	RTT time.Duration
	OK  bool  // false: no ack in time, unless
	Err error // it could not be sent
}

// Output is what a driver does after a turn, in any order but for Events. Begin
// empties it and uses its memory again. A driver that has an Output for each of
// its goroutines lets each grow by what that goroutine needs.
type Output struct {
	Packets   []Packet
	Streams   []Stream
	Events    []Event
	Changed   []Member // members as they now are, for each visible change
	Forgotten []ID     // members no longer known; their IDs may be used again
	Finished  []uint64 // notices of broadcasts that have been sent, or replaced
	Pings     []PingResult
	Probes    []time.Duration // how long each finished probe took
	Counts    Counts
	Health    int       // the local health score (0: healthy)
	Wakeup    time.Time // when Tick has something to do, unless it is called or another turn ends before; zero: never

	bytes  []byte   // backs messages made for one packet
	pieces [][]byte // backs Packet.Messages
}

// end makes a message of the last packet of what was appended to bytes from start on.
func (o *Output) end(p *Packet, start int) {
	first := len(o.pieces) - len(p.Messages)
	o.pieces = append(o.pieces, o.bytes[start:len(o.bytes):len(o.bytes)])
	p.Messages = o.pieces[first:len(o.pieces):len(o.pieces)]
}

// reset empties o. It keeps the memory that an ordinary turn takes, but no reference in it, and drops that of a burst.
func (o *Output) reset() {
	*o = Output{
		Packets:   emptied(o.Packets),
		Streams:   emptied(o.Streams),
		Events:    emptied(o.Events),
		Changed:   emptied(o.Changed),
		Forgotten: emptied(o.Forgotten),
		Finished:  emptied(o.Finished),
		Pings:     emptied(o.Pings),
		Probes:    emptied(o.Probes),
		pieces:    emptied(o.pieces),
		bytes:     o.bytes[:0],
	}
	if cap(o.bytes) > keptBytes {
		o.bytes = nil
	}
}

// How many entries of each kind, and how many bytes, an emptied Output keeps memory for.
const (
	keptEntries = 256
	keptBytes   = 64 << 10
)

func emptied[T any](s []T) []T {
	if cap(s) > keptEntries {
		return nil
	}
	clear(s)
	return s[:0]
}
