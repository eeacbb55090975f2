// Package sockets sends and receives UDP packets, and accepts and dials TCP connections, at one port on one or several addresses. It
// knows nothing of what they carry.
//
// A packet leaves from the socket whose network the receiver is in, so that its source is an address that the receiver can answer.
// Open opens the sockets; what arrives waits there until Start. Then one goroutine for each socket reads it and calls a function for
// each packet or connection. Close ends all of them.
package sockets

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/e3431adc/memberlist/internal/logging"
	"github.com/e3431adc/memberlist/internal/resolve"
)

// MaxDatagram is the most bytes that a UDP packet over IPv4 carries: 65535 less 20 of IP and 8 of UDP.
const MaxDatagram = 65507

// Config says where to listen.
type Config struct {
	BindAddrs []string // IP addresses or host names; "", "0.0.0.0" and "::" are all interfaces
	BindPort  int      // 0: one that is free at all of the addresses
	Resolver  resolve.Resolver
	Log       *logging.Logger
}

// Sockets are a TCP listener and a UDP socket for each address. Any goroutine may call any method.
type Sockets struct {
	// Set by Open.
	log       *logging.Logger
	resolver  resolve.Resolver
	ctx       context.Context // ends with Close, and with it dials and look-ups
	cancel    context.CancelFunc
	bindIP    netip.Addr // of the first bind address; unspecified for all interfaces
	port      int
	listeners []*net.TCPListener
	udp       []*net.UDPConn
	routes    routes

	readers sync.WaitGroup
	chosen  atomic.Pointer[netip.Addr] // the last address to advertise, to log each choice once
}

// Open listens on all addresses of the configuration. After an error no socket is left open.
func Open(config *Config) (*Sockets, error) {
	if len(config.BindAddrs) == 0 {
		return nil, errors.New("at least one bind address is required")
	}
	if config.BindPort < 0 || config.BindPort > 65535 {
		return nil, fmt.Errorf("%w: port %d is not between 0 and 65535", resolve.ErrInvalidAddress, config.BindPort)
	}
	s := &Sockets{log: config.Log, resolver: config.Resolver}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if err := s.bind(config.BindAddrs, config.BindPort); err != nil {
		s.cancel()
		return nil, err
	}
	return s, nil
}

// Start starts the goroutines that read the sockets, which end with Close. It is called once. Packet takes over a packet, which may be
// empty; stream takes over a connection. Both may block. If they return false they have not, and the goroutine ends.
func (s *Sockets) Start(packet func(*Packet) bool, stream func(net.Conn) bool) {
	for _, listener := range s.listeners {
		s.readers.Go(func() { s.acceptLoop(listener, stream) })
	}
	for _, socket := range s.udp {
		s.readers.Go(func() { s.readLoop(newArrivals(socket), packet) })
	}
}

// Close closes the sockets, ends dials in progress, and returns when the goroutines have ended. Connections are not closed. It may be
// called more than once.
func (s *Sockets) Close() {
	s.cancel()
	closeAll(s.listeners, s.udp)
	s.readers.Wait()
}

// Done returns a channel that is closed when Close is called.
func (s *Sockets) Done() <-chan struct{} { return s.ctx.Done() }

// Closed reports whether Close was called.
func (s *Sockets) Closed() bool { return s.ctx.Err() != nil }

// Port returns the port listened on.
func (s *Sockets) Port() int { return s.port }

// Send sends a packet of at most MaxDatagram bytes. It does not allocate.
func (s *Sockets) Send(b []byte, to netip.AddrPort) error {
	ip := to.Addr().Unmap()
	_, err := s.routes.socketTo(ip).WriteToUDPAddrPort(b, netip.AddrPortFrom(ip, to.Port()))
	return err
}

// Resolve returns one address of "host:port". The look-up ends with Close.
func (s *Sockets) Resolve(addr string) (netip.AddrPort, error) {
	return s.resolver.AddrPort(s.ctx, addr)
}

// Dial opens a TCP connection to "host:port". It ends with ctx and with Close.
func (s *Sockets) Dial(ctx context.Context, dialer *net.Dialer, addr string) (net.Conn, error) {
	if ctx.Done() == nil { // most often: it never ends
		return dialer.DialContext(s.ctx, "tcp", addr)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	return dialer.DialContext(ctx, "tcp", addr)
}

// Release takes back a packet, for reuse. Neither the packet nor its bytes nor its address may be used afterwards. A packet that is not
// released is left to the garbage collector.
func (s *Sockets) Release(p *Packet) { packets.put(p) }
