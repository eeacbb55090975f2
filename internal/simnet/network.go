// Package simnet is an in-memory network for tests: packets that may be lost, delayed, duplicated and reordered,
// streams that are slow or stall, hosts that fail and return.
//
//	n := simnet.New(1)
//	a, _ := n.Listen(netip.MustParseAddrPort("10.0.0.1:7946"))
//	b, _ := n.Listen(netip.MustParseAddrPort("10.0.0.2:7946"))
//	n.SetDefault(simnet.Link{Latency: time.Millisecond, Loss: 0.1})
//	a.Send([]byte("hello"), b.Addr())
//	p := <-b.Packets()
//
// It uses package time, so that a network made in a testing/synctest bubble runs on the bubble's clock. A link
// without latency delivers within the call that sends, with neither timer nor goroutine; with latency, deliveries at
// the same moment keep the order of sending.
//
// The only goroutine is that of a timer that delivers due events, and it never blocks. No lock is held while a caller
// blocks.
package simnet

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Errors that are wrapped in a *net.OpError, as are net.ErrClosed and os.ErrDeadlineExceeded.
var (
	// ErrInUse is returned when another endpoint listens on the address.
	ErrInUse = errors.New("address already in use")

	// ErrInvalid is returned for an address without an IP address or a port.
	ErrInvalid = errors.New("invalid address")

	// ErrRefused is returned when no endpoint listens on the dialled address.
	ErrRefused = errors.New("connection refused")

	// ErrBroken is returned when the other side has closed the connection.
	ErrBroken = errors.New("broken pipe")

	// ErrTooLarge is returned for a packet larger than MaxPacket.
	ErrTooLarge = errors.New("message too long")
)

const (
	// MaxPacket is the largest packet, in bytes: as in UDP over IPv4.
	MaxPacket = 65507

	// maxHeld is the number of packets held for a paused host; more are dropped.
	maxHeld = 1024

	// firstEphemeral is the first port for dialled connections.
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
		changed chan struct{}               // closed by the next change of the faults; nil if nothing waits
		stalled []*pipe                     // with due bytes that the faults hold back
		held    map[netip.AddrPort][]func() // packets that wait for a paused host; each call retries one
		dialled map[netip.AddrPort][]*Conn  // the ends of a paused host that it has not accepted

		events events
		timer  *time.Timer
		firing bool
	}
}

// Stats counts the traffic of a network.
type Stats struct {
	PacketsSent       uint64 // calls of Send that returned no error
	PacketsDelivered  uint64 // handed to a receiver, duplicates included
	PacketsLost       uint64 // by Loss, a link that is down, or a partition
	PacketsDuplicated uint64
	PacketsDropped    uint64 // the receiver's queue was full
	PacketsUnrouted   uint64 // no endpoint listened on the address
	PacketBytes       uint64 // sent
	StreamsOpened     uint64
	StreamsRefused    uint64
	StreamBytes       uint64 // written
}

// New returns a network without endpoints and faults. The seed determines losses, duplicates and delays, as far as
// packets are sent in the same order.
func New(seed uint64) *Network {
	n := new(Network)
	n.mu.random = rand.New(rand.NewPCG(seed, 0x5349_4d4e_4554))
	n.mu.endpoints = make(map[netip.AddrPort]*Endpoint)
	n.mu.held = make(map[netip.AddrPort][]func())
	n.mu.dialled = make(map[netip.AddrPort][]*Conn)
	n.mu.faults = newFaults()
	n.mu.ephemeral = firstEphemeral
	return n
}

// Stats returns the current counters.
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

// Close closes every endpoint and drops everything in flight. It returns nil.
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

// unmapped returns the IPv4 form of an IPv4-mapped IPv6 address.
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
