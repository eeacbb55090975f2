package visitor

import (
	"bytes"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/envelope"
	"github.com/e3431adc/memberlist/internal/wire"
)

// member serves streams on loopback, each with serve, and returns its address.
func member(t *testing.T, serve func(conn *net.TCPConn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() {
		listener.Close()
		<-done
	})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serve(conn.(*net.TCPConn))
			conn.Close()
		}
	}()
	return listener.Addr().String()
}

func newVisitor(t *testing.T, key []byte) *Visitor {
	t.Helper()
	ring := new(envelope.Ring)
	if key != nil {
		k, err := envelope.NewKey(key)
		if err != nil {
			t.Fatal(err)
		}
		ring.Store([]envelope.Key{k})
	}
	v, err := New("", ring)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// pingOn pings a member on a new stream, within a time limit.
func (v *Visitor) pingOn(t *testing.T, addr string, limit time.Duration) error {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(limit))
	return v.Ping(conn, "m")
}

// TestPingOnStream: the errors tell what the other process did.
func TestPingOnStream(t *testing.T) {
	plain := newVisitor(t, nil)
	answer := func(v *Visitor, message func(ping *wire.Ping) []byte) func(*net.TCPConn) {
		return func(conn *net.TCPConn) {
			r := wire.NewStreamReader(conn, nil)
			kind, label, err := v.envelope.ReadRequest(r, envelope.Source{})
			var ping wire.Ping
			if err != nil || kind != wire.TypePing || r.ReadMessage(&ping) != nil {
				t.Errorf("got %v, %v, want a ping", kind, err)
				return
			}
			v.envelope.WriteReply(conn, label, message(&ping), 0)
		}
	}
	var refusal *Refusal
	for _, tt := range []struct {
		name  string
		serve func(conn *net.TCPConn)
		check func(error) bool
	}{
		{"an ack", answer(plain, func(p *wire.Ping) []byte { return (&wire.Ack{SeqNo: p.SeqNo}).Append(nil) }), func(err error) bool { return err == nil }},
		{"of another ping", answer(plain, func(p *wire.Ping) []byte { return (&wire.Ack{SeqNo: p.SeqNo + 1}).Append(nil) }),
			func(err error) bool { return errors.Is(err, wire.ErrMalformed) }},
		{"another message", answer(plain, func(*wire.Ping) []byte { return (&wire.PushPullHeader{}).Append(nil) }),
			func(err error) bool { return errors.Is(err, wire.ErrUnknownType) }},
		{"a refusal", answer(plain, func(*wire.Ping) []byte { return (&wire.Err{Error: "no"}).Append(nil) }),
			func(err error) bool { return errors.As(err, &refusal) && refusal.Text == "no" }},
		{"it closes the stream", func(conn *net.TCPConn) { conn.Read(make([]byte, 1024)) }, func(err error) bool { return errors.Is(err, ErrNoAnswer) }},
		{"it resets the stream", func(conn *net.TCPConn) { conn.Read(make([]byte, 1)); conn.SetLinger(0) }, func(err error) bool { return errors.Is(err, ErrNoAnswer) }},
		{"it is silent", func(conn *net.TCPConn) { // until the visitor gives up
			for b := make([]byte, 1024); ; {
				if _, err := conn.Read(b); err != nil {
					return
				}
			}
		}, func(err error) bool {
			var timeout net.Error
			return !errors.Is(err, ErrNoAnswer) && errors.As(err, &timeout) && timeout.Timeout()
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			limit := time.Minute
			if tt.name == "it is silent" {
				limit = 50 * time.Millisecond
			}
			if err := plain.pingOn(t, member(t, tt.serve), limit); !tt.check(err) {
				t.Errorf("got %v", err)
			}
		})
	}

	t.Run("an ack in plain text for a visitor with a key", func(t *testing.T) {
		secret := newVisitor(t, bytes.Repeat([]byte{5}, 16))
		at := member(t, answer(secret, func(p *wire.Ping) []byte { return (&wire.Ack{SeqNo: p.SeqNo}).Append(nil) }))
		if err := secret.pingOn(t, at, time.Minute); err != nil {
			t.Errorf("encrypted: %v", err)
		}
		at = member(t, func(conn *net.TCPConn) {
			conn.Read(make([]byte, 1024))
			conn.Write((&wire.Ack{SeqNo: 1}).Append(nil))
		})
		if err := secret.pingOn(t, at, time.Minute); !errors.Is(err, envelope.ErrNotEncrypted) {
			t.Errorf("got %v, want %v", err, envelope.ErrNotEncrypted)
		}
	})
}
