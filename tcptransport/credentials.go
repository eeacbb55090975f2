package tcptransport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/internal/logging"
	"github.com/e3431adc/memberlist/internal/metrics"
)

const (
	// fileCheck is the least time between two looks at the files.
	fileCheck = time.Second

	// expiryRepeat is the time between two warnings of expiry.
	expiryRepeat = time.Hour
)

// credentials make TLS connections with the current certificate and CA.
type credentials struct {
	base       *tls.Config // never nil; not to be changed
	files      Files       // none: base has all
	verifyPeer func(tls.ConnectionState, memberlist.Address) error
	sessions   int                      // to remember, of peers
	changed    func(cas *x509.CertPool) // is called, with mu locked, after a change of the files
	log        *logging.Logger
	metrics    *metrics.Set

	mu struct {
		sync.Mutex
		current *identity
		loaded  fileSet // that current was made of
		checked time.Time
		warned  time.Time
	}
}

// identity is a certificate and a CA, as configurations of both sides, with the sessions that were made with them.
type identity struct {
	server, client *tls.Config
	roots          *x509.CertPool // nil: the caller's functions verify
	name           string         // ServerName
	expires        time.Time      // of the certificate of Files
	begins         time.Time
	sessions       tls.ClientSessionCache
}

func newCredentials(config *Config, l *logging.Logger, m *metrics.Set) (*credentials, error) {
	c := &credentials{base: config.TLS, files: config.Files, verifyPeer: config.VerifyPeer, sessions: config.MaxConnections, log: l, metrics: m}
	if c.base == nil {
		c.base = new(tls.Config)
	}
	if c.files == (Files{}) {
		id, err := c.newIdentity(c.base.Clone())
		c.mu.current = id
		return c, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c, c.loadLocked()
}

// newIdentity returns the identity of a configuration, which it takes over.
func (c *credentials) newIdentity(base *tls.Config) (*identity, error) {
	own := base.VerifyConnection != nil || base.VerifyPeerCertificate != nil
	switch {
	case len(base.Certificates) == 0 && base.GetCertificate == nil:
		return nil, fmt.Errorf("%w: TLS: has no certificate", memberlist.ErrInvalidConfig)
	case len(base.Certificates) == 0 && base.GetClientCertificate == nil:
		return nil, fmt.Errorf("%w: TLS: GetClientCertificate is required beside GetCertificate", memberlist.ErrInvalidConfig)
	case base.InsecureSkipVerify && !own:
		return nil, fmt.Errorf("%w: TLS: InsecureSkipVerify without a function that verifies", memberlist.ErrInvalidConfig)
	case base.RootCAs == nil && !base.InsecureSkipVerify:
		return nil, fmt.Errorf("%w: TLS: RootCAs, the CA of the cluster, is required", memberlist.ErrInvalidConfig)
	}
	id := &identity{roots: base.RootCAs, name: base.ServerName, sessions: tls.NewLRUClientSessionCache(c.sessions)}
	if base.InsecureSkipVerify {
		id.roots = nil
	}
	base.MinVersion = tls.VersionTLS13
	base.GetConfigForClient = nil // another configuration would not be mutual
	if base.GetClientCertificate == nil {
		certificate := &base.Certificates[0]
		base.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return certificate, nil }
	}
	id.client, id.server = base.Clone(), base
	id.client.InsecureSkipVerify = true // id.verify does it, also if no ServerName is set, and for resumed sessions

	server, verify := id.server, base.VerifyConnection
	server.NextProtos = []string{kindPackets.protocol(), kindStream.protocol()}
	if server.ClientCAs == nil {
		server.ClientCAs = server.RootCAs
	}
	if server.ClientAuth == tls.NoClientCert {
		server.ClientAuth = tls.RequireAndVerifyClientCert
		if base.InsecureSkipVerify {
			server.ClientAuth = tls.RequireAnyClientCert
		}
	}
	server.VerifyConnection = func(state tls.ConnectionState) error {
		if state.DidResume && id.roots != nil && len(state.PeerCertificates) > 0 { // the certificate may have expired since
			if err := verifyChain(&state, server.ClientCAs, "", x509.ExtKeyUsageClientAuth, now(server)); err != nil {
				return err
			}
		}
		if verify != nil {
			return verify(state)
		}
		return nil
	}
	return id, nil
}

// now returns the time by a configuration.
func now(config *tls.Config) time.Time {
	if config.Time != nil {
		return config.Time()
	}
	return time.Now()
}

// verifyChain verifies the certificate of a peer. An empty name stands for any.
func verifyChain(state *tls.ConnectionState, roots *x509.CertPool, name string, usage x509.ExtKeyUsage, at time.Time) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("the peer has no certificate")
	}
	options := x509.VerifyOptions{Roots: roots, DNSName: name, CurrentTime: at, Intermediates: x509.NewCertPool(),
		KeyUsages: []x509.ExtKeyUsage{usage}}
	for _, c := range state.PeerCertificates[1:] {
		options.Intermediates.AddCert(c)
	}
	_, err := state.PeerCertificates[0].Verify(options)
	return err
}

