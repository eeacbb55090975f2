package memberlist

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/e3431adc/memberlist/internal/logging"
	"github.com/e3431adc/memberlist/internal/metrics"
	"github.com/e3431adc/memberlist/internal/sockets"
)

// packetBacklog is the capacity of PacketCh. More packets wait in the buffers of the sockets.
const packetBacklog = 16

// NetTransportConfig configures a NetTransport.
type NetTransportConfig struct {
	// BindAddrs are the addresses to listen on, for packets (UDP) and streams (TCP): IP addresses, or host names,
	// which are resolved to one address each. Empty, "0.0.0.0" and "::" mean all interfaces. At least one is
	// required. The first is advertised.
	BindAddrs []string

	// BindPort is the port to listen on at each address. Zero: one that is free at all of them, see GetAutoBindPort.
	BindPort int

	// Resolver looks up host names. Nil: the system's resolver, net.DefaultResolver.
	Resolver Resolver

	// AddressFamily selects and orders the addresses of a host name and of all interfaces. Zero: AnyFamily.
	AddressFamily AddressFamily

	// Logger is used for log lines, unless there is a SlogHandler. Nil: standard error.
	Logger *log.Logger

	// SlogHandler receives log records. Nil: Logger is used.
	SlogHandler slog.Handler

	// MetricLabels are added to every metric.
	MetricLabels []MetricLabel
}

// NetTransport sends packets over UDP, and each stream over a TCP connection of its own. Create uses one if
// Config.Transport is nil. Accepted connections have no TCP keep-alive: a Memberlist sets a deadline for each, and
// other users of StreamCh should too.
type NetTransport struct {
	sockets *sockets.Sockets
	log     *logging.Logger
	metrics metrics.Set
	packets chan *Packet
	streams chan net.Conn
}

var (
	_ NodeAwareTransport      = (*NetTransport)(nil)
	_ IngestionAwareTransport = (*NetTransport)(nil)
)

// NewNetTransport listens on all addresses of the configuration. After an error no socket remains open.
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
	s, err := sockets.Open(&sockets.Config{
		BindAddrs: config.BindAddrs,
		BindPort:  config.BindPort,
		Resolver:  newResolver(config.Resolver, config.AddressFamily),
		Log:       l,
	})
	if err != nil {
		return nil, err
	}
	t := &NetTransport{sockets: s, log: l, packets: make(chan *Packet, packetBacklog), streams: make(chan net.Conn)}
	t.metrics.SetLabels(config.MetricLabels)
	return t, nil
}

// receive starts the goroutines that read the sockets, which end with Shutdown. It is called once.
func (t *NetTransport) receive() { t.sockets.Start(t.receivePacket, t.offerStream) }

// receivePacket puts a packet of a socket into PacketCh, unless it is empty. It returns false after Shutdown.
func (t *NetTransport) receivePacket(p *sockets.Packet) bool {
	if len(p.Buf) == 0 {
		t.metrics.Add(metrics.DroppedDecode, 1)
		t.log.Limited("empty packet", slog.LevelError, "UDP packet is empty", slog.String("from", p.From.String()))
		t.sockets.Release(p)
		return true
	}
	return t.offerPacket((*Packet)(p))
}

// offerPacket waits for room in PacketCh. It returns false after Shutdown.
func (t *NetTransport) offerPacket(p *Packet) bool {
	if t.sockets.Closed() {
		return false
	}
	select {
	case t.packets <- p:
		return true
	case <-t.sockets.Done():
		return false
	}
}

// offerStream waits for a receiver from StreamCh. It returns false after Shutdown.
func (t *NetTransport) offerStream(conn net.Conn) bool {
	if t.sockets.Closed() {
		return false
	}
	select {
	case t.streams <- conn:
		return true
	case <-t.sockets.Done():
		return false
	}
}

// releasePacket takes back a packet that was received from PacketCh, for reuse. Neither the packet nor its bytes nor its
// address may be used afterwards.
func (t *NetTransport) releasePacket(p *Packet) { t.sockets.Release((*sockets.Packet)(p)) }

// GetAutoBindPort returns the port that the transport listens on.
func (t *NetTransport) GetAutoBindPort() int { return t.sockets.Port() }

// FinalAdvertiseAddr returns the address to advertise. If ip is not empty, it is that, resolved if it is a host name, with
// the port, or the port listened on if that is 0. If ip is empty, it is the address and port listened on; if those are of all
// interfaces, the best address that they have: see Config.AdvertiseAddr. ErrNoAdvertiseAddress is returned if there is none,
// ErrInvalidAddress if ip is neither an IP address nor a host name.
//
// Compat: the reference takes no host name, advertises "::" itself if bound to it, and knows private addresses only.
func (t *NetTransport) FinalAdvertiseAddr(ip string, port int) (net.IP, int, error) {
	addr, err := t.sockets.AdvertiseAddr(ip)
	if err != nil {
		return nil, 0, err
	}
	if port == 0 || ip == "" {
		port = t.sockets.Port()
	}
	return addr.WithZone("").AsSlice(), port, nil
}

