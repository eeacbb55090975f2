// Package simnet is a network in memory, for tests: packets that may be lost, delayed, doubled and reordered, streams that
// are slow or stall, hosts that go away and come back.
//
//	n := simnet.New(1)
//	a, _ := n.Listen(netip.MustParseAddrPort("10.0.0.1:7946"))
//	b, _ := n.Listen(netip.MustParseAddrPort("10.0.0.2:7946"))
//	n.SetDefault(simnet.Link{Latency: time.Millisecond, Loss: 0.1})
//	a.Send([]byte("hello"), b.Addr())
//	p := <-b.Packets()
//
// Time is package time's, so that a network made in a testing/synctest bubble is on the bubble's clock and a Latency of a
// second takes no second. A link without latency delivers within the call that sends, with neither timer nor goroutine;
// with latency, all that is due at one moment arrives in the order in which it was sent.
//
// There are no goroutines but the one that a timer starts to deliver what is due, which waits for nobody. No lock is held
// while anybody waits.
package simnet

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Errors that operations wrap in a *net.OpError, beside net.ErrClosed and os.ErrDeadlineExceeded.
var (
	// ErrInUse says that somebody listens on the address already.
	ErrInUse = errors.New("address already in use")

	// ErrInvalid says that an address has no IP address or no port.
	ErrInvalid = errors.New("invalid address")

	// ErrRefused says that nobody listens on the address dialled.
	ErrRefused = errors.New("connection refused")

	// ErrBroken says that the other side has closed the connection.
	ErrBroken = errors.New("broken pipe")

	// ErrTooLarge says that a packet is larger than MaxPacket.
	ErrTooLarge = errors.New("message too long")
)

const (
	// MaxPacket is the largest packet, in bytes: as in UDP over IPv4.
	MaxPacket = 65507

	// maxHeld is how many packets wait for a paused host; more are dropped.
	maxHeld = 1024

	// firstEphemeral is where the ports of dialled connections start.
	firstEphemeral = 32768
)

// Network connects the endpoints that listen on it. All methods are safe for concurrent use.
type Network struct {
	mu struct {
		sync.Mutex
		random    *rand.Rand
		endpoints map[netip.AddrPort]*Endpoint
		ephemeral uint16
		stats     Stats
		closed    bool

		faults  faults
		version uint64                      // of the faults
		changed chan struct{}               // closed with the next change of the faults; nil if nobody waits
		stalled []*pipe                     // have something that is due but found no way
		held    map[netip.AddrPort][]func() // packets that wait for a paused host: tries again

		events events
		timer  *time.Timer
		firing bool
	}
}

// Stats counts what happened on a network since it was made.
type Stats struct {
	PacketsSent       uint64 // calls of Send that returned no error
	PacketsDelivered  uint64 // handed to a receiver, duplicates included
	PacketsLost       uint64 // to Loss, to a link that is down, to a partition
	PacketsDuplicated uint64
	PacketsDropped    uint64 // because the receiver's queue was full
	PacketsUnrouted   uint64 // because nobody listened on the address
	PacketBytes       uint64 // sent
	StreamsOpened     uint64
	StreamsRefused    uint64
	StreamBytes       uint64 // written
}

// New returns a network without endpoints and faults. The seed decides which packets are lost, doubled and delayed by how
// much, as far as they are sent in the same order.
func New(seed uint64) *Network {
	n := new(Network)
	n.mu.random = rand.New(rand.NewPCG(seed, 0x5349_4d4e_4554))
	n.mu.endpoints = make(map[netip.AddrPort]*Endpoint)
	n.mu.held = make(map[netip.AddrPort][]func())
	n.mu.faults = newFaults()
	n.mu.ephemeral = firstEphemeral
	return n
}

// Stats returns the counters as they are now.
func (n *Network) Stats() Stats {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.mu.stats
}

// count changes the counters.
func (n *Network) count(change func(*Stats)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change(&n.mu.stats)
}

// Close closes every endpoint and forgets what is on its way. It returns nil.
func (n *Network) Close() error {
	n.mu.Lock()
	n.mu.closed = true
	n.mu.events = events{}
	if n.mu.timer != nil {
		n.mu.timer.Stop()
	}
	endpoints := make([]*Endpoint, 0, len(n.mu.endpoints))
	for _, e := range n.mu.endpoints {
		endpoints = append(endpoints, e)
	}
	n.mu.Unlock()
	for _, e := range endpoints {
		e.Close()
	}
	return nil
}

// unmapped makes one address of the two ways to write an IPv4 address.
func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

func opError(op, network string, from, to netip.AddrPort, err error) error {
	e := &net.OpError{Op: op, Net: network, Err: err}
	if network == "udp" {
		e.Source, e.Addr = net.UDPAddrFromAddrPort(from), net.UDPAddrFromAddrPort(to)
	} else {
		e.Source, e.Addr = net.TCPAddrFromAddrPort(from), net.TCPAddrFromAddrPort(to)
	}
	return e
}
