package memberlist

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/e3431adc/memberlist/internal/logging"
	"github.com/e3431adc/memberlist/internal/metrics"
	"github.com/e3431adc/memberlist/internal/resolve"
)

const (
	// readBufferSize is what one read of a UDP socket has room for: any datagram.
	readBufferSize = 64 << 10

	// maxIngest bounds, in bytes, the packet that IngestPacket reads from a connection.
	maxIngest = 64 << 10

	// receiveBuffer is how many bytes of received packets the kernel is asked to keep for each UDP socket; if it refuses,
	// half of that, and so on.
	receiveBuffer = 2 << 20

	// packetBacklog is how many packets wait in PacketCh. What comes then waits in the sockets' buffers.
	packetBacklog = 16

	// bindAttempts is how many ports are tried when any will do: one that is free for TCP may not be for UDP.
	bindAttempts = 10
)

// NetTransportConfig says where a NetTransport listens.
type NetTransportConfig struct {
	// BindAddrs are the addresses to listen on, for packets (UDP) and streams (TCP): IP addresses, or host names, which
	// are resolved to one each. "", "0.0.0.0" and "::" mean all interfaces. At least one is required. The first is the one
	// that is advertised.
	BindAddrs []string

	// BindPort is the port to listen on at each of them. Zero: one that is free at all of them, see GetAutoBindPort.
	BindPort int

	// Resolver finds the addresses of host names. Nil: the system's, net.DefaultResolver.
	Resolver Resolver

	// AddressFamily says which of a host name's addresses, or of all interfaces', are used, and which first. Zero: AnyFamily.
	AddressFamily AddressFamily

	// Logger is where log lines go. Nil: standard error, unless there is a SlogHandler.
	Logger *log.Logger

	// SlogHandler gets what is logged as records, and Logger nothing. Nil: Logger does.
	SlogHandler slog.Handler

	// MetricLabels are added to every metric.
	MetricLabels []MetricLabel
}

// NetTransport sends packets over UDP, and streams over one TCP connection each. It is what Create uses if
// Config.Transport is nil. The connections that it accepts have no keep-alive of TCP: a Memberlist gives each a deadline, and
// who takes them from StreamCh itself should too.
type NetTransport struct {
	// Set once by listenNet.
	log       *logging.Logger
	metrics   metrics.Set
	resolver  resolve.Resolver
	bindIP    netip.Addr // of the first bind address; unspecified for all interfaces
	port      int
	listeners []*net.TCPListener
	sockets   []*net.UDPConn
	routes    []route      // if there are several sockets: which to send from to whom
	socket4   *net.UDPConn // the one to send to IPv4 addresses from
	socket6   *net.UDPConn // the one to send to IPv6 addresses from

	ctx     context.Context // ends with Shutdown, and with it dials and look-ups
	cancel  context.CancelFunc
	packets chan *Packet
	pool    packetPool
	streams chan net.Conn
	readers sync.WaitGroup
	stop    sync.Once

	chosen atomic.Pointer[netip.Addr] // address to advertise, to log a choice once
}

var (
	_ NodeAwareTransport      = (*NetTransport)(nil)
	_ IngestionAwareTransport = (*NetTransport)(nil)
)

// NewNetTransport listens on all addresses of the configuration. If it can't on any one of them, none is left open.
func NewNetTransport(config *NetTransportConfig) (*NetTransport, error) {
	if config == nil {
		return nil, errNilConfig
	}
	l := newLogger(&Config{Logger: config.Logger, SlogHandler: config.SlogHandler})
	t, err := listenNet(config, l)
	if err != nil {
		return nil, err
	}
	t.receive()
	return t, nil
}

