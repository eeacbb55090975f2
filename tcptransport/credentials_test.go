package tcptransport

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/internal/simnet"
)

// member creates a member over a new transport on loopback. It is shut down when the test ends.
func member(t *testing.T, name string, config Config) *memberlist.Memberlist {
	t.Helper()
	c := memberlist.DefaultLANConfig()
	c.Name, c.Transport, c.LogOutput = name, start(t, config), io.Discard
	m, err := memberlist.Create(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Shutdown() })
	return m
}

// TestMismatches: each mistake is one clear error for the member that joins, and one line at the other, however often it is made.
func TestMismatches(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	noCertificate := &tls.Config{
		RootCAs:              ca.tls("x").RootCAs,
		Certificates:         []tls.Certificate{{}},
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return new(tls.Certificate), nil },
	}
	strangerToAll := ca.tls("a") // a certificate of another CA, but it accepts those of this one
	strangerToAll.Certificates = other.tls("a").Certificates
	expired := ca.tls("a")
	certificate, err := tls.X509KeyPair(ca.issue("a", -time.Second))
	if err != nil {
		t.Fatal(err)
	}
	expired.Certificates = []tls.Certificate{certificate}
	for _, tt := range []struct {
		name   string
		joins  Config
		server Config
		want   error
		text   string // in the error
		line   string // in the log of the other
	}{
		{"another CA", Config{TLS: other.tls("a")}, Config{TLS: ca.tls("b")}, ErrPeerCertificate, "unknown authority", "remote error: tls: "},
		{"a certificate of another CA", Config{TLS: strangerToAll}, Config{TLS: ca.tls("b")}, ErrCertificateRefused, "unknown certificate authority", "signed by unknown authority"},
		{"no certificate", Config{TLS: noCertificate}, Config{TLS: ca.tls("b")}, ErrCertificateRefused, "certificate required", "didn't provide a certificate"},
		{"an expired certificate", Config{TLS: expired}, Config{TLS: ca.tls("b")}, ErrCertificateRefused, "", "expired"},
		{"plain text on a TLS port", Config{}, Config{TLS: ca.tls("b")}, ErrTLSRequired, "requires TLS", "peer does not use TLS"},
		{"TLS on a plain port", Config{TLS: ca.tls("a")}, Config{}, ErrNotTLS, "does not use TLS", "peer uses TLS"},
		{"the name of another", Config{Name: "c", TLS: ca.tls("a")}, Config{Name: "b", TLS: ca.tls("b"), VerifyPeer: NameInCertificate},
			ErrCertificateRefused, "does not accept", "certificate is not that of member"},
		{"no name", Config{TLS: ca.tls("a")}, Config{Name: "b", TLS: ca.tls("b"), VerifyPeer: NameInCertificate},
			ErrCertificateRefused, "does not accept", "does not tell its name"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var lines logBuffer
			tt.server.Logger = lines.logger()
			a, b := member(t, "a", tt.joins), member(t, "b", tt.server)
			for range 3 {
				_, err := a.Join([]string{b.LocalNode().Address()})
				if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
					t.Errorf("got error %v, want %v with %q", err, tt.want, tt.text)
				}
			}
			await(t, "a line", func() bool { return len(lines.with("refusing")) > 0 })
			if got := lines.with(""); len(got) != 1 || !strings.Contains(got[0], tt.line) {
				t.Errorf("got lines %q, want one with %q", got, tt.line)
			}
		})
	}
}

// TestWrongProtocol: what listens is something else.
func TestWrongProtocol(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	var serving sync.WaitGroup
	defer serving.Wait()
	serving.Go(func() {
		for range 2 {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n")
			conn.(*net.TCPConn).CloseWrite()
			io.Copy(io.Discard, conn)
			conn.Close()
		}
	})
	for _, config := range []Config{{}, {TLS: newAuthority(t).tls("a")}} {
		tr := start(t, config)
		if conn, err := tr.DialTimeout(listener.Addr().String(), time.Minute); !errors.Is(err, ErrProtocol) {
			if err == nil {
				conn.Close()
			}
			t.Errorf("got error %v, want %v", err, ErrProtocol)
		}
	}
}

