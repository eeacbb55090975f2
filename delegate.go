package memberlist

import "time"

// The delegates are how a program takes part: each is an interface that the program implements and puts in the Config.
// What holds for all of them:
//
//   - They are called with no lock of this package held, so they may call any method of the Memberlist.
//   - The Nodes they get are immutable snapshots, which they may keep and must not write to.
//   - A slow one delays what waits for it (see each method), but never the answers to pings, so a member with a slow
//     delegate is not suspected for it.
//
// Compat: the reference calls most of them with its internal lock held; calling back into it deadlocks.

// Delegate carries the program's own data: metadata of the member, messages, broadcasts, and state for push/pull. Its
// methods are called from several goroutines, also at the same time.
type Delegate interface {
	// NodeMeta gives the metadata of this member, at most limit (MetaMaxSize) bytes. The goroutine that called Create or
	// UpdateNode calls it; longer metadata makes that call fail with ErrMetaTooLarge.
	NodeMeta(limit int) []byte

	// NotifyMsg is called with each user message that arrives, in a packet or on a stream. Packets' messages come one
	// after the other from the goroutine that handles them: while it is blocked here, later messages queue up to
	// Config.HandoffQueueDepth and are then dropped and counted. What had arrived about members before a packet's message
	// has been told to the EventDelegate by then, and broadcasts of one size from one packet come in the order in which
	// they were queued. The bytes are valid until it returns: copy what is kept.
	NotifyMsg(msg []byte)

	// GetBroadcasts gives messages to send to other members, for one packet of gossip. Each costs its length plus overhead
	// bytes, and together they must not cost more than limit bytes; what does not fit is dropped, counted and logged. The
	// limit is what the protocol's own broadcasts need not, and at least a quarter of the packet however many there are;
	// every eighth time it is the whole packet, so that each message of at most Memberlist.MaxBroadcastSize bytes gets its
	// turn. What is not used goes to the protocol's own. In a round of gossip in which it
	// returns nothing for the first packet, and nothing else is queued, it is not asked again. If it has not returned by the
	// next round, that goes without: it is not called again before. The slices are read until the packet has been sent. A
	// TransmitLimitedQueue does this job.
	//
	// Compat: the reference offers what its own broadcasts leave, which is nothing while many members come and go; and it
	// asks for pings and acks too.
	GetBroadcasts(overhead, limit int) [][]byte

	// LocalState gives the bytes to send in a push/pull exchange; join says that the exchange is part of a Join rather
	// than one of the periodic ones. The goroutine of that exchange calls it.
	LocalState(join bool) []byte

	// MergeRemoteState gets what the other side's LocalState gave. It is called from the goroutine of the exchange, after
	// the members have been merged, and not at all if the other side sent no bytes. It may keep buf.
	MergeRemoteState(buf []byte, join bool)
}

// EventDelegate is told of changes among the members, this one included. Its methods are called in the order in which
// the changes happened and never concurrently, but from different goroutines. When Create, Join and UpdateNode return,
// what they caused has been told, unless one of these methods was running already: then that call's goroutine tells the
// rest as soon as it returns. The change has been made before it is told: Members shows it, and may show later ones too.
type EventDelegate interface {
	// NotifyJoin says that a member is alive that was not known, or was dead or had left.
	NotifyJoin(*Node)

	// NotifyLeave says that a member is dead or has left: see Node.State.
	NotifyLeave(*Node)

	// NotifyUpdate says that a member's metadata changed.
	NotifyUpdate(*Node)
}

// ChannelEventDelegate is an EventDelegate that sends each event to a channel.
//
// A send waits until the channel takes it, and all further events wait behind it: give Ch a buffer, and receive from it
// as long as the Memberlist runs.
type ChannelEventDelegate struct {
	Ch chan<- NodeEvent
}

var _ EventDelegate = (*ChannelEventDelegate)(nil)

// NodeEventType says what happened to a member.
type NodeEventType int

// The events of a ChannelEventDelegate, one for each method of EventDelegate.
const (
	NodeJoin   NodeEventType = iota // the member is alive
	NodeLeave                       // the member is dead or has left
	NodeUpdate                      // the member's metadata changed
)

// NodeEvent is one change of one member. The Node is a copy made for the receiver, as it was at the change; the bytes of its
// Addr and Meta are shared, and must not be written to.
type NodeEvent struct {
	Event NodeEventType
	Node  *Node
}

