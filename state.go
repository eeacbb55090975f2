package memberlist

import (
	"net"
	"strconv"
)

// NodeStateType is what this member believes about another one.
type NodeStateType int

// The states of a member (SWIM sections 3 and 4.2).
const (
	// StateAlive is a member that answers, or of which nothing bad has been heard.
	StateAlive NodeStateType = iota

	// StateSuspect is a member that somebody could not reach: still a member, soon dead unless it refutes.
	StateSuspect

	// StateDead is a member that was suspected and did not refute in time.
	StateDead

	// StateLeft is a member that said itself that it goes.
	StateLeft
)

// metricName gives the state as the label node_state of the metric node.instances has it.
func (t NodeStateType) metricName() string {
	switch t {
	case StateAlive:
		return "alive"
	case StateSuspect:
		return "suspect"
	case StateDead:
		return "dead"
	case StateLeft:
		return "left"
	default:
		return "unknown(" + strconv.Itoa(int(t)) + ")"
	}
}

// Node is one member of the cluster as it was known at one moment.
//
// A Node that this package hands out is an immutable snapshot: nothing changes it afterwards, so it may be kept and read
// by any goroutine. Its user must not write to it either, nor to the bytes of Addr and Meta.
//
// Compat: the reference goes on changing the Nodes it has handed out, which its users cannot read without a data race.
type Node struct {
	Name  string        // unique in the cluster
	Addr  net.IP        // the advertised address: 4 or 16 bytes
	Port  uint16        // the advertised port, the same for packets and streams
	Meta  []byte        // what the member's Delegate.NodeMeta gave: at most MetaMaxSize bytes
	State NodeStateType // what is believed of the member; Compat: the reference says StateAlive whatever it believes
	PMin  uint8         // lowest protocol version the member understands
	PMax  uint8         // highest protocol version the member understands
	PCur  uint8         // protocol version the member speaks
	DMin  uint8         // lowest delegate protocol version the member understands
	DMax  uint8         // highest delegate protocol version the member understands
	DCur  uint8         // delegate protocol version the member speaks
}

// Address gives the member's address as "host:port", an IPv6 host in brackets.
func (n *Node) Address() string {
	return joinHostPort(n.Addr.String(), n.Port)
}

// FullAddress gives the member's address together with its name, as a NodeAwareTransport and SendToAddress take it.
func (n *Node) FullAddress() Address {
	return Address{Addr: n.Address(), Name: n.Name}
}

// String gives the member's name.
func (n *Node) String() string {
	return n.Name
}
