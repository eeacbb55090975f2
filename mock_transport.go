package memberlist

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/e3431adc/memberlist/internal/simnet"
)

const (
	// mockFirstPort is the port of the first transport of a MockNetwork.
	mockFirstPort = 1

	// mockPacketQueue is the capacity of MockTransport.PacketCh.
	mockPacketQueue = 1024
)

// MockNetwork is an in-memory network, for tests of programs that use this package: give each member a transport of
// the same network as its Config.Transport. It has no latency and loses nothing. It works in a testing/synctest
// bubble if it is first used there. The zero value is an empty network. All methods are safe for concurrent use.
type MockNetwork struct {
	mu struct {
		sync.Mutex
		network *simnet.Network
		last    netip.AddrPort
		byAddr  map[string]*MockTransport
		byName  map[string]*MockTransport
	}
}

// NewTransport returns a transport with a new address, from 127.0.0.1:1 on. The name is that of its member; if there
// is a transport of that name already, the new one takes over the name but not the address.
func (n *MockNetwork) NewTransport(name string) *MockTransport {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mu.network == nil {
		n.mu.network = simnet.New(0)
		n.mu.byAddr = make(map[string]*MockTransport)
		n.mu.byName = make(map[string]*MockTransport)
	}
	n.mu.last = nextMockAddr(n.mu.last)
	t := &MockTransport{
		net:     n,
		addr:    &MockAddress{addr: n.mu.last.String(), name: name},
		packets: make(chan *Packet, mockPacketQueue),
	}
	endpoint, err := n.mu.network.ListenFunc(n.mu.last, t.receive)
	if err != nil {
		panic(fmt.Sprintf("memberlist: mock address %s: %v", n.mu.last, err)) // addresses are unique
	}
	t.endpoint = endpoint
	n.mu.byAddr[t.addr.addr] = t
	n.mu.byName[name] = t
	return t
}

// nextMockAddr returns the next port, or the next IP address when there are no ports left.
func nextMockAddr(last netip.AddrPort) netip.AddrPort {
	switch {
	case !last.IsValid():
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), mockFirstPort)
	case last.Port() == 1<<16-1:
		return netip.AddrPortFrom(last.Addr().Next(), mockFirstPort)
	}
	return netip.AddrPortFrom(last.Addr(), last.Port()+1)
}

// route returns a transport, by name if there is one. It also finds transports that were shut down, as packets can be
// sent to the address of a failed host.
func (n *MockNetwork) route(a Address) (*MockTransport, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	t := n.mu.byName[a.Name]
	if a.Name == "" {
		t = n.mu.byAddr[a.Addr]
	}
	if t == nil {
		return nil, fmt.Errorf("no route to %s", a.String())
	}
	return t, nil
}

// address returns the source address of packets from there.
func (n *MockNetwork) address(from netip.AddrPort) *MockAddress {
	n.mu.Lock()
	defer n.mu.Unlock()
	if t := n.mu.byAddr[from.String()]; t != nil {
		return t.addr
	}
	return &MockAddress{addr: from.String()}
}

// MockAddress is the address of a MockTransport.
type MockAddress struct {
	addr string
	name string
}

var _ net.Addr = (*MockAddress)(nil)

// Network returns "mock".
func (a *MockAddress) Network() string { return "mock" }

// String returns "host:port".
func (a *MockAddress) String() string { return a.addr }

// MockTransport is one member's access to a MockNetwork. All methods are safe for concurrent use.
//
// Compat: a packet for a receiver with 1024 unread packets is dropped, as with UDP; in the reference the sender
// blocks. Connections are buffered, as with TCP; in the reference each Write waits for a Read.
type MockTransport struct {
	net      *MockNetwork
	addr     *MockAddress
	endpoint *simnet.Endpoint
	packets  chan *Packet
}

var (
	_ NodeAwareTransport      = (*MockTransport)(nil)
	_ IngestionAwareTransport = (*MockTransport)(nil)
	_ RefusalAwareTransport   = (*MockTransport)(nil)
)

// receive queues a packet for PacketCh if there is room.
func (t *MockTransport) receive(p simnet.Packet) bool {
	select {
	case t.packets <- &Packet{Buf: p.Data, From: t.net.address(p.From), Timestamp: p.Time}:
		return true
	default:
		return false
	}
}

