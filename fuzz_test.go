package memberlist

import (
	"bytes"
	"errors"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/recorded"
	"github.com/e3431adc/memberlist/internal/wire"
)

// voidTransport discards all packets and receives none.
type voidTransport struct {
	packets chan *Packet
	streams chan net.Conn
}

func newVoidTransport() *voidTransport {
	return &voidTransport{make(chan *Packet), make(chan net.Conn)}
}

func (*voidTransport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return net.IPv4(10, 99, 0, 1).To4(), 7946, nil
}
func (*voidTransport) WriteTo([]byte, string) (time.Time, error) { return time.Now(), nil }
func (v *voidTransport) PacketCh() <-chan *Packet                { return v.packets }
func (*voidTransport) DialTimeout(string, time.Duration) (net.Conn, error) {
	return nil, errors.New("no peer")
}
func (v *voidTransport) StreamCh() <-chan net.Conn { return v.streams }
func (*voidTransport) Shutdown() error             { return nil }

// fuzzMember returns a member with all options that process input, and no loops.
func fuzzMember(f *testing.F, change func(*Config)) *Memberlist {
	f.Helper()
	config := DefaultLANConfig()
	config.Name = "self"
	config.LogOutput = io.Discard
	config.Transport = newVoidTransport()
	config.ProbeInterval, config.GossipInterval, config.PushPullInterval = 0, 0, 0
	callback{func(string) {}}.install(config)
	change(config)
	m, err := Create(config)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { m.Shutdown() })
	return m
}

// checkSelf checks the invariants that no input may break.
func checkSelf(t *testing.T, m *Memberlist) {
	t.Helper()
	self := m.LocalNode()
	if self.Name != "self" || self.State != StateAlive || self.Port != 7946 {
		t.Fatalf("we are %+v", self)
	}
	if n := m.streams.Bytes(); n != 0 {
		t.Fatalf("%d bytes still reserved", n)
	}
}

