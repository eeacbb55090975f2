package memberlist

import (
	"net"
	"strconv"
)

// NodeStateType is the state of a member, as another member sees it.
type NodeStateType int

// The states of a member (SWIM sections 3 and 4.2).
const (
	// StateAlive is the state of a member that is not known to have failed.
	StateAlive NodeStateType = iota

	// StateSuspect is the state of a member that some other member could not reach. It is still a member, and is
	// declared dead unless it refutes.
	StateSuspect

	// StateDead is the state of a member that was suspected and did not refute in time.
	StateDead

	// StateLeft is the state of a member that announced that it leaves.
	StateLeft
)

// metricName returns the value of the label node_state of the metric node.instances.
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

// Node is an immutable snapshot of one member. It may be kept and read by any goroutine, and must not be written to,
// nor may the bytes of Addr and Meta.
//
// Compat: the reference goes on changing the Nodes that it returns, which cannot be read without a data race.
type Node struct {
	Name  string        // unique in the cluster
	Addr  net.IP        // the advertised address: 4 or 16 bytes
	Port  uint16        // the advertised port, the same for packets and streams
	Meta  []byte        // from the member's Delegate.NodeMeta: at most MetaMaxSize bytes
	State NodeStateType // Compat: always StateAlive in the reference
	PMin  uint8         // lowest protocol version the member understands
	PMax  uint8         // highest protocol version the member understands
	PCur  uint8         // protocol version the member speaks
	DMin  uint8         // lowest delegate protocol version the member understands
	DMax  uint8         // highest delegate protocol version the member understands
	DCur  uint8         // delegate protocol version the member speaks
}

// Address returns the member's address as "host:port", an IPv6 host in brackets.
func (n *Node) Address() string {
	return joinHostPort(n.Addr.String(), n.Port)
}

// FullAddress returns the member's address and name, for a NodeAwareTransport and SendToAddress.
func (n *Node) FullAddress() Address {
	return Address{Addr: n.Address(), Name: n.Name}
}

// String returns the member's name.
func (n *Node) String() string {
	return n.Name
}