// TestKindOverAnotherProtocol: a connection is for what was negotiated with TLS.
func TestKindOverAnotherProtocol(t *testing.T) {
	ca := newAuthority(t)
	tr := start(t, Config{TLS: ca.tls("b")})
	for _, tt := range []struct {
		negotiated, says kind
		want             verdict
	}{
		{kindPackets, kindPackets, accepted}, {kindStream, kindStream, accepted},
		{kindPackets, kindStream, refusedPeer}, {kindStream, kindPackets, refusedPeer},
	} {
		config := ca.tls("a")
		config.InsecureSkipVerify, config.NextProtos = true, []string{tt.negotiated.protocol()}
		conn, err := tls.Dial("tcp", tr.addr(), config)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write((&opening{kind: tt.says}).append(nil)); err != nil {
			t.Fatal(err)
		}
		if got, err := readReply(conn); err != nil || got != tt.want {
			t.Errorf("kind %d over the protocol of kind %d: verdict %d, %v, want %d", tt.says, tt.negotiated, got, err, tt.want)
		}
	}
}

// TestNamesInCertificates: with NameInCertificate a connection to a member goes to that member only.
func TestNamesInCertificates(t *testing.T) {
	ca := newAuthority(t)
	config := func(name string) Config {
		return Config{Name: name, TLS: ca.tls(name), VerifyPeer: NameInCertificate}
	}
	a, b := start(t, config("a")), start(t, config("spiffe://cluster/b"))
	for _, tt := range []struct {
		name string
		want error
	}{{"spiffe://cluster/b", nil}, {"", nil}, {"b", ErrPeerCertificate}, {"a", ErrPeerCertificate}} {
		to := memberlist.Address{Addr: b.addr(), Name: tt.name}
		conn, err := a.DialAddressTimeout(to, time.Minute)
		if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
			t.Errorf("dial %q: got error %v, want %v", tt.name, err, tt.want)
		}
		if err == nil {
			(<-b.StreamCh()).Close()
			conn.Close()
		}
		_, err = a.WriteToAddress([]byte("x"), to)
		if tt.want == nil {
			p := receive(t, b)
			if from, ok := p.From.(interface{ VerifiedName() string }); err != nil || !ok || from.VerifiedName() != "a" || p.From.String() != a.addr() {
				t.Errorf("got a packet from %v, %v", p.From, err)
			}
			continue
		}
		await(t, "the error is known", func() bool {
			_, err := a.WriteToAddress([]byte("x"), to)
			return errors.Is(err, tt.want)
		})
	}
}