// recordedPlain returns the packets or stream contents of real members, without label and seal.
func recordedPlain(t testing.TB, streams func(recorded.Capture) bool) [][]byte {
	t.Helper()
	all, err := recorded.All()
	if err != nil {
		t.Fatal(err)
	}
	var plain [][]byte
	for _, c := range all {
		if !streams(c) {
			continue
		}
		label, b, err := wire.CutLabel(c.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if c.Key != nil {
			cipher, err := wire.NewCipher(c.Key)
			if err != nil {
				t.Fatal(err)
			}
			data := []byte(c.Label)
			if c.Stream {
				data, b = slices.Concat(b[:wire.SealedFrameHeader], data), b[wire.SealedFrameHeader:]
			}
			if b, _, err = wire.Open(nil, []*wire.Cipher{cipher}, b, data); err != nil {
				t.Fatalf("%v, label %q: %v", c, label, err)
			}
		}
		plain = append(plain, b)
	}
	return plain
}

func isStream(c recorded.Capture) bool { return c.Stream }
func isPacket(c recorded.Capture) bool { return !c.Stream }

// FuzzPacket makes a live member handle whole packets: in plain text, with a label, and sealed with a key that the
// attacker has.
func FuzzPacket(f *testing.F) {
	plain := fuzzMember(f, func(*Config) {})
	labelled := fuzzMember(f, func(c *Config) { c.Label = "blue" })
	sealed := fuzzMember(f, encrypted)
	cipher, err := wire.NewCipher(attackKey)
	if err != nil {
		f.Fatal(err)
	}
	for _, p := range slices.Concat(recordedPackets(), recordedPlain(f, isPacket)) {
		f.Add(p)
	}
	alive := (&wire.Alive{Incarnation: 3, Node: "m1", Addr: []byte{10, 0, 0, 1}, Port: 7946, Vsn: []byte{1, 5, 2, 0, 0, 0}}).Append(nil)
	f.Add(alive)
	f.Add((&wire.Dead{Incarnation: 3, Node: "self", From: "self"}).Append(nil))
	f.Add((&wire.IndirectPing{SeqNo: 1, Target: []byte{10, 0, 0, 1}, Port: 7946, Node: "m1", Nack: true}).Append(nil))
	from := peer(66)
	f.Fuzz(func(t *testing.T, packet []byte) {
		handlePacket(plain, packet, from)
		label, _ := wire.AppendLabel(nil, "blue")
		handlePacket(labelled, append(label, packet...), from)
		handlePacket(sealed, packet, from)
		for _, version := range []uint8{wire.SealVersion0, wire.SealVersion1} {
			handlePacket(sealed, cipher.AppendSealed(nil, version, new([wire.NonceSize]byte), packet, nil), from)
		}
		for _, m := range []*Memberlist{plain, labelled, sealed} {
			checkSelf(t, m)
		}
	})
}

// handlePacket makes a member handle a packet to its end, including handed-off messages.
func handlePacket(m *Memberlist, packet []byte, from net.Addr) {
	newFeed(m).receive(&Packet{Buf: slices.Clone(packet), From: from})
}

// feed makes a member handle packets to their end on the caller's goroutine.
type feed struct {
	receiver *receiver
	handler  *gossipHandler
}

func newFeed(m *Memberlist) *feed {
	queue := newHandoff(m.config) // a separate queue: gossipLoop takes from the member's
	f := &feed{receiver: newReceiver(m), handler: newGossipHandler(m, queue)}
	f.receiver.gossip = queue
	return f
}

func (f *feed) receive(p *Packet) {
	f.receiver.handlePacket(p)
	f.handler.handleAll()
}

// bufferConn is a stream that has been received in full.
type bufferConn struct {
	io.Reader
	net.Conn
}

func (c bufferConn) Read(b []byte) (int, error) { return c.Reader.Read(b) }
func (bufferConn) Write(b []byte) (int, error)  { return len(b), nil }
func (bufferConn) Close() error                 { return nil }
func (bufferConn) SetDeadline(time.Time) error  { return nil }
func (bufferConn) RemoteAddr() net.Addr         { return peer(66) }

// FuzzStream sends whole streams to a live member, as FuzzPacket does packets.
func FuzzStream(f *testing.F) {
	plain := fuzzMember(f, func(*Config) {})
	labelled := fuzzMember(f, func(c *Config) { c.Label = "blue" })
	sealed := fuzzMember(f, encrypted)
	cipher, err := wire.NewCipher(attackKey)
	if err != nil {
		f.Fatal(err)
	}
	for _, stream := range recordedPlain(f, isStream) {
		f.Add(stream)
	}
	state, err := plain.newSession().localState(true)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(state)
	f.Add((&wire.Ping{SeqNo: 1, Node: "self"}).Append(nil))
	f.Add(append((&wire.UserHeader{UserMsgLen: 5}).Append(nil), "hello"...))
	var c wire.Compressor
	f.Add(c.Append(nil, state))
	f.Add([]byte{byte(wire.TypeLabel), 4, 'b', 'l', 'u', 'e', 0})
	f.Fuzz(func(t *testing.T, stream []byte) {
		_ = plain.serveStream(bufferConn{Reader: bytes.NewReader(stream)})
		_ = labelled.serveStream(bufferConn{Reader: bytes.NewReader(stream)})
		label, _ := wire.AppendLabel(nil, "blue")
		_ = labelled.serveStream(bufferConn{Reader: bytes.NewReader(append(label, stream...))})
		_ = sealed.serveStream(bufferConn{Reader: bytes.NewReader(stream)})
		frame := wire.AppendSealedFrame(nil, cipher, wire.SealVersion1, new([wire.NonceSize]byte), "", stream)
		_ = sealed.serveStream(bufferConn{Reader: bytes.NewReader(frame)})
		for _, m := range []*Memberlist{plain, labelled, sealed} {
			checkSelf(t, m)
		}
	})
}
