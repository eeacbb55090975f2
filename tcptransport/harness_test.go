package tcptransport

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/internal/simnet"
)

// start returns a transport on loopback, which is shut down when the test ends. Its log is discarded unless the configuration has a logger.
func start(t testing.TB, config Config) *Transport {
	t.Helper()
	if config.BindAddr == "" && config.Listen == nil {
		config.BindAddr = "127.0.0.1"
	}
	if config.Logger == nil {
		config.Logger = log.New(io.Discard, "", 0)
	}
	tr, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Shutdown() })
	return tr
}

// addr returns the address that a transport listens on.
func (t *Transport) addr() string { return t.bound.String() }

// simHost is a host of a network in memory.
type simHost struct {
	network *simnet.Network
	addr    netip.AddrPort

	mu  sync.Mutex
	end *simnet.Endpoint
}

// simAddr returns the address of host i.
func simAddr(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 7946)
}

// onSim makes a configuration one of host i of a network in memory.
func onSim(network *simnet.Network, i int, config Config) Config {
	h := &simHost{network: network, addr: simAddr(i)}
	config.Listen, config.Dial = h.listen, h.dial
	return config
}

func (h *simHost) listen(string, string) (net.Listener, error) {
	end, err := h.network.Listen(h.addr)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	h.end = end
	h.mu.Unlock()
	return simListener{end}, nil
}

func (h *simHost) dial(ctx context.Context, _, address string) (net.Conn, error) {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	end := h.end
	h.mu.Unlock()
	return end.Dial(ctx, to)
}

// simListener is the listener of a host in memory. Closing it closes all its connections.
type simListener struct{ end *simnet.Endpoint }

func (l simListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.end.Streams():
		return conn, nil
	case <-l.end.Done():
		return nil, net.ErrClosed
	}
}

func (l simListener) Close() error   { return l.end.Close() }
func (l simListener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.end.Addr()) }

// authority is a CA.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "cluster"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * 365 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{t, cert, key}
}

// pem returns the certificate of the CA.
func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// issue returns a certificate for both sides of connections that is valid from now on for a time, and its key. A name with a scheme is a URI.
func (a *authority) issue(name string, valid time.Duration) (certificate, key []byte) {
	a.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(valid),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	if strings.Contains(name, "://") {
		uri, err := url.Parse(name)
		if err != nil {
			a.t.Fatal(err)
		}
		template.URIs = append(template.URIs, uri)
	} else {
		template.DNSNames = append(template.DNSNames, name)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &private.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		a.t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})
}

// tls returns a configuration with a certificate of this CA.
func (a *authority) tls(name string) *tls.Config {
	a.t.Helper()
	certificate, err := tls.X509KeyPair(a.issue(name, time.Hour))
	if err != nil {
		a.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{Certificates: []tls.Certificate{certificate}, RootCAs: pool}
}

// files writes a certificate of this CA to files in a new directory.
func (a *authority) files(name string, valid time.Duration) Files {
	a.t.Helper()
	dir := a.t.TempDir()
	f := Files{Cert: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key"), CA: filepath.Join(dir, "ca.crt")}
	a.write(f, name, valid)
	return f
}

// write replaces files with a new certificate of this CA.
func (a *authority) write(f Files, name string, valid time.Duration) {
	a.t.Helper()
	certificate, key := a.issue(name, valid)
	for path, content := range map[string][]byte{f.Cert: certificate, f.Key: key, f.CA: a.pem()} {
		writeFile(a.t, path, content)
	}
}

// writeFile replaces a file in one step.
func writeFile(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// receive returns the next packet.
func receive(t testing.TB, tr *Transport) *memberlist.Packet {
	t.Helper()
	select {
	case p := <-tr.PacketCh():
		return p
	case <-time.After(time.Minute):
		t.Fatal("no packet")
		return nil
	}
}

// send sends a packet, which must arrive.
func send(t testing.TB, from, to *Transport, text string) {
	t.Helper()
	if _, err := from.WriteTo([]byte(text), to.addr()); err != nil {
		t.Fatal(err)
	}
	if p := receive(t, to); string(p.Buf) != text {
		t.Fatalf("got %q, want %q", p.Buf, text)
	}
}

// await waits for a condition: in a bubble, in virtual time.
func await(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not so after a minute: ", what)
		}
	}
}

// logBuffer collects log lines.
type logBuffer struct {
	mu    sync.Mutex
	lines []string
}

func (b *logBuffer) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = append(b.lines, string(line))
	return len(line), nil
}

// with returns the lines that contain a text.
func (b *logBuffer) with(text string) (found []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, line := range b.lines {
		if strings.Contains(line, text) {
			found = append(found, line)
		}
	}
	return found
}

func (b *logBuffer) logger() *log.Logger { return log.New(b, "", 0) }