// TestSessionsAreResumed: of many streams to a peer, and of a new connection for packets, only the first needs a whole handshake. Those of
// different peers do not disturb each other.
func TestSessionsAreResumed(t *testing.T) {
	ca := newAuthority(t)
	a := start(t, Config{TLS: ca.tls("a")})
	peers := []*Transport{start(t, Config{TLS: ca.tls("b")}), start(t, Config{TLS: ca.tls("c")})}
	for range 5 {
		for _, b := range peers {
			conn, err := a.DialTimeout(b.addr(), time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			far := <-b.StreamCh()
			if _, err := far.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Read(make([]byte, 1)); err != nil { // the ticket comes before it
				t.Fatal(err)
			}
			conn.Close()
			far.Close()
		}
	}
	if s := a.Stats(); s.Dialed != 10 || s.Resumed != 8 {
		t.Errorf("got %+v, want 8 of 10 resumed", s)
	}
}

// TestConfigurationsOfTLS: what would not be mutual, or would trust anybody, is refused.
func TestConfigurationsOfTLS(t *testing.T) {
	ca := newAuthority(t)
	certificates := ca.tls("a").Certificates
	roots := ca.tls("a").RootCAs
	verify := func(tls.ConnectionState) error { return nil }
	get := func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &certificates[0], nil }
	getClient := func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &certificates[0], nil }
	for _, tt := range []struct {
		name   string
		config Config
		ok     bool
	}{
		{"usual", Config{TLS: &tls.Config{Certificates: certificates, RootCAs: roots}}, true},
		{"no certificate", Config{TLS: &tls.Config{RootCAs: roots}}, false},
		{"the system's CAs", Config{TLS: &tls.Config{Certificates: certificates}}, false},
		{"no verification", Config{TLS: &tls.Config{Certificates: certificates, InsecureSkipVerify: true}}, false},
		{"the caller's verification", Config{TLS: &tls.Config{Certificates: certificates, InsecureSkipVerify: true, VerifyConnection: verify}}, true},
		{"certificates of functions", Config{TLS: &tls.Config{GetCertificate: get, GetClientCertificate: getClient, RootCAs: roots}}, true},
		{"a function for one side", Config{TLS: &tls.Config{GetCertificate: get, RootCAs: roots}}, false},
		{"some files", Config{Files: Files{Cert: "x"}}, false},
		{"files that do not exist", Config{Files: Files{Cert: "/does/not/exist", Key: "/does/not/exist", CA: "/does/not/exist"}}, false},
		{"VerifyPeer without TLS", Config{Name: "a", VerifyPeer: NameInCertificate}, false},
		{"VerifyPeer without a name", Config{TLS: ca.tls("a"), VerifyPeer: NameInCertificate}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.config.BindAddr, tt.config.Logger = "127.0.0.1", log.New(io.Discard, "", 0)
			tr, err := New(tt.config)
			if (err == nil) != tt.ok {
				t.Fatalf("got error %v", err)
			}
			if err == nil {
				send(t, tr, tr, "to itself")
				tr.Shutdown()
			}
		})
	}
}

// TestCallersVerification: a function of the caller's decides at both ends, as with SPIFFE.
func TestCallersVerification(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	config := func(ca *authority, name string) Config {
		return Config{TLS: &tls.Config{
			Certificates:       ca.tls(name).Certificates,
			InsecureSkipVerify: true,
			VerifyConnection: func(state tls.ConnectionState) error {
				if len(state.PeerCertificates) == 0 || state.PeerCertificates[0].DNSNames[0] != "friend" {
					return errors.New("no friend")
				}
				return nil
			},
		}}
	}
	a, b, c := start(t, config(ca, "friend")), start(t, config(other, "friend")), start(t, config(ca, "stranger"))
	send(t, a, b, "friends")
	for _, way := range [][2]*Transport{{a, c}, {c, a}} {
		if conn, err := way[0].DialTimeout(way[1].addr(), time.Minute); err == nil {
			conn.Close()
			t.Error("a stranger is accepted")
		}
	}
}