// listenNet is NewNetTransport without reading the sockets: receive begins that. It logs to l.
func listenNet(config *NetTransportConfig, l *logging.Logger) (*NetTransport, error) {
	if len(config.BindAddrs) == 0 {
		return nil, errors.New("at least one bind address is required")
	}
	if config.BindPort < 0 || config.BindPort > 65535 {
		return nil, fmt.Errorf("%w: port %d is not between 0 and 65535", ErrInvalidAddress, config.BindPort)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t := &NetTransport{
		log:      l,
		resolver: newResolver(config.Resolver, config.AddressFamily),
		ctx:      ctx,
		cancel:   cancel,
		packets:  make(chan *Packet, packetBacklog),
		streams:  make(chan net.Conn),
	}
	t.metrics.SetLabels(config.MetricLabels)
	if err := t.bind(config.BindAddrs, config.BindPort); err != nil {
		cancel()
		return nil, err
	}
	return t, nil
}

// receive starts the goroutines that read the sockets, which end with Shutdown. It is called once.
func (t *NetTransport) receive() {
	for _, listener := range t.listeners {
		t.readers.Go(func() { t.acceptLoop(listener) })
	}
	for _, socket := range t.sockets {
		t.readers.Go(func() { t.readLoop(socket) })
	}
}

// GetAutoBindPort gives the port listened on, which is of interest if BindPort was 0.
func (t *NetTransport) GetAutoBindPort() int {
	return t.port
}

// FinalAdvertiseAddr gives the address to advertise. If ip is not empty, it is that, resolved if it is a host name,
// together with port, or the port listened on if that is 0. If ip is empty, it is the address and port listened on; and
// if those are all interfaces', the best address that they have: see Config.AdvertiseAddr. ErrNoAdvertiseAddress says
// that there is none, ErrInvalidAddress that ip is neither an IP address nor a host name.
//
// Compat: the reference takes no host name, advertises "::" itself if bound to it, and knows private addresses only.
func (t *NetTransport) FinalAdvertiseAddr(ip string, port int) (net.IP, int, error) {
	if port == 0 || ip == "" {
		port = t.port
	}
	addr := t.bindIP
	var err error
	if ip != "" {
		addr, err = t.resolver.Addr(t.ctx, ip)
	} else if addr.IsUnspecified() {
		addr, err = t.chooseAdvertiseAddr(systemInterfaces(), t.resolver.Family)
	}
	if err != nil {
		return nil, 0, err
	}
	return addr.WithZone("").AsSlice(), port, nil
}

// chooseAdvertiseAddr finds an address among those of the interfaces, and logs a choice that is not that of last time.
func (t *NetTransport) chooseAdvertiseAddr(from interfaces, family resolve.Family) (netip.Addr, error) {
	addr, reason, err := findAdvertiseAddr(from, family)
	if err != nil {
		return netip.Addr{}, err
	}
	if before := t.chosen.Swap(&addr); before == nil || *before != addr {
		t.log.Info("listening on all interfaces, advertising one address", slog.String("addr", addr.String()),
			slog.String("reason", reason))
	}
	return addr, nil
}

// WriteTo sends a packet to "host:port". ErrMessageTooLarge is returned for one of more than 65507 bytes. See Transport.
func (t *NetTransport) WriteTo(b []byte, addr string) (time.Time, error) {
	to, err := t.resolver.AddrPort(t.ctx, addr)
	if err != nil {
		return time.Time{}, err
	}
	return t.writeToAddrPort(b, to)
}

// WriteToAddress sends a packet to the address, whatever the name. See NodeAwareTransport.
func (t *NetTransport) WriteToAddress(b []byte, addr Address) (time.Time, error) {
	return t.WriteTo(b, addr.Addr)
}

// writeToAddrPort sends a packet. The time is that after the write, so that a slow write is not taken for a slow network.
func (t *NetTransport) writeToAddrPort(b []byte, to netip.AddrPort) (time.Time, error) {
	err := t.send(b, to)
	return time.Now(), err
}

// send sends a packet. ErrMessageTooLarge is returned for one that no datagram can hold.
func (t *NetTransport) send(b []byte, to netip.AddrPort) error {
	if len(b) > maxDatagram {
		return fmt.Errorf("%w: a packet of %d bytes, the limit of a UDP packet is %d", ErrMessageTooLarge, len(b), maxDatagram)
	}
	ip := to.Addr().Unmap()
	_, err := t.socketTo(ip).WriteToUDPAddrPort(b, netip.AddrPortFrom(ip, to.Port()))
	return err
}

// PacketCh gives the channel of the packets received. See Transport.
func (t *NetTransport) PacketCh() <-chan *Packet {
	return t.packets
}

// StreamCh gives the channel of the connections accepted. See Transport.
func (t *NetTransport) StreamCh() <-chan net.Conn {
	return t.streams
}

// DialTimeout opens a TCP connection to "host:port". A timeout of 0 means none; Shutdown ends the attempt with an error
// that wraps ErrShutdown. See Transport.
func (t *NetTransport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	return t.dialWith(&net.Dialer{Timeout: timeout}, t.ctx, addr)
}

// dial opens a TCP connection before the deadline, and before ctx ends. It is for streams that have a deadline throughout: the
// kernel need not find out whether the other side is still there.
func (t *NetTransport) dial(ctx context.Context, addr string, deadline time.Time) (net.Conn, error) {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	defer context.AfterFunc(t.ctx, cancel)()
	return t.dialWith(&net.Dialer{KeepAlive: -1}, ctx, addr)
}

func (t *NetTransport) dialWith(dialer *net.Dialer, ctx context.Context, addr string) (net.Conn, error) {
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil && t.ctx.Err() != nil {
		return nil, fmt.Errorf("dial %s: %w", addr, ErrShutdown)
	}
	return conn, err
}

// DialAddressTimeout opens a TCP connection to the address, whatever the name. See NodeAwareTransport.
func (t *NetTransport) DialAddressTimeout(addr Address, timeout time.Duration) (net.Conn, error) {
	return t.DialTimeout(addr.Addr, timeout)
}

// IngestPacket reads conn to its end and hands what it read, at most 64 KiB, to PacketCh as a packet from addr that
// arrived at now. It closes conn, whatever happens, if shouldClose says so. It waits until there is room in the channel;
// after Shutdown the error is ErrShutdown.
func (t *NetTransport) IngestPacket(conn net.Conn, addr net.Addr, now time.Time, shouldClose bool) error {
	if shouldClose {
		defer conn.Close()
	}
	buf, err := io.ReadAll(io.LimitReader(conn, maxIngest+1))
	if err != nil {
		return fmt.Errorf("failed to read packet: %w", err)
	}
	if len(buf) == 0 {
		return fmt.Errorf("packet is empty %s", LogAddress(addr))
	}
	if len(buf) > maxIngest {
		return fmt.Errorf("packet of more than %d bytes %s: %w", maxIngest, LogAddress(addr), ErrMessageTooLarge)
	}
	if udp, ok := addr.(*net.UDPAddr); ok {
		own := *udp // the packet may be recycled, and its address with it
		own.IP = slices.Clone(udp.IP)
		addr = &own
	}
	if !t.deliver(&Packet{Buf: buf, From: addr, Timestamp: now}) {
		return ErrShutdown
	}
	return nil
}

// IngestStream hands conn to StreamCh and waits until it is received from there. After Shutdown the error is ErrShutdown,
// and conn is still the caller's.
func (t *NetTransport) IngestStream(conn net.Conn) error {
	if t.ctx.Err() == nil {
		select {
		case t.streams <- conn:
			return nil
		case <-t.ctx.Done():
		}
	}
	return ErrShutdown
}

// Shutdown closes all sockets, ends dials in progress, and returns when nothing of the transport runs any more. Calling it
// again does nothing. Connections that were dialled or received from StreamCh are not closed: they are their owners'.
func (t *NetTransport) Shutdown() error {
	t.stop.Do(func() {
		t.cancel()
		t.closeSockets()
		t.readers.Wait()
		for {
			select {
			case p := <-t.packets:
				t.releasePacket(p)
			default:
				return
			}
		}
	})
	return nil
}

// acceptLoop hands on the connections of one listener. It ends with Shutdown.
func (t *NetTransport) acceptLoop(listener interface{ Accept() (net.Conn, error) }) {
	var failures backoff
	for {
		conn, err := listener.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) || t.ctx.Err() != nil {
				return
			}
			t.log.Limited("accept", slog.LevelError, "error accepting TCP connection", logging.Err(err))
			if !failures.wait(t.ctx) {
				return
			}
			continue
		}
		failures.reset()
		select {
		case t.streams <- conn:
		case <-t.ctx.Done():
			conn.Close()
			return
		}
	}
}