// NotifyJoin sends a NodeJoin.
func (c *ChannelEventDelegate) NotifyJoin(n *Node) {
	c.send(NodeJoin, *n)
}

// NotifyLeave sends a NodeLeave.
func (c *ChannelEventDelegate) NotifyLeave(n *Node) {
	c.send(NodeLeave, *n)
}

// NotifyUpdate sends a NodeUpdate.
func (c *ChannelEventDelegate) NotifyUpdate(n *Node) {
	c.send(NodeUpdate, *n)
}

func (c *ChannelEventDelegate) send(event NodeEventType, n Node) {
	c.Ch <- NodeEvent{Event: event, Node: &n}
}

// AliveDelegate can refuse members one by one.
type AliveDelegate interface {
	// NotifyAlive is asked about each alive message and each alive member of a push/pull exchange, this member's own
	// included, before anything is changed; an error means that the message is ignored. It is called from the goroutine
	// that handles the message, several at once are possible. Refusing a member that is known already does not remove it.
	NotifyAlive(peer *Node) error
}

// ConflictDelegate is told when two members use the same name.
type ConflictDelegate interface {
	// NotifyConflict says that two processes have one name: a message claimed the name of the existing member for another
	// address, and both answered when they were asked, the member where it was known and the other where it was said to be. The
	// member is kept. It is called in order with the events of EventDelegate, and not again for ten protocol periods
	// (Config.ProbeInterval), however often the name is claimed. The existing member may be this one itself.
	//
	// Compat: the reference calls it for each such message, before anybody is asked, so also for a process that was started
	// anew at another address: there is one process then, and no conflict.
	NotifyConflict(existing, other *Node)
}

// ConflictVerdict is what came of a claim to the name of a member for another address.
type ConflictVerdict int

// The verdicts on a claim.
const (
	// ConflictKept says that both answered, and that the existing member is kept. Two processes have one name: one of them is
	// misconfigured.
	ConflictKept ConflictVerdict = iota

	// ConflictMoved says that nobody answered at the old address, neither us nor others nor on a stream, and that the other's
	// claim was newer: it has taken over. So it is for a process that was started anew at another address.
	ConflictMoved
)

// ConflictVerdictDelegate is a ConflictDelegate that is also told of claims that are no conflict. A Config.Conflict that has its
// method is called.
type ConflictVerdictDelegate interface {
	ConflictDelegate

	// NotifyConflictVerdict gives the verdict, at most two times Config.ProbeTimeout after the claim, with both as they then
	// were: ConflictKept right after NotifyConflict, and ConflictMoved, of which NotifyConflict is not called, after the
	// EventDelegate has been told of a leave and a join. It comes once for all claims to a name within ten protocol periods.
	// Of a claim that comes to nothing, as nobody answers where it says, there is none; nor while a claim is not newer than
	// what is known of the member: whoever makes it is told, and claims the name anew. If the name is this member's own,
	// ConflictMoved says that the existing one did not answer: it was this member in an earlier life.
	NotifyConflictVerdict(existing, other *Node, verdict ConflictVerdict)
}

// MergeDelegate can refuse to merge with another cluster.
type MergeDelegate interface {
	// NotifyMerge is asked, on joins only and on both sides, with all members that the other side knows; an error aborts
	// the exchange before anything is changed, and is returned by Join. It is called from the goroutine of the exchange,
	// several at once are possible.
	NotifyMerge(peers []*Node) error
}

// PingDelegate can measure round trips, and add bytes to acks. It sees the direct probes of packets only: neither
// indirect ones nor those over a stream, whose times would say little.
type PingDelegate interface {
	// AckPayload gives bytes to send along with an ack. It is called for each ping that arrives, on the goroutine that
	// received it: as the one exception, a slow one delays this member's acks. If they do not fit
	// a packet, with the ack and not compressed, the ack goes without them; that is counted and logged.
	AckPayload() []byte

	// NotifyPingComplete is called when the direct ping of a probe, or of Memberlist.Ping, was answered: with the round
	// trip's time and the payload of the ack. It is called in order with the events of EventDelegate. It may keep the
	// payload.
	NotifyPingComplete(other *Node, rtt time.Duration, payload []byte)
}