// TestRotationUnderTraffic: certificates and the CA are replaced step by step while packets and streams flow, and not one is lost.
func TestRotationUnderTraffic(t *testing.T) {
	before, after := newAuthority(t), newAuthority(t)
	var files []Files
	var trs []*Transport
	for _, name := range []string{"a", "b"} {
		f := before.files(name, time.Hour)
		files = append(files, f)
		trs = append(trs, start(t, Config{Name: name, Files: f, VerifyPeer: NameInCertificate, IdleTimeout: 20 * time.Millisecond}))
	}
	a, b := trs[0], trs[1]
	issuer := func() string {
		conn, err := a.DialAddressTimeout(memberlist.Address{Addr: b.addr(), Name: "b"}, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		far := <-b.StreamCh()
		defer far.Close()
		return fmt.Sprint(conn.(stream).ConnectionState().PeerCertificates[0].AuthorityKeyId)
	}
	first := issuer()
	step := func(change func()) {
		t.Helper()
		change()
		for _, tr := range trs { // as if the second between two looks was over
			tr.secure.mu.Lock()
			tr.secure.mu.checked = time.Time{}
			tr.secure.mu.Unlock()
		}
		for range 10 {
			for _, way := range [][2]*Transport{{a, b}, {b, a}} {
				name := map[*Transport]string{a: "a", b: "b"}[way[1]]
				if _, err := way[0].WriteToAddress([]byte("x"), memberlist.Address{Addr: way[1].addr(), Name: name}); err != nil {
					t.Fatal(err)
				}
				receive(t, way[1])
			}
			issuer()
		}
		time.Sleep(30 * time.Millisecond) // idle connections are closed, and made anew
	}
	both := append(before.pem(), after.pem()...)
	for _, f := range files {
		step(func() { writeFile(t, f.CA, both) })
	}
	for i, f := range files {
		certificate, key := after.issue([]string{"a", "b"}[i], time.Hour)
		step(func() { writeFile(t, f.Cert, certificate) }) // the key does not belong to it yet
		step(func() { writeFile(t, f.Key, key) })
	}
	for _, f := range files {
		step(func() { writeFile(t, f.CA, after.pem()) })
	}
	step(func() {})
	if got := issuer(); got == first {
		t.Error("the certificate is still that of the former CA")
	}
	stranger := start(t, Config{Name: "a", Files: before.files("a", time.Hour)})
	if conn, err := stranger.DialTimeout(b.addr(), time.Minute); err == nil {
		conn.Close()
		t.Error("a certificate of the former CA is accepted")
	}
	for i, tr := range trs {
		if s := tr.Stats(); s.PacketsDropped != 0 || s.CertificateError == 0 {
			t.Errorf("transport %d: %+v, want errors while the key was that of another certificate", i, s)
		}
	}
}

// TestUnreadableFiles: what cannot be read is logged once in a while, counted, and changes nothing.
func TestUnreadableFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := simnet.New(1)
		ca := newAuthority(t)
		f := ca.files("a", time.Hour)
		var lines logBuffer
		a := start(t, onSim(network, 0, Config{Files: f, Logger: lines.logger()}))
		b := start(t, onSim(network, 1, Config{TLS: ca.tls("b")}))
		dial := func() {
			t.Helper()
			time.Sleep(2 * time.Second)
			conn, err := a.DialTimeout(b.addr(), time.Second)
			if err != nil {
				t.Fatal(err)
			}
			(<-b.StreamCh()).Close()
			conn.Close()
		}
		for _, breakIt := range []func(){
			func() { writeFile(t, f.CA, []byte("no PEM")) },
			func() { os.Remove(f.CA) },
			func() { ca.write(f, "a", time.Hour); writeFile(t, f.Key, []byte("no key")) },
			func() { ca.write(f, "a", time.Hour); writeFile(t, f.Cert, nil) },
		} {
			breakIt()
			before := a.Stats().CertificateError
			for range 5 {
				dial()
			}
			if got := a.Stats().CertificateError - before; got != 5 {
				t.Errorf("%d errors were counted, want 5", got)
			}
		}
		if got := lines.with("failed to read certificate files"); len(got) < 3 || len(got) > 5 {
			t.Errorf("got lines %q", got)
		}
		ca.write(f, "a", time.Hour)
		dial()
		if got := lines.with("using new certificate files"); len(got) != 1 {
			t.Errorf("got lines %q", got)
		}
		a.Shutdown()
		b.Shutdown()
		network.Close()
	})
}

// TestExpiry: a certificate that is about to expire is warned of each hour; an expired one is refused, also on a session that is resumed.
func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := simnet.New(1)
		ca := newAuthority(t)
		f := ca.files("a", 100*time.Hour)
		var lines logBuffer
		a := start(t, onSim(network, 0, Config{Files: f, Logger: lines.logger()}))
		long, err := tls.X509KeyPair(ca.issue("b", 1000*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		b := start(t, onSim(network, 1, Config{TLS: &tls.Config{Certificates: []tls.Certificate{long}, RootCAs: ca.tls("b").RootCAs}}))
		dial := func() error {
			conn, err := a.DialTimeout(b.addr(), time.Second)
			if err != nil {
				return err
			}
			far := <-b.StreamCh()
			far.Write([]byte("x"))
			conn.Read(make([]byte, 1))
			far.Close()
			conn.Close()
			return nil
		}
		for hour := range 100 {
			if err := dial(); err != nil {
				t.Fatalf("after %d hours: %v", hour, err)
			}
			time.Sleep(time.Hour)
		}
		if got := lines.with("expires soon"); len(got) < 9 || len(got) > 11 {
			t.Errorf("got %d lines %q, want one in each of the last 10 hours", len(got), got)
		}
		if a.Stats().Resumed == 0 {
			t.Error("no session was resumed")
		}
		time.Sleep(time.Second)
		if err := dial(); !errors.Is(err, ErrCertificateRefused) {
			t.Errorf("after the end: got error %v, want %v", err, ErrCertificateRefused)
		}
		if got := lines.with("has expired"); len(got) != 1 {
			t.Errorf("got lines %q", got)
		}
		ca.write(f, "a", time.Hour)
		time.Sleep(time.Second)
		if err := dial(); err != nil {
			t.Errorf("with a new certificate: %v", err)
		}
		a.Shutdown()
		b.Shutdown()
		network.Close()
	})
}

