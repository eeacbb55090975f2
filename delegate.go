package memberlist

import "time"

// The delegates are interfaces that the program implements and sets in the Config. For all of them:
//
//   - They are called with no lock of this package held, and may call any method of the Memberlist.
//   - Nodes passed to them are immutable: they may be kept, and must not be written to.
//   - Each method says what a slow delegate delays. The acks of this member are never delayed, so it is not suspected.
//
// Compat: the reference calls most of them with its internal lock held; calling back into it deadlocks.

// Delegate provides the program's own data: metadata of the member, messages, broadcasts, and state for push/pull.
// Its methods are called concurrently.
type Delegate interface {
	// NodeMeta returns the metadata of this member, at most limit (MetaMaxSize) bytes. It is called by the goroutine
	// in Create or UpdateNode, which returns ErrMetaTooLarge if it is longer.
	NodeMeta(limit int) []byte

	// NotifyMsg is called with each user message that arrives in a packet or on a stream. Calls for messages from
	// packets are sequential: while one blocks, up to Config.HandoffQueueDepth messages are queued, and further ones
	// dropped and counted. The EventDelegate has been called for all messages about members that arrived before.
	// Broadcasts of one size in one packet arrive in the order in which they were queued. The delegate may keep the
	// bytes.
	NotifyMsg(msg []byte)

	// GetBroadcasts returns messages for one gossip packet. Each costs its length plus overhead bytes, and together
	// they must not exceed limit; messages that do not fit are dropped, counted and logged. limit is the room that
	// the protocol's own broadcasts leave, and at least a quarter of the packet; every eighth time it is the whole
	// packet, so that each message of at most Memberlist.MaxBroadcastSize bytes is sent eventually. The protocol uses
	// the rest of the room. GetBroadcasts is called for each packet of a round, but not again in a round in which it
	// returned nothing for the first and nothing else is queued. A round does not wait for a call of the previous
	// one, and is sent without messages then. The slices are read until the packet has been sent. A
	// TransmitLimitedQueue implements this.
	//
	// Compat: the reference offers the room that its own broadcasts leave, which is nothing while many members come
	// and go; and it calls it for pings and acks too.
	GetBroadcasts(overhead, limit int) [][]byte

	// LocalState returns the bytes to send in a push/pull. join is true for a Join, false for periodic exchanges. It
	// is called by the goroutine of the exchange.
	LocalState(join bool) []byte

	// MergeRemoteState is called with the bytes of the other side's LocalState, unless there are none, after the
	// members have been merged, by the goroutine of the exchange. It may keep buf.
	MergeRemoteState(buf []byte, join bool)
}

// EventDelegate is notified of changes of members, this one included. Its methods are called sequentially, in the
// order of the changes, from different goroutines. A change is visible to Members before its event is delivered;
// later changes may be too. When Create, Join or UpdateNode returns, the events that it caused have been delivered,
// unless one of these methods was running: then the goroutine of that call delivers the rest when it returns.
type EventDelegate interface {
	// NotifyJoin is called when a member is alive that was unknown, dead or had left.
	NotifyJoin(*Node)

	// NotifyLeave is called when a member is declared dead or has left: see Node.State.
	NotifyLeave(*Node)

	// NotifyUpdate is called when a member's metadata has changed.
	NotifyUpdate(*Node)
}

// ChannelEventDelegate is an EventDelegate that sends each event to a channel.
//
// A send blocks until the channel accepts it, and all further events wait behind it: give Ch a buffer, and receive
// from it as long as the Memberlist runs.
type ChannelEventDelegate struct {
	Ch chan<- NodeEvent
}

var _ EventDelegate = (*ChannelEventDelegate)(nil)

// NodeEventType is the kind of a NodeEvent.
type NodeEventType int

// The kinds of events, one for each method of EventDelegate.
const (
	NodeJoin   NodeEventType = iota // the member is alive
	NodeLeave                       // the member is dead or has left
	NodeUpdate                      // the member's metadata changed
)

// NodeEvent is a change of one member. Node is a copy for the receiver, as of the change; the bytes of its Addr and
// Meta are shared and must not be written to.
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

// AliveDelegate can refuse individual members.
type AliveDelegate interface {
	// NotifyAlive is called for each alive message and each alive member of a push/pull, this member included, before
	// anything is changed. If it returns an error the message is ignored. It is called by the goroutine that handles
	// the message, also concurrently. Refusing a known member does not remove it.
	NotifyAlive(peer *Node) error
}

// ConflictDelegate is notified when two members use the same name.
type ConflictDelegate interface {
	// NotifyConflict is called when a message claims the name of a known member for another address, and both
	// addresses have acked a ping: two processes have one name. The existing member, which may be the local one, is
	// kept. Calls are in order with the events of EventDelegate, and at most one in ten Config.ProbeIntervals for
	// each name.
	//
	// Compat: the reference calls it for each such message, without pinging, and so also for a process that was
	// restarted at another address, which is no conflict.
	NotifyConflict(existing, other *Node)
}

// ConflictOutcome is the result of a claim to a member's name for another address.
type ConflictOutcome int

// The outcomes of a claim.
const (
	// ConflictKept means that both addresses acked, and that the existing member is kept. Two processes have one
	// name: one of them is misconfigured.
	ConflictKept ConflictOutcome = iota

	// ConflictMoved means that the old address did not ack, neither directly nor indirectly nor on a stream, that the
	// claim was newer, and that it was accepted. This is the normal result when a process restarts at another
	// address.
	ConflictMoved
)

// ConflictOutcomeDelegate is a ConflictDelegate that is also notified of claims that are no conflict. A
// Config.Conflict may implement it.
type ConflictOutcomeDelegate interface {
	ConflictDelegate

	// NotifyConflictOutcome is called with the outcome, at most two times Config.ProbeTimeout after the claim, and
	// with both members as of then: for ConflictKept right after NotifyConflict; for ConflictMoved, without
	// NotifyConflict, after the EventDelegate has been notified of a leave and a join. It is called once for all
	// claims to a name within ten Config.ProbeIntervals, and not for a claim whose own address does not ack, or that
	// is not newer than the known member: the claimant is told, and claims the name anew. If the name is this
	// member's own, ConflictMoved means that the existing one did not ack: it was this member before a restart.
	NotifyConflictOutcome(existing, other *Node, outcome ConflictOutcome)
}

// MergeDelegate can refuse to merge with another cluster.
type MergeDelegate interface {
	// NotifyMerge is called on both sides of a join with all members that the other side knows. If it returns an
	// error the exchange ends before anything is changed, and Join returns it. It is called by the goroutine of the
	// exchange, also concurrently.
	NotifyMerge(peers []*Node) error
}

// PingDelegate can measure round trips, and add bytes to acks. It is called for direct pings in packets only, not for
// indirect ones or those on a stream, whose times would mean little.
type PingDelegate interface {
	// AckPayload returns bytes to add to an ack. It is called for each ping of a known member, on the goroutine that
	// received it: as the one exception, a slow one delays this member's acks. If they do not fit a packet with the
	// uncompressed ack, the ack is sent without them; that is counted and logged.
	AckPayload() []byte

	// NotifyPingComplete is called when the direct ping of a probe or of Memberlist.Ping was acked, with the
	// round-trip time and the payload of the ack, which it may keep. Calls are in order with the events of
	// EventDelegate.
	NotifyPingComplete(other *Node, rtt time.Duration, payload []byte)
}
