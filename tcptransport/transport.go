package tcptransport

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/internal/lifecycle"
	"github.com/e3431adc/memberlist/internal/logging"
	"github.com/e3431adc/memberlist/internal/metrics"
	"github.com/e3431adc/memberlist/internal/resolve"
	"github.com/e3431adc/memberlist/internal/sockets"
)

const (
	// maxPending is the number of accepted connections without a complete opening.
	maxPending = 256

	// incomingFactor times MaxConnections is the number of accepted connections for packets.
	incomingFactor = 4

	// packetBacklog is the capacity of PacketCh. More packets wait in the buffers of the connections.
	packetBacklog = 16
)

// Transport is a memberlist.ConnectionTransport over TCP. Set Config.Transport of package memberlist to it. All methods may be called from any
// goroutine.
type Transport struct {
	config   Config
	log      *logging.Logger
	metrics  metrics.Set
	secure   *credentials // nil without TLS
	listener net.Listener
	bound    netip.AddrPort
	packets  chan *memberlist.Packet
	streams  chan net.Conn

	tasks      lifecycle.Group
	peers      peers     // connections for packets that this member dials
	pending    admission // accepted connections without a complete opening
	incoming   admission // accepted connections for packets
	advertised atomic.Pointer[netip.AddrPort]
	largeBytes atomic.Int64
	batches    sync.Pool // of *[]byte

	sent, received, resumed atomic.Uint64
}

var _ memberlist.ConnectionTransport = (*Transport)(nil)

// New listens at the address of the configuration. Shutdown ends that, which a Memberlist calls. The errors wrap
// memberlist.ErrInvalidConfig, or are those of the files and of listening.
func New(config Config) (*Transport, error) {
	t := &Transport{
		config:  config.withDefaults(),
		packets: make(chan *memberlist.Packet, packetBacklog),
		streams: make(chan net.Conn),
	}
	if err := t.config.validate(); err != nil {
		return nil, err
	}
	t.log = logging.New(config.Logger)
	if config.SlogHandler != nil {
		t.log = logging.NewHandler(config.SlogHandler)
	}
	t.metrics.SetLabels(config.MetricLabels)
	t.peers.t = t
	t.pending.limit, t.incoming.limit = maxPending, incomingFactor*t.config.MaxConnections
	if t.config.usesTLS() {
		var err error
		if t.secure, err = newCredentials(&t.config, t.log, &t.metrics); err != nil {
			return nil, err
		}
		t.secure.changed = t.recheck
	}
	listener, err := t.config.Listen("tcp", net.JoinHostPort(t.config.BindAddr, strconv.Itoa(t.config.BindPort)))
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	t.listener, t.bound = listener, addrOf(listener.Addr())
	t.tasks.Init()
	t.tasks.Go(t.acceptLoop)
	return t, nil
}

