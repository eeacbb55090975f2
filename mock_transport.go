package memberlist

import (
	"context"
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

	// mockPacketQueue is how many packets wait in MockTransport.PacketCh.
	mockPacketQueue = 1024
)

// MockNetwork is a network in memory, for tests of programs that use this package: give each member a transport of the
// same network as its Config.Transport. It has no latency and loses nothing. It works in a testing/synctest bubble if it
// is first used there. The zero value is an empty network. All methods are safe for concurrent use.
type MockNetwork struct {
	mu struct {
		sync.Mutex
		network *simnet.Network
		last    netip.AddrPort
		byAddr  map[string]*MockTransport
		byName  map[string]*MockTransport
	}
}

// NewTransport makes a transport with an address of its own, from 127.0.0.1:1 on. The name is that of the member who
// will use it; if there is a transport of that name already the new one takes its name, but not its address.
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
		panic(fmt.Sprintf("memberlist: mock address %s: %v", n.mu.last, err)) // no address is given out twice
	}
	t.endpoint = endpoint
	n.mu.byAddr[t.addr.addr] = t
	n.mu.byName[name] = t
	return t
}

// nextMockAddr counts ports, and IP addresses when there are no ports left.
func nextMockAddr(last netip.AddrPort) netip.AddrPort {
	switch {
	case !last.IsValid():
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), mockFirstPort)
	case last.Port() == 1<<16-1:
		return netip.AddrPortFrom(last.Addr().Next(), mockFirstPort)
	}
	return netip.AddrPortFrom(last.Addr(), last.Port()+1)
}

// route finds a transport, by name if there is one. It finds those that were shut down as well, as one can send to the
// address of a host that is gone.
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

// address gives the address that packets from there have as their source.
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

// Network gives "mock".
func (a *MockAddress) Network() string { return "mock" }

// String gives "host:port".
func (a *MockAddress) String() string { return a.addr }

// MockTransport is one member's access to a MockNetwork. All methods are safe for concurrent use.
//
// Compat: a packet for a receiver that does not keep up, 1024 behind, is dropped as UDP would; in the reference the sender
// waits. Connections behave like TCP's, with a buffer; in the reference each Write waits for a Read.
type MockTransport struct {
	net      *MockNetwork
	addr     *MockAddress
	endpoint *simnet.Endpoint
	packets  chan *Packet
}

var (
	_ NodeAwareTransport      = (*MockTransport)(nil)
	_ IngestionAwareTransport = (*MockTransport)(nil)
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

// FinalAdvertiseAddr gives the transport's own address, whatever it is asked for. See Transport.
func (t *MockTransport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	addr := t.endpoint.Addr()
	return net.IP(addr.Addr().AsSlice()), int(addr.Port()), nil
}

// WriteTo sends a packet to "host:port". See WriteToAddress.
func (t *MockTransport) WriteTo(b []byte, addr string) (time.Time, error) {
	return t.WriteToAddress(b, Address{Addr: addr})
}

// WriteToAddress sends a copy of b to the transport of that name or, without a name, of that address. It fails if there
// never was one, and with ErrShutdown after Shutdown. What is sent to a transport
// that was shut down is lost, without an error. See NodeAwareTransport.
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

// PacketCh gives the channel of the packets received. It is never closed. See Transport.
func (t *MockTransport) PacketCh() <-chan *Packet { return t.packets }

// IngestPacket reads conn to its end and hands what it read, at most 64 KiB, to PacketCh as a packet from addr that
// arrived at now. It closes conn, whatever happens, if shouldClose says so. It waits until there is room in the channel;
// after Shutdown the error is ErrShutdown. See IngestionAwareTransport.
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

// DialAddressTimeout opens a stream to the transport of that name or, without a name, of that address. It fails if there
// never was one, if it was shut down, if 128 streams wait there to be received and the timeout passes (0: none), and with
// ErrShutdown after Shutdown. See NodeAwareTransport.
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

// StreamCh gives the channel of the streams that others opened. It is never closed. See Transport.
func (t *MockTransport) StreamCh() <-chan net.Conn { return t.endpoint.Streams() }

// IngestStream hands conn to StreamCh, and waits until there is room in it. After Shutdown the error is ErrShutdown, and
// conn is still the caller's. See IngestionAwareTransport.
func (t *MockTransport) IngestStream(conn net.Conn) error {
	if err := t.endpoint.Offer(conn); err != nil {
		return ErrShutdown
	}
	return nil
}

// Shutdown closes the transport and every stream that was dialled from or to it. Calling it again does nothing. It returns
// nil.
//
// Compat: in the reference it does nothing at all.
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