// TestConnectionsEndWithCertificates: connections for packets end when the certificate of the peer expires, and when its CA is removed; a
// peer with a new certificate loses no packet.
func TestConnectionsEndWithCertificates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := simnet.New(1)
		network.SetDefault(simnet.Link{Latency: time.Millisecond})
		ca, other := newAuthority(t), newAuthority(t)
		f := ca.files("a", time.Hour)
		a := start(t, onSim(network, 0, Config{Files: f, IdleTimeout: 1000 * time.Hour}))
		g := ca.files("b", 100*time.Hour)
		b := start(t, onSim(network, 1, Config{Files: g, IdleTimeout: 1000 * time.Hour}))
		send(t, a, b, "first")
		time.Sleep(50 * time.Minute)
		ca.write(f, "a", 100*time.Hour)
		send(t, a, b, "the connection is still there")
		if s := a.Stats(); s.Dialed != 1 {
			t.Errorf("got %+v, want one connection", s)
		}
		time.Sleep(20 * time.Minute)
		if s := b.Stats(); s.Incoming != 0 {
			t.Errorf("%d connections are left of an expired certificate", s.Incoming)
		}
		send(t, a, b, "with the new certificate")

		writeFile(t, g.CA, append(ca.pem(), other.pem()...))
		time.Sleep(time.Minute)
		send(t, b, a, "b looks at its files")
		send(t, a, b, "both CAs")
		if s := b.Stats(); s.Incoming != 1 {
			t.Errorf("%d connections with both CAs, want 1", s.Incoming)
		}
		writeFile(t, g.CA, other.pem())
		time.Sleep(time.Minute)
		if conn, err := b.DialTimeout(a.addr(), time.Second); err == nil {
			conn.Close()
			t.Error("the certificate of a is accepted")
		}
		time.Sleep(time.Second)
		if s := b.Stats(); s.Incoming != 0 {
			t.Errorf("%d connections of the former CA are left", s.Incoming)
		}
		_, _ = b.WriteTo([]byte("x"), a.addr())
		time.Sleep(time.Second)
		if _, err := b.WriteTo([]byte("x"), a.addr()); !errors.Is(err, ErrPeerCertificate) {
			t.Errorf("got error %v, want %v", err, ErrPeerCertificate)
		}
		a.Shutdown()
		b.Shutdown()
		network.Close()
	})
}

// TestHandshakeFlood: handshakes without end, of which none is finished, keep no peer out.
func TestHandshakeFlood(t *testing.T) {
	ca := newAuthority(t)
	a, b := start(t, Config{TLS: ca.tls("a")}), start(t, Config{TLS: ca.tls("b")})
	stop := make(chan struct{})
	var flooding sync.WaitGroup
	for range 4 {
		flooding.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				raw, err := net.Dial("tcp", b.addr())
				if err != nil {
					continue
				}
				conn := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{kindStream.protocol()}})
				conn.Handshake() // without a certificate
				raw.Close()
			}
		})
	}
	defer flooding.Wait()
	defer close(stop)
	for range 10 {
		send(t, a, b, "amid them")
		conn, err := a.DialTimeout(b.addr(), time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		(<-b.StreamCh()).Close()
		conn.Close()
		if n := b.Stats().Pending; n > maxPending {
			t.Fatalf("%d connections are pending", n)
		}
	}
	if b.Stats().Refused == 0 {
		t.Error("no connection was refused")
	}
}