// FinalAdvertiseAddr returns the transport's own address, whatever its arguments. See Transport.
func (t *MockTransport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	addr := t.endpoint.Addr()
	return net.IP(addr.Addr().AsSlice()), int(addr.Port()), nil
}

// WriteTo sends a packet to "host:port". See WriteToAddress.
func (t *MockTransport) WriteTo(b []byte, addr string) (time.Time, error) {
	return t.WriteToAddress(b, Address{Addr: addr})
}

// WriteToAddress sends a copy of b to the transport with that name or, without a name, with that address. It returns
// an error if there never was one, and ErrShutdown after Shutdown. Packets to a transport that was shut down are lost
// without an error. See NodeAwareTransport.
func (t *MockTransport) WriteToAddress(b []byte, a Address) (time.Time, error) {
	if t.closed() {
		return time.Time{}, fmt.Errorf("write to %s: %w", a.String(), ErrShutdown)
	}
	to, err := t.net.route(a)
	if err != nil {
		return time.Time{}, err
	}
	now := time.Now()
	if err := t.endpoint.SendLarge(b, to.endpoint.Addr()); err != nil {
		return time.Time{}, err
	}
	return now, nil
}

// PacketCh returns the channel of received packets. It is never closed. See Transport.
func (t *MockTransport) PacketCh() <-chan *Packet { return t.packets }

// IngestPacket reads conn to its end and sends the bytes, at most 64 KiB, to PacketCh as a packet from addr that
// arrived at now. It closes conn in any case if shouldClose is set. It blocks until there is room in the channel;
// after Shutdown it returns ErrShutdown. See IngestionAwareTransport.
func (t *MockTransport) IngestPacket(conn net.Conn, addr net.Addr, now time.Time, shouldClose bool) error {
	if shouldClose {
		defer conn.Close()
	}
	buf, err := readIngested(conn, addr)
	if err != nil {
		return err
	}
	if t.closed() {
		return ErrShutdown
	}
	select {
	case t.packets <- &Packet{Buf: buf, From: addr, Timestamp: now}:
		return nil
	case <-t.endpoint.Done():
		return ErrShutdown
	}
}

// DialTimeout opens a stream to "host:port". See DialAddressTimeout.
func (t *MockTransport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	return t.DialAddressTimeout(Address{Addr: addr}, timeout)
}

// DialAddressTimeout opens a stream to the transport with that name or, without a name, with that address. It returns
// an error if there never was one, if it was shut down, or if it has 128 unaccepted streams until the timeout (0:
// none) has passed, and ErrShutdown after Shutdown. See NodeAwareTransport.
func (t *MockTransport) DialAddressTimeout(a Address, timeout time.Duration) (net.Conn, error) {
	if t.closed() {
		return nil, fmt.Errorf("dial %s: %w", a.String(), ErrShutdown)
	}
	to, err := t.net.route(a)
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	conn, err := t.endpoint.Dial(ctx, to.endpoint.Addr())
	if err != nil && t.closed() {
		return nil, fmt.Errorf("dial %s: %w", a.String(), ErrShutdown)
	}
	return conn, err
}

// IsRefused reports whether a dial failed because the transport at the address was shut down. See RefusalAwareTransport.
func (t *MockTransport) IsRefused(err error) bool { return errors.Is(err, simnet.ErrRefused) }

// StreamCh returns the channel of accepted streams. It is never closed. See Transport.
func (t *MockTransport) StreamCh() <-chan net.Conn { return t.endpoint.Streams() }

// IngestStream sends conn to StreamCh, and blocks until there is room. After Shutdown it returns ErrShutdown, and
// conn remains the caller's. See IngestionAwareTransport.
func (t *MockTransport) IngestStream(conn net.Conn) error {
	if err := t.endpoint.Offer(conn); err != nil {
		return ErrShutdown
	}
	return nil
}

// Shutdown closes the transport and every stream to or from it. Calling it again has no effect. It returns nil.
//
// Compat: in the reference it has no effect.
func (t *MockTransport) Shutdown() error {
	return t.endpoint.Close()
}

func (t *MockTransport) closed() bool {
	select {
	case <-t.endpoint.Done():
		return true
	default:
		return false
	}
}