// addrOf returns an address of a connection, or an invalid one if it is none of TCP.
func addrOf(addr net.Addr) netip.AddrPort {
	if tcp, ok := addr.(*net.TCPAddr); ok {
		a := tcp.AddrPort()
		return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	}
	a, _ := netip.ParseAddrPort(addr.String())
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// Port returns the port that the transport listens on.
func (t *Transport) Port() int { return int(t.bound.Port()) }

// Secure reports whether the transport uses TLS. See memberlist.ConnectionTransport.
func (t *Transport) Secure() bool { return t.secure != nil }

// FinalAdvertiseAddr returns the address to advertise, and tells it to peers from now on. If ip is not empty, it is that, resolved if
// it is a host name, with the port, or the port listened on if that is 0. If ip is empty, it is the address and port listened on; if that is
// all interfaces, the best address that they have, as with a NetTransport. See memberlist.Transport.
func (t *Transport) FinalAdvertiseAddr(ip string, port int) (net.IP, int, error) {
	addr, err := t.advertiseAddr(ip)
	if err != nil {
		return nil, 0, err
	}
	if port == 0 || ip == "" {
		port = t.Port()
	}
	addr = addr.WithZone("")
	now := netip.AddrPortFrom(addr, uint16(port))
	if before := t.advertised.Swap(&now); before != nil && *before != now {
		t.peers.redial()
	}
	return addr.AsSlice(), port, nil
}

func (t *Transport) advertiseAddr(host string) (netip.Addr, error) {
	if host != "" {
		return resolve.New(nil, resolve.Any).Addr(t.tasks.Context(), host)
	}
	if ip := t.bound.Addr(); ip.IsValid() && !ip.IsUnspecified() {
		return ip, nil
	}
	addr, reason, err := sockets.FindAdvertiseAddr()
	if err != nil {
		return netip.Addr{}, err
	}
	t.log.Limited("advertise", slog.LevelInfo, "listening on all interfaces, advertising one address", slog.String("addr", addr.String()),
		slog.String("reason", reason))
	return addr, nil
}

// ownAddr returns the address to tell peers.
func (t *Transport) ownAddr() netip.AddrPort {
	if addr := t.advertised.Load(); addr != nil {
		return *addr
	}
	if t.bound.Addr().IsUnspecified() {
		return netip.AddrPort{}
	}
	return t.bound
}

// WriteTo queues a packet of at most MaxPacket bytes for "host:port". See WriteToAddress.
func (t *Transport) WriteTo(b []byte, addr string) (time.Time, error) {
	return t.write(b, memberlist.Address{Addr: addr}, gossip)
}

// WriteToAddress queues a packet of at most MaxPacket bytes for a peer, and returns the time. It neither blocks nor keeps b. The last error
// of connecting to the peer is returned once, and for every packet during the pause before the next attempt, which is up to ten seconds.
// memberlist.ErrMessageTooLarge and memberlist.ErrShutdown are returned too. See memberlist.NodeAwareTransport.
func (t *Transport) WriteToAddress(b []byte, addr memberlist.Address) (time.Time, error) {
	return t.write(b, addr, gossip)
}

// WriteUrgent is WriteToAddress for a packet that overtakes others, and that a full queue drops last. See memberlist.ConnectionTransport.
func (t *Transport) WriteUrgent(b []byte, addr memberlist.Address) (time.Time, error) {
	return t.write(b, addr, urgent)
}

// Redial ends the connection for packets to a peer that does not answer. What was written last, as the ping, is written again on a
// new one. See memberlist.ConnectionTransport.
func (t *Transport) Redial(addr memberlist.Address) { t.peers.onSilence(t.keyOf(addr)) }

// keyOf returns the address as a key of peers: without VerifyPeer there is one connection for all names at an address.
func (t *Transport) keyOf(addr memberlist.Address) memberlist.Address {
	if t.config.VerifyPeer == nil {
		addr.Name = ""
	}
	return addr
}

func (t *Transport) write(b []byte, to memberlist.Address, c class) (time.Time, error) {
	if len(b) > MaxPacket {
		return time.Time{}, fmt.Errorf("%w: a packet of %d bytes, the limit is %d", memberlist.ErrMessageTooLarge, len(b), MaxPacket)
	}
	if len(b) == 0 {
		return time.Now(), nil
	}
	if err := t.peers.write(b, t.keyOf(to), c); err != nil {
		return time.Time{}, fmt.Errorf("write to %s: %w", to.Addr, err)
	}
	return time.Now(), nil
}

// PacketCh returns the channel of received packets. It is never closed. See memberlist.Transport.
func (t *Transport) PacketCh() <-chan *memberlist.Packet { return t.packets }

// StreamCh returns the channel of the streams that peers opened. It is never closed. See memberlist.Transport.
func (t *Transport) StreamCh() <-chan net.Conn { return t.streams }

// DialTimeout opens a stream to "host:port". See DialAddressTimeout.
func (t *Transport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	return t.DialAddressTimeout(memberlist.Address{Addr: addr}, timeout)
}

// DialAddressTimeout opens a stream to a peer, which has accepted it when it returns. A timeout of 0 means DialTimeout. The errors are those
// of this package, of dialling, and memberlist.ErrShutdown. See memberlist.NodeAwareTransport.
func (t *Transport) DialAddressTimeout(addr memberlist.Address, timeout time.Duration) (net.Conn, error) {
	if timeout <= 0 {
		timeout = t.config.DialTimeout
	}
	ctx, cancel := context.WithTimeout(t.tasks.Context(), timeout)
	defer cancel()
	if !t.tasks.Acquire() {
		return nil, fmt.Errorf("dial %s: %w", addr.Addr, memberlist.ErrShutdown)
	}
	defer t.tasks.Release()
	conn, err := t.dial(ctx, opening{kind: kindStream}, addr)
	if err != nil {
		return nil, err
	}
	return streamOf(conn), nil
}

// Shutdown closes the listener and all connections, except streams that were returned by DialTimeout or received from StreamCh. When it
// returns all goroutines have ended. It may be called more than once, and returns nil.
func (t *Transport) Shutdown() error {
	if t.tasks.Close() {
		_ = t.listener.Close() // nothing can be done about an error
		t.pending.close()
		t.incoming.close()
		t.peers.close()
	}
	t.tasks.Wait()
	return nil
}

// recheck closes connections for packets whose peer has a certificate of none of the CAs.
func (t *Transport) recheck(cas *x509.CertPool) {
	for _, in := range t.incoming.list() {
		if in.peer != nil && verifyChain(in.peer, cas, "", x509.ExtKeyUsageClientAuth, time.Now()) != nil {
			in.conn.Close()
		}
	}
	for _, p := range t.peers.list() {
		p.recheck(cas)
	}
}

// errUnlessDown returns memberlist.ErrShutdown after Shutdown, else err.
func (t *Transport) errUnlessDown(err error) error {
	if err != nil && t.tasks.Closed() && !errors.Is(err, memberlist.ErrShutdown) {
		return memberlist.ErrShutdown
	}
	return err
}
