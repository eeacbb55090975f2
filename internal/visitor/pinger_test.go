package visitor

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/envelope"
	"github.com/e3431adc/memberlist/internal/wire"
)

// answerer reads packets on a loopback socket, and answers each message with the result of answer, if that is not nil.
func answerer(t *testing.T, e *envelope.Envelope, answer func(size int, kind wire.Type, body []byte) []byte) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() {
		conn.Close()
		<-done
	})
	go func() {
		defer close(done)
		var opener envelope.Opener
		var packer envelope.Packer
		var unpacker wire.Unpacker
		for buf := make([]byte, wire.MaxPacket); ; {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			content, err := e.Open(&opener, buf[:n], time.Now(), envelope.Source{})
			if err != nil {
				continue
			}
			unpacker.Unpack(content, func(kind wire.Type, body []byte) {
				if a := answer(n, kind, body); a != nil {
					conn.WriteToUDPAddrPort(e.Wrap(&packer, a, 0), from)
				}
			})
		}
	}()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

func newPinger(t *testing.T, label string, key []byte) *Pinger {
	t.Helper()
	var ring envelope.Ring
	if key != nil {
		k, err := envelope.NewKey(key)
		if err != nil {
			t.Fatal(err)
		}
		ring.Store([]envelope.Key{k})
	}
	v, err := New(label, &ring)
	if err != nil {
		t.Fatal(err)
	}
	p, err := v.NewPinger()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// TestPing: pings have the size that is asked for, and the acks of both libraries can be told apart.
func TestPing(t *testing.T) {
	key := bytes.Repeat([]byte{5}, 16)
	for _, tt := range []struct {
		name  string
		label string
		key   []byte
		size  int
		bare  bool
	}{
		{name: "small"},
		{name: "small and bare", bare: true},
		{name: "a packet's size", size: 1400},
		{name: "labelled and encrypted", label: "blue", key: key, size: 1400},
		{name: "the largest", size: 60000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPinger(t, tt.label, tt.key)
			got := make(chan int, 1)
			at := answerer(t, p.envelope, func(size int, kind wire.Type, body []byte) []byte {
				var ping wire.Ping
				if err := ping.Parse(body, nil); kind != wire.TypePing || err != nil || ping.Node != "m" || ping.SourceAddr != nil {
					t.Errorf("got %v %+v, %v", kind, ping, err)
				}
				got <- size
				if tt.bare {
					return wire.AppendBareAck(nil, ping.SeqNo)
				}
				return (&wire.Ack{SeqNo: ping.SeqNo}).Append(nil)
			})
			ack, err := p.Ping(t.Context(), at, "m", tt.size)
			if err != nil {
				t.Fatal(err)
			}
			if ack.Bare != tt.bare || ack.RTT <= 0 {
				t.Errorf("got %+v", ack)
			}
			if size := <-got; tt.size > 0 && size != tt.size {
				t.Errorf("the packet had %d bytes, want %d", size, tt.size)
			}
		})
	}
}

// TestPingThrough: an ack and a nack of the relaying member.
func TestPingThrough(t *testing.T) {
	p := newPinger(t, "", nil)
	target := netip.MustParseAddrPort("10.1.2.3:7946")
	var nack atomic.Bool
	at := answerer(t, p.envelope, func(_ int, kind wire.Type, body []byte) []byte {
		var ping wire.IndirectPing
		err := ping.Parse(body, nil)
		if kind != wire.TypeIndirectPing || err != nil || ping.Node != "m" || ping.Port != 7946 || !ping.Nack {
			t.Errorf("got %v %+v, %v", kind, ping, err)
		}
		if nack.Load() {
			return (&wire.Nack{SeqNo: ping.SeqNo}).Append(nil)
		}
		return wire.AppendBareAck(nil, ping.SeqNo)
	})
	if _, err := p.PingThrough(t.Context(), at, target, "m"); err != nil {
		t.Error(err)
	}
	nack.Store(true)
	if _, err := p.PingThrough(t.Context(), at, target, "m"); !errors.Is(err, ErrNack) {
		t.Errorf("got %v, want %v", err, ErrNack)
	}
}

// TestPingUnanswered: other acks, malformed ones and noise are no answer, and nothing is left of the ping.
func TestPingUnanswered(t *testing.T) {
	p := newPinger(t, "", nil)
	ctx, cancel := context.WithCancel(t.Context())
	answers := [][]byte{
		(&wire.Ack{SeqNo: 1}).Append(nil), {byte(wire.TypeAck)}, {byte(wire.TypeNack), 0x80}, {0}, (&wire.Ping{SeqNo: 9}).Append(nil),
	}
	seen := 0
	at := answerer(t, p.envelope, func(int, wire.Type, []byte) []byte {
		seen++
		if seen == len(answers) {
			cancel()
		}
		return answers[seen-1]
	})
	for range len(answers) - 1 {
		go p.Ping(ctx, at, "m", 0)
	}
	if _, err := p.Ping(ctx, at, "m", 0); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	p.Close()
}

// TestSeveralAcks: the first answer counts, and further ones hold up nothing.
func TestSeveralAcks(t *testing.T) {
	p := newPinger(t, "", nil)
	at := answerer(t, p.envelope, func(_ int, _ wire.Type, body []byte) []byte {
		var ping wire.Ping
		if err := ping.Parse(body, nil); err != nil {
			t.Error(err)
		}
		ack := wire.AppendBareAck(nil, ping.SeqNo)
		packet, _ := wire.AppendCompound(nil, slices.Repeat([][]byte{ack}, 20))
		return packet
	})
	for range 20 {
		if _, err := p.Ping(t.Context(), at, "m", 0); err != nil {
			t.Fatal(err)
		}
	}
}
