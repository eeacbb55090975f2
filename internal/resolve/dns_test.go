package resolve

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
	r := New(TCPFirst(closingServer(t), lookupFunc(func(context.Context, string) ([]netip.Addr, error) {
		return nil, noSuchHost
	})), Any)
	_, err := r.Resolve(t.Context(), "host.example.com", 7946)
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
