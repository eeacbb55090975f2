package tcptransport

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"slices"
	"time"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/internal/sockets"
)

// Config configures a Transport. Zero values are defaults; with neither TLS nor Files everything is in plain text.
type Config struct {
	// Name is the name of the member, as in memberlist.Config. Peers are told it when connecting. Required with VerifyPeer.
	Name string

	// BindAddr is the IP address to listen on. Empty: all interfaces.
	BindAddr string

	// BindPort is the port to listen on. Zero: one that is free, see Transport.Port.
	BindPort int

	// TLS is used for all connections, of both directions, unless it is nil; it is copied. TLS 1.3 is required. RootCAs is the CA of the
	// cluster, and is required: any certificate that it issued is accepted, whatever its names, at both ends (ClientCAs may differ). ServerName,
	// if set, is a name that the certificates of all members have. Members without a certificate are refused unless ClientAuth is
	// set. With InsecureSkipVerify, VerifyConnection or VerifyPeerCertificate must be set, and does the verification, also that of
	// accepted connections.
	TLS *tls.Config

	// Files are read for TLS, and again when they change. TLS may be set too, for other settings.
	Files Files

	// VerifyPeer decides, after its certificate was verified, whether the peer may be the member from. On connections that this
	// member dials those are the address dialled and the member's name, which is empty if not known, as on a join. On accepted connections
	// it is what the peer says of itself; there is always a name. It may be called from any goroutine. See NameInCertificate. Nil: any peer
	// with a valid certificate may be any member.
	VerifyPeer func(state tls.ConnectionState, from memberlist.Address) error

	// CIDRsAllowed are the networks that connections are accepted from, before anything is read. memberlist.Config.CIDRsAllowed is
	// compared with the advertised addresses of those who send packets, which they may make up, and with the addresses of streams. Empty: all.
	CIDRsAllowed []net.IPNet

	// MaxConnections is the most connections for packets that this member dials. For another one it closes the one that was used least
	// recently. A cluster with more members than that dials for most packets. Zero: 1024.
	MaxConnections int

	// QueuePackets and QueueBytes limit the packets that wait for one peer: a number, and bytes, which should be several times a
	// UDPBufferSize above 64 KiB. Zero: 64 and 256 KiB.
	QueuePackets int
	QueueBytes   int

	// DialTimeout is the time for making a connection, up to the answer to the opening, of either side. Zero: 5 seconds.
	DialTimeout time.Duration

	// WriteTimeout is the time in which a peer has to take what is written, and to send the rest of a packet that it has begun. On
	// Linux it is also that after which unacknowledged data breaks a connection (TCP_USER_TIMEOUT). Zero: 5 seconds.
	WriteTimeout time.Duration

	// IdleTimeout is the time after which an unused connection for packets is closed by the side that dialled it; the other side
	// closes it after twice that. All members are probed once in as many probe intervals as there are members: with a shorter time each probe
	// dials. Zero: 10 minutes.
	IdleTimeout time.Duration

	// Dial opens connections, in place of a net.Dialer. It must return when the context ends.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// IsRefused reports whether an error of Dial is the answer of the member's own host that no process listens at the address:
	// see memberlist.RefusalAwareTransport. Nil: errors that wrap syscall.ECONNREFUSED are, without Dial; with it none is, as a
	// proxy may have refused.
	IsRefused func(err error) bool

	// Listen opens the listener, in place of a net.ListenConfig.
	Listen func(network, address string) (net.Listener, error)

	// Logger is used for log lines, unless there is a SlogHandler. Nil: standard error.
	Logger *log.Logger

	// SlogHandler receives log records. Nil: Logger is used.
	SlogHandler slog.Handler

	// MetricLabels are added to every metric.
	MetricLabels []memberlist.MetricLabel
}

// withDefaults returns a copy with defaults in place of zeros.
func (c Config) withDefaults() Config {
	c.MaxConnections = cmp.Or(c.MaxConnections, 1024)
	c.QueuePackets = cmp.Or(c.QueuePackets, 64)
	c.QueueBytes = cmp.Or(c.QueueBytes, 256<<10)
	c.DialTimeout = cmp.Or(c.DialTimeout, 5*time.Second)
	c.WriteTimeout = cmp.Or(c.WriteTimeout, 5*time.Second)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, 10*time.Minute)
	c.CIDRsAllowed = slices.Clone(c.CIDRsAllowed)
	if c.IsRefused == nil {
		c.IsRefused = sockets.IsRefused
		if c.Dial != nil {
			c.IsRefused = func(error) bool { return false }
		}
	}
	if c.Dial == nil {
		c.Dial = (&net.Dialer{KeepAlive: -1}).DialContext
	}
	if c.Listen == nil {
		c.Listen = func(network, address string) (net.Listener, error) {
			return (&net.ListenConfig{KeepAlive: -1}).Listen(context.Background(), network, address)
		}
	}
	return c
}

// validate returns an error for each violation.
func (c *Config) validate() error {
	var errs []error
	refuse := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for _, n := range []struct {
		name  string
		value int64
	}{
		{"MaxConnections", int64(c.MaxConnections)},
		{"QueuePackets", int64(c.QueuePackets)},
		{"QueueBytes", int64(c.QueueBytes)},
		{"DialTimeout", int64(c.DialTimeout)},
		{"WriteTimeout", int64(c.WriteTimeout)},
		{"IdleTimeout", int64(c.IdleTimeout)},
	} {
		if n.value < 0 {
			refuse("%s: is negative", n.name)
		}
	}
	if c.BindPort < 0 || c.BindPort > 65535 {
		refuse("BindPort: %d is not between 0 and 65535", c.BindPort)
	}
	if c.BindAddr != "" && net.ParseIP(c.BindAddr) == nil {
		refuse("BindAddr: %w: %q is no IP address", memberlist.ErrInvalidAddress, c.BindAddr)
	}
	if len(c.Name) > maxName {
		refuse("Name: %d bytes, more than %d", len(c.Name), maxName)
	}
	if c.VerifyPeer != nil && c.Name == "" {
		refuse("Name: is required with VerifyPeer")
	}
	if c.VerifyPeer != nil && !c.usesTLS() {
		refuse("VerifyPeer: needs TLS or Files")
	}
	if len(errs) == 0 {
		return nil
	}
	return fmt.Errorf("%w:\n%w", memberlist.ErrInvalidConfig, errors.Join(errs...))
}

// usesTLS reports whether connections use TLS.
func (c *Config) usesTLS() bool { return c.TLS != nil || c.Files != Files{} }
