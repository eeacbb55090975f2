package swim

import (
	"net/netip"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// Endpoint is the destination or the sender of a packet. AddrPort is valid for a member, and for an address that a peer
// sent. For the sender of a packet on a transport without IP addresses only Text is set, which the Core returns unchanged.
type Endpoint struct {
	Name     string // the member's name, if known; of a sender, if the transport has verified it
	AddrPort netip.AddrPort
	Text     string
}

// mayBe reports whether a sender may be the member with a name: the transport has not verified another one.
func (e *Endpoint) mayBe(name string) bool { return e.Name == "" || e.Name == name }

// Packet is a packet to send.
type Packet struct {
	To Endpoint

	// Messages are what it carries, each with its type byte; the first is the one that it is sent for. They are valid until
	// the Output is given to Begin again, and must not be changed. Several are sent as a compound.
	Messages [][]byte

	// Room is how many bytes of user broadcasts may be added, with an overhead of 2 bytes each in the compound; 0: none.
	// Only packets of gossip have room, as pings and acks do not wait for user code. They have no messages yet: the driver
	// asks for the user broadcasts, then calls FillGossip. A packet that stays empty is not sent. A packet with Room and a
	// message is that of Leave: recent user broadcasts go before the message.
	Room int

	// Features is what is known of the receiver.
	Features wire.Features

	// Ping is the sequence number of our own ping in it, or 0. If sending fails, the driver calls SendFailed.
	Ping uint32
}

// StreamKind is the purpose of a stream.
type StreamKind uint8

// The purposes of streams.
const (
	StreamPing        StreamKind = iota // ping Seq, and report StreamRefused or StreamOpened, then StreamPingDone
	StreamPushPull                      // exchange states
	StreamDifferences                   // exchange the states that differ: see delta.go
	StreamLeave                         // exchange states, even beside another push/pull: we leave
	StreamReconnect                     // join To if it is still at its address
	StreamSeeds                         // join a few of the seeds; To is zero
)

// Stream is a stream to open.
type Stream struct {
	Kind     StreamKind
	To       Member
	Seq      uint32    // of the probe (StreamPing)
	Deadline time.Time // after which it is useless (StreamPing)
}

// EventKind is the kind of an Event.
type EventKind uint8

// The events of a Core. The first five have a delegate; the others are for logs.
const (
	EventJoin           EventKind = iota // Member is alive, and was not before
	EventLeave                           // Member is dead or has left
	EventUpdate                          // Member's metadata changed
	EventConflict                        // Other claims Member's name at another address
	EventPingComplete                    // Member acked our ping after RTT, with Payload
	EventProbeFailed                     // Member did not answer a probe, and is suspected; Evidence
	EventSuspect                         // Member is suspected by From
	EventTimeout                         // Member's suspicion ended after Count confirmations, and it is dead
	EventRefute                          // a message of From about this member was refuted
	EventStreamOnly                      // Member answers pings on streams but not in packets
	EventMoved                           // Member has the name of Other, which is down, at another address
	EventConflictEnded                   // Outcome was reached on Member and Other, which claims its name
	EventIsolated                        // all others failed, or most in quick succession; Count are failed
	EventIsolationEnded                  // the isolation has ended; Count are still failed
	EventRecover                         // Member has refuted its suspicion
	EventUnanswered                      // Member did not answer our ping in time; Evidence has what others, and a stream, found
	EventZoneLost                        // Member was the last one of its zone that was alive or suspect
	EventZoneFound                       // Member is the first one of a zone that was lost
	EventRefused                         // Member's suspicion ended early, and it is dead: the streams of Count members were refused
	EventSilent                          // Member's suspicion ended early, and it is dead: Count members got no answer for SilenceTimeout
)

// Event is something that happened. Events are in order.
type Event struct {
	Kind    EventKind
	Member  Member
	Other   *Member         // may be nil
	Outcome ConflictOutcome // EventConflictEnded
	From    string          // the reporter; "": unattributed, from a push/pull
	RTT     time.Duration
	Payload []byte // copied
	Count   int

	// Evidence is why: of EventSuspect, EventRecover, EventLeave, EventTimeout, EventRefused, EventSilent, of EventJoin if the member was
	// down, and where the list of kinds says so. It must not be changed.
	Evidence *Evidence
}

// Drop is the reason why a message was ignored.
type Drop uint8

// The reasons for which a Core drops messages.
const (
	DropMalformed   Drop = iota // no name, a bad address, metadata or name over the limit
	DropVersions                // unusable version bytes
	DropNotAllowed              // an address outside of Config.Allowed
	DropMaximum                 // a suspect or dead message at MaxIncarnation, or any above it
	DropLeap                    // an incarnation so far above the known one that only the member itself may say so
	DropBusy                    // MaxRelays indirect pings, or checksAtOnce checks, are running
	DropMisdirected             // a ping for another name
	DropOversize                // a message of our own that fits no packet: a broadcast, the payload of an ack
	DropStranger                // a packet would go to an address that is no member's
	DropRate                    // a sender wants more packets to others than it may
	DropUnconfirmed             // a newcomer did not answer, or there are too many
	numDrops
)

// Counts counts what happened in a turn.
type Counts struct {
	Alive, Suspect, Dead int // transitions made (metrics msg.alive, msg.suspect, msg.dead)
	DegradedProbes       int // probes with a stretched interval
	DegradedTimeouts     int // suspicions that timed out with fewer confirmations than expected
	DegradedLate         int // probes and suspicions that waited since this member is late
	GossipRounds         int // rounds of gossip
	StaleAlives          int // stale alives that were answered
	Drops                [numDrops]int
}

// PingResult is the result of Turn.Ping.
type PingResult struct {
	Seq uint32
	RTT time.Duration
	OK  bool  // false: no ack in time, or Err
	Err error // of sending it
}

// Output is what a driver does after a turn, in any order but for Events. Begin
// empties it and uses its memory again. A driver that has an Output for each of
// its goroutines lets each grow by what that goroutine needs.
type Output struct {
	Packets   []Packet
	Streams   []Stream
	Events    []Event
	Changed   []Member // the member as it now is, for each visible change
	Forgotten []ID     // members that were removed; their IDs may be used again
	Finished  []uint64 // tickets of broadcasts that have been sent or replaced
	Pings     []PingResult
	Probes    []time.Duration // the duration of each finished probe
	Counts    Counts

	// Selections are the rounds that are due and wait for a selection of members: for GossipAmong and PushPullAmong.
	Selections Selections

	Health int       // the local health score (0: healthy)
	Wakeup time.Time // time for the next Tick, unless another turn ends before; zero: never

	bytes  []byte   // backs messages made for one packet
	pieces [][]byte // backs Packet.Messages
}

// end makes a message of the last packet from the bytes appended since start.
func (o *Output) end(p *Packet, start int) {
	first := len(o.pieces) - len(p.Messages)
	o.pieces = append(o.pieces, o.bytes[start:len(o.bytes):len(o.bytes)])
	p.Messages = o.pieces[first:len(o.pieces):len(o.pieces)]
}

// reset empties o. It keeps the memory of an ordinary turn, without references in it, and drops that of a burst.
func (o *Output) reset() {
	empty(&o.Packets)
	empty(&o.Streams)
	empty(&o.Events)
	empty(&o.Changed)
	empty(&o.Forgotten)
	empty(&o.Finished)
	empty(&o.Pings)
	empty(&o.Probes)
	empty(&o.pieces)
	if o.bytes = o.bytes[:0]; cap(o.bytes) > keptBytes {
		o.bytes = nil
	}
	o.Counts = Counts{}
	o.Selections = Selections{}
}

// The numbers of entries of each kind, and of bytes, for which an emptied Output keeps its memory.
const (
	keptEntries = 256
	keptBytes   = 64 << 10
)

func empty[T any](s *[]T) {
	if cap(*s) > keptEntries {
		*s = nil
		return
	}
	clear(*s)
	*s = (*s)[:0]
}