// client does the handshake of a connection that this member has dialled.
func (c *credentials) client(ctx context.Context, raw net.Conn, k kind, to memberlist.Address) (*tls.Conn, error) {
	id := c.identity()
	config := id.client.Clone()
	config.NextProtos = []string{k.protocol()}
	config.ClientSessionCache = peerSessions{id.sessions, to}
	verify := config.VerifyConnection
	config.VerifyConnection = func(state tls.ConnectionState) error {
		if err := c.verifyServer(id, &state, to); err != nil {
			return fmt.Errorf("%w: %w", ErrPeerCertificate, err)
		}
		if verify != nil {
			return verify(state)
		}
		return nil
	}
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return conn, nil
}

// verifyServer verifies the certificate of a peer that this member has dialled.
func (c *credentials) verifyServer(id *identity, state *tls.ConnectionState, to memberlist.Address) error {
	if id.roots != nil {
		if err := verifyChain(state, id.roots, id.name, x509.ExtKeyUsageServerAuth, now(id.client)); err != nil {
			return err
		}
	}
	if c.verifyPeer == nil {
		return nil
	}
	return c.verifyPeer(*state, to)
}

// server does the handshake of an accepted connection.
func (c *credentials) server(ctx context.Context, raw net.Conn) (*tls.Conn, error) {
	conn := tls.Server(raw, c.identity().server)
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return conn, nil
}

// peerSessions are the sessions with one peer. Those of others could not be resumed with it.
type peerSessions struct {
	all tls.ClientSessionCache
	to  memberlist.Address
}

// Get returns the session, whatever key the TLS library uses.
func (s peerSessions) Get(string) (*tls.ClientSessionState, bool) { return s.all.Get(s.to.String()) }

// Put stores the session.
func (s peerSessions) Put(_ string, state *tls.ClientSessionState) { s.all.Put(s.to.String(), state) }

// identity returns the current identity. It reads the files if they have changed.
func (c *credentials) identity() *identity {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.files == (Files{}) {
		return c.mu.current
	}
	if at := now(c.base); at.Sub(c.mu.checked) >= fileCheck {
		c.mu.checked = at
		if err := c.loadLocked(); err != nil {
			c.metrics.Add(metrics.TransportCertificateError, 1)
			c.log.Limited("certificate", slog.LevelError, "failed to read certificate files, keeping what was read before", logging.Err(err))
		}
		c.warnOfExpiryLocked(at)
	}
	return c.mu.current
}

// loadLocked reads the files, unless they are as before.
func (c *credentials) loadLocked() error {
	set, err := c.files.stat()
	if err != nil || set.same(&c.mu.loaded) {
		return err
	}
	certificate, pool, err := c.files.read()
	if err != nil {
		return err
	}
	base := c.base.Clone()
	base.Certificates, base.RootCAs, base.ClientCAs = []tls.Certificate{certificate}, pool, pool
	base.GetCertificate, base.GetClientCertificate = nil, nil
	id, err := c.newIdentity(base)
	if err != nil {
		return err
	}
	id.begins, id.expires = certificate.Leaf.NotBefore, certificate.Leaf.NotAfter
	again := c.mu.current != nil
	c.mu.current, c.mu.loaded, c.mu.warned = id, set, time.Time{}
	if again {
		c.log.Info("using new certificate files", slog.Time("expires", id.expires))
		c.changed(pool)
	}
	return nil
}

// warnOfExpiryLocked warns in the last tenth of a certificate's time, but not before its last week.
func (c *credentials) warnOfExpiryLocked(at time.Time) {
	id := c.mu.current
	left := id.expires.Sub(at)
	if left > min(7*24*time.Hour, id.expires.Sub(id.begins)/10) || at.Sub(c.mu.warned) < expiryRepeat {
		return
	}
	c.mu.warned = at
	text := "certificate expires soon"
	if left <= 0 {
		text = "certificate has expired"
	}
	c.log.Warn(text, slog.Time("expires", id.expires), slog.String("file", c.files.Cert))
}

// NameInCertificate is a function for Config.VerifyPeer. It accepts a peer whose certificate has the member's name as DNS name or, in
// full, as URI, such as "spiffe://cluster/member". It accepts any certificate of the CA for an address that is dialled without a name, as on
// a join. Wildcards do not count.
func NameInCertificate(state tls.ConnectionState, from memberlist.Address) error {
	if from.Name == "" {
		return nil
	}
	if len(state.PeerCertificates) == 0 {
		return errors.New("the peer has no certificate")
	}
	leaf := state.PeerCertificates[0]
	for _, name := range leaf.DNSNames {
		if name == from.Name {
			return nil
		}
	}
	for _, uri := range leaf.URIs {
		if uri.String() == from.Name {
			return nil
		}
	}
	return fmt.Errorf("certificate is not that of member %q: it has the names %q", from.Name, leaf.DNSNames)
}