// WriteTo sends a packet to "host:port". ErrMessageTooLarge is returned for one of more than 65507 bytes. The time is that after
// the write, so that a slow write is not measured as a slow network. See Transport.
func (t *NetTransport) WriteTo(b []byte, addr string) (time.Time, error) {
	to, err := t.sockets.Resolve(addr)
	if err != nil {
		return time.Time{}, err
	}
	err = t.send(b, to)
	return time.Now(), err
}

// WriteToAddress sends a packet to the address; the name is not used. See NodeAwareTransport.
func (t *NetTransport) WriteToAddress(b []byte, addr Address) (time.Time, error) {
	return t.WriteTo(b, addr.Addr)
}

// send sends a packet. ErrMessageTooLarge is returned for one that no datagram can hold.
func (t *NetTransport) send(b []byte, to netip.AddrPort) error {
	if len(b) > sockets.MaxDatagram {
		return fmt.Errorf("%w: a packet of %d bytes, the limit of a UDP packet is %d", ErrMessageTooLarge, len(b), sockets.MaxDatagram)
	}
	return t.sockets.Send(b, to)
}

// PacketCh returns the channel of the received packets. See Transport.
func (t *NetTransport) PacketCh() <-chan *Packet { return t.packets }

// StreamCh returns the channel of the accepted connections. See Transport.
func (t *NetTransport) StreamCh() <-chan net.Conn { return t.streams }

// DialTimeout opens a TCP connection to "host:port". A timeout of 0 means none; Shutdown ends the attempt with an error
// that wraps ErrShutdown. See Transport.
func (t *NetTransport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	return t.dialWith(context.Background(), &net.Dialer{Timeout: timeout}, addr)
}

// DialAddressTimeout opens a TCP connection to the address; the name is not used. See NodeAwareTransport.
func (t *NetTransport) DialAddressTimeout(addr Address, timeout time.Duration) (net.Conn, error) {
	return t.DialTimeout(addr.Addr, timeout)
}

// dial opens a TCP connection before the deadline, and before ctx ends. It is for streams that have a deadline throughout, and so
// need no keep-alive.
func (t *NetTransport) dial(ctx context.Context, addr string, deadline time.Time) (net.Conn, error) {
	return t.dialWith(ctx, &net.Dialer{KeepAlive: -1, Deadline: deadline}, addr)
}

func (t *NetTransport) dialWith(ctx context.Context, dialer *net.Dialer, addr string) (net.Conn, error) {
	conn, err := t.sockets.Dial(ctx, dialer, addr)
	if err != nil && t.sockets.Closed() {
		return nil, fmt.Errorf("dial %s: %w", addr, ErrShutdown)
	}
	return conn, err
}

// IngestPacket reads conn to its end and sends the bytes, at most 64 KiB, to PacketCh as a packet from addr that
// arrived at now. If shouldClose is true, it always closes conn. It blocks until there is room in the channel; after
// Shutdown it returns ErrShutdown.
func (t *NetTransport) IngestPacket(conn net.Conn, addr net.Addr, now time.Time, shouldClose bool) error {
	if shouldClose {
		defer conn.Close()
	}
	buf, err := readIngested(conn, addr)
	if err != nil {
		return err
	}
	if udp, ok := addr.(*net.UDPAddr); ok {
		own := *udp // the packet may be released, and its address with it
		own.IP = slices.Clone(udp.IP)
		addr = &own
	}
	if !t.offerPacket(&Packet{Buf: buf, From: addr, Timestamp: now}) {
		return ErrShutdown
	}
	return nil
}

// IngestStream sends conn to StreamCh and blocks until it is received. After Shutdown it returns ErrShutdown, and
// conn remains the caller's.
func (t *NetTransport) IngestStream(conn net.Conn) error {
	if !t.offerStream(conn) {
		return ErrShutdown
	}
	return nil
}

// Shutdown closes all sockets, ends dials in progress, and returns when all goroutines of the transport have ended.
// Calling it again has no effect. Connections that were dialled or received from StreamCh are not closed: their users
// own them.
func (t *NetTransport) Shutdown() error {
	t.sockets.Close()
	for {
		select {
		case p := <-t.packets:
			t.releasePacket(p)
		default:
			return nil
		}
	}
}
