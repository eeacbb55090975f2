package memberlist

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// closingServer takes connections and closes them without an answer. It returns the file that names it.
func closingServer(t *testing.T) (config string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan struct{})
	go func() { // ends with the test
		defer close(closed)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 512)) // a close with bytes unread would be a reset
			conn.Close()
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		<-closed
	})
	config = filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(config, []byte("nameserver "+listener.Addr().String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return config
}

// TestResolverErrorsNameTheQuestion: what fails over TCP and in the system is one error on one line, that says of each
// question how it failed.
func TestResolverErrorsNameTheQuestion(t *testing.T) {
	noSuchHost := &net.DNSError{Err: "no such host", Name: "host.example.com", IsNotFound: true}
	r := newResolver(&tcpFirstResolver{
		dnsConfigPath: closingServer(t),
		system:        lookupFunc(func(context.Context, string) ([]netip.Addr, error) { return nil, noSuchHost }),
	}, AnyFamily)
	_, err := r.resolve(t.Context(), "host.example.com", 7946)
	var dnsErr *net.DNSError
	if !errors.As(err, &dnsErr) || !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("error %v, want both the system's and the server's", err)
	}
	text := err.Error()
	for _, want := range []string{"no such host", "over TCP", "ask for ANY: ", "ask for A: ", "ask for AAAA: "} {
		if strings.Count(text, want) != 1 {
			t.Errorf("error %q, want %q in it once", text, want)
		}
	}
	if strings.Contains(text, "\n") {
		t.Errorf("error %q, want one line", text)
	}
}

// TestLoggedErrorsAreOneLine: a resolver of the user's with an error of several lines is logged on one.
func TestLoggedErrorsAreOneLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(recordHandler)
		c := newSimCluster(t)
		defer c.stop()
		m := c.add(func(config *Config) {
			config.LogOutput, config.SlogHandler = nil, h
			config.Resolver = lookupFunc(func(context.Context, string) ([]netip.Addr, error) {
				return nil, errors.Join(errors.New("first"), errors.New("second"))
			})
		})
		if _, err := m.Join([]string{"host"}); err == nil {
			t.Error("joined what cannot be resolved")
		}
		time.Sleep(time.Second)
		found := h.find("failed to resolve")
		if len(found) != 1 || !strings.HasSuffix(found[0]["error"], "first; second") {
			t.Errorf("records %v, want one with both errors on a line", found)
		}
	})
}
