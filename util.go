package memberlist

import (
	"log"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"sync"

	"github.com/e3431adc/memberlist/internal/envelope"
	"github.com/e3431adc/memberlist/internal/logging"
	"github.com/e3431adc/memberlist/internal/swim"
)

// joinHostPort returns "host:port", with brackets around an IPv6 host.
func joinHostPort(host string, port uint16) string {
	return net.JoinHostPort(host, strconv.FormatUint(uint64(port), 10))
}

// pool is a sync.Pool of one type. The zero value is empty and ready for use.
type pool[T any] struct{ values sync.Pool }

// Memory for one turn, stream or run of packets or messages. All members of the process share it: each needs it for short times
// only. Nothing in it is of one member while it is in a pool, and there are no channels and timers in it, which would be of
// one bubble of testing/synctest.
var (
	turns          pool[turn]
	sessions       pool[session]
	packetMemories pool[packetMemory]
	gossipMemories pool[gossipMemory]
)

// get returns a value that was put, or a new one.
func (p *pool[T]) get() *T {
	if v, ok := p.values.Get().(*T); ok {
		return v
	}
	return new(T)
}

func (p *pool[T]) put(v *T) { p.values.Put(v) }

// verifiedAddr is the source address of packets whose sender has proved its name: see ConnectionTransport.
type verifiedAddr interface {
	net.Addr
	VerifiedName() string
}

// senderOf turns an address of the transport into the core's terms. The wildcard address, which is that of the listener with some
// transports, tells nothing about the sender.
func senderOf(addr net.Addr) swim.Endpoint {
	e := endpointOfSender(addr)
	if e.AddrPort.IsValid() && e.AddrPort.Addr().IsUnspecified() {
		return swim.Endpoint{Text: addr.String()}
	}
	return e
}

func endpointOfSender(addr net.Addr) swim.Endpoint {
	switch a := addr.(type) {
	case nil:
		return swim.Endpoint{}
	case *net.UDPAddr:
		if a != nil && len(a.IP) == net.IPv4len {
			return swim.Endpoint{AddrPort: netip.AddrPortFrom(netip.AddrFrom4([net.IPv4len]byte(a.IP)), uint16(a.Port))}
		}
		return swim.Endpoint{AddrPort: unmapped(a.AddrPort())}
	case *net.TCPAddr:
		return swim.Endpoint{AddrPort: unmapped(a.AddrPort())}
	case verifiedAddr:
		e := endpointOf(a.String())
		e.Name = a.VerifiedName()
		return e
	default:
		return endpointOf(addr.String())
	}
}

// endpointOf turns an address in text into the core's terms.
func endpointOf(addr string) swim.Endpoint {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil {
		return swim.Endpoint{Text: addr}
	}
	return swim.Endpoint{AddrPort: unmapped(ap)}
}

func unmapped(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// sourceOf returns an endpoint as package envelope has it.
func sourceOf(e swim.Endpoint) envelope.Source {
	return envelope.Source{Addr: e.AddrPort, Text: e.Text}
}

// addressText is "host:port" of an endpoint.
func addressText(e swim.Endpoint) string {
	if e.AddrPort.IsValid() {
		return e.AddrPort.String()
	}
	return e.Text
}

// addressOf turns an endpoint into the transport's terms.
func addressOf(e swim.Endpoint) Address { return Address{Addr: addressText(e), Name: e.Name} }

func addressOfMember(member *swim.Member) Address {
	return Address{Addr: member.Addr.String(), Name: member.Name}
}

// LogAddress returns "from=" and the address, for the end of a log line. The address may be nil.
func LogAddress(addr net.Addr) string {
	if addr == nil {
		return LogStringAddress("")
	}
	return LogStringAddress(addr.String())
}

// LogStringAddress returns "from=" and the address, for the end of a log line. The address may be empty.
func LogStringAddress(addr string) string {
	if addr == "" {
		addr = "<unknown address>"
	}
	return "from=" + addr
}

// LogConn returns "from=" and the remote address of a connection, for the end of a log line. The connection may be
// nil.
func LogConn(conn net.Conn) string {
	if conn == nil {
		return LogStringAddress("")
	}
	return LogAddress(conn.RemoteAddr())
}

// newLogger returns the logger that a configuration asks for. Neither metadata, nor key material, nor the bytes of messages are
// logged. Attributes of a member are "node", "addr", "state" and "incarnation"; the origin of something is "from".
func newLogger(c *Config) *logging.Logger {
	switch {
	case c.SlogHandler != nil:
		return logging.NewHandler(c.SlogHandler)
	case c.LogOutput != nil:
		return logging.New(log.New(c.LogOutput, "", log.LstdFlags))
	default:
		return logging.New(c.Logger)
	}
}

// logBurst is the number of lines of a kind in a logging.LimitInterval, if each is about another member.
const logBurst = 20

// memberAttrs returns the attributes of a member, and more.
func memberAttrs(m *swim.Member, more ...slog.Attr) []slog.Attr {
	return append([]slog.Attr{
		slog.String("node", m.Name),
		slog.Any("addr", m.Addr),
		slog.String("state", m.State.String()),
		slog.Uint64("incarnation", uint64(m.Incarnation)),
	}, more...)
}