// readLoop hands on the packets of one socket. It ends with Shutdown.
func (t *NetTransport) readLoop(socket interface {
	ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error)
}) {
	var failures backoff
	buf := make([]byte, readBufferSize)
	for {
		n, from, err := socket.ReadFromUDPAddrPort(buf)
		now := time.Now()
		if err != nil {
			if errors.Is(err, net.ErrClosed) || t.ctx.Err() != nil {
				return
			}
			t.log.Limited("read", slog.LevelError, "error reading UDP packet", logging.Err(err))
			if !failures.wait(t.ctx) {
				return
			}
			continue
		}
		failures.reset()
		if n == 0 {
			t.metrics.Add(metrics.DroppedDecode, 1)
			t.log.Limited("empty packet", slog.LevelError, "UDP packet is empty", slog.String("from", from.String()))
			continue
		}
		if !t.deliver(t.pool.get(buf[:n], from, now)) {
			return
		}
	}
}

// deliver waits for room in the channel of packets. It says no after Shutdown.
func (t *NetTransport) deliver(p *Packet) bool {
	if t.ctx.Err() != nil {
		return false
	}
	select {
	case t.packets <- p:
		return true
	case <-t.ctx.Done():
		return false
	}
}

// releasePacket takes back a packet that was received from PacketCh, for reuse. Neither the packet nor its bytes nor its
// address may be used afterwards, by anybody; whoever can't be sure of that lets the garbage collector have it.
func (t *NetTransport) releasePacket(p *Packet) {
	t.pool.put(p)
}

const (
	// firstBackoff and lastBackoff are the pauses after errors of accept and read, doubling from one to the next.
	firstBackoff = 5 * time.Millisecond
	lastBackoff  = time.Second
)

// backoff paces a loop whose every turn fails, as when file descriptors have run out.
type backoff struct{ pause time.Duration }

func (b *backoff) reset() { b.pause = 0 }

// wait pauses, and says no if ctx ends.
func (b *backoff) wait(ctx context.Context) bool {
	b.pause = min(max(2*b.pause, firstBackoff), lastBackoff)
	timer := time.NewTimer(b.pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
