package interop

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// tap records what the peers send, and compares every message with the encodings of both libraries.
type tap struct {
	label   string
	ciphers []*wire.Cipher
	keys    [][]byte // of the ciphers
	changed func()

	mu       sync.Mutex
	t        *testing.T // nil: closed
	unpacker wire.Unpacker
	names    map[netip.AddrPort]string
	kinds    map[netip.AddrPort]kind
	sights   []sight
	dials    map[route]int

	visited bool // see expectVisitor

	strange map[wire.Type]int // messages with what the reference never sends
}

// sight is a message in a packet.
type sight struct {
	from, to string
	at       time.Time
	key      int // which of the tap's keys opened it, -1 for none
	kind     wire.Type
	message  wire.Message // nil for a user message
	user     string
	crc      bool // it came with a checksum
}

func newTap(t *testing.T, s setting, changed func()) *tap {
	w := &tap{t: t, label: s.label, changed: changed, names: make(map[netip.AddrPort]string),
		kinds: make(map[netip.AddrPort]kind), dials: make(map[route]int), strange: make(map[wire.Type]int)}
	if s.key != nil {
		w.addKey(s.key)
	}
	return w
}

// addKey makes the tap decrypt with a further key.
func (w *tap) addKey(key []byte) {
	c, err := wire.NewCipher(key)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.t.Fatal(err)
	}
	w.ciphers, w.keys = append(w.ciphers, c), append(w.keys, key)
}

func (w *tap) name(p peer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.names[p.addr()], w.kinds[p.addr()] = p.name(), p.kind()
}

// expectVisitor makes the tap ignore packets to addresses of no peer. The acks for a visitor have another form.
func (w *tap) expectVisitor() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.visited = true
}

// close ends the checks: later traffic is not recorded.
func (w *tap) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.t = nil
}

// packet records a packet.
func (w *tap) packet(from, to netip.AddrPort, packet []byte) {
	w.mu.Lock()
	if w.t != nil && !(w.visited && w.names[to] == "") {
		if err := w.packetLocked(from, to, packet); err != nil {
			w.t.Errorf("packet from %s to %s: %v\n%x", w.names[from], w.names[to], err, packet)
		}
	}
	w.mu.Unlock()
	w.changed()
}

func (w *tap) packetLocked(from, to netip.AddrPort, packet []byte) error {
	s := sight{from: w.names[from], to: w.names[to], at: time.Now(), key: -1}
	whole := packet
	label, packet, err := wire.CutLabel(packet)
	if err != nil {
		return err
	}
	if string(label) != w.label {
		return fmt.Errorf("label %q, want %q", label, w.label)
	}
	if len(w.ciphers) > 0 {
		plain, used, err := wire.Open(nil, w.ciphers, packet, label)
		if err != nil {
			return err
		}
		packet, s.key = plain, used
	}
	s.crc = len(packet) > 0 && packet[0] == byte(wire.TypeChecksum)
	var errs error
	var types []string
	dropped, err := w.unpacker.Unpack(packet, func(t wire.Type, body []byte) {
		s.kind = t
		types = append(types, typeWord(t))
		body = bytes.Clone(body)
		if s.user = ""; t == wire.TypeUser {
			s.user = string(body)
		}
		m, err := sameBytes(t, body)
		s.message = m
		if !ofReference(t, body) {
			w.strange[t]++
		}
		errs = errors.Join(errs, err)
		w.sights = append(w.sights, s)
	})
	if dropped > 0 {
		errs = errors.Join(errs, fmt.Errorf("%d messages unreadable", dropped))
	}
	w.recordPacket(w.kinds[from], whole, packet, s.key, types)
	return errors.Join(errs, err)
}

// all returns the messages that meet a condition.
func (w *tap) all(want func(s sight) bool) []sight {
	w.mu.Lock()
	defer w.mu.Unlock()
	var found []sight
	for _, s := range w.sights {
		if want(s) {
			found = append(found, s)
		}
	}
	return found
}

// mark is the place in the traffic that all and since count from.
func (w *tap) mark() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.sights)
}

// since returns the messages after a mark that meet a condition.
func (w *tap) since(mark int, want func(s sight) bool) []sight {
	n := 0
	return w.all(func(s sight) bool {
		n++
		return n > mark && want(s)
	})
}

// streams returns the number of streams that one peer has opened to another.
func (w *tap) streams(from, to peer) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dials[route{from.addr(), to.addr()}]
}

// transcript returns the last messages as text.
func (w *tap) transcript(last int) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var b strings.Builder
	for _, s := range w.sights[max(0, len(w.sights)-last):] {
		fmt.Fprintf(&b, "    %s %s -> %s %v", s.at.Format("05.000"), s.from, s.to, s.kind)
		if s.message != nil {
			fmt.Fprintf(&b, " %+v", s.message)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// stream records that a stream was opened, and checks both directions of it when the dialler closes it.
func (w *tap) stream(from, to netip.AddrPort, conn net.Conn) net.Conn {
	w.mu.Lock()
	w.dials[route{from, to}]++
	w.mu.Unlock()
	w.changed()
	return &tappedConn{Conn: conn, tap: w, from: from, to: to}
}

// tappedConn records the bytes of both directions.
type tappedConn struct {
	net.Conn
	tap      *tap
	from, to netip.AddrPort

	mu           sync.Mutex
	said, heard  bytes.Buffer
	unsuccessful bool // a write failed, so that what was said is not whole
	closed       bool
}

func (c *tappedConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.said.Write(b[:n])
	c.unsuccessful = c.unsuccessful || err != nil
	return n, err
}

func (c *tappedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard.Write(b[:n])
	return n, err
}

func (c *tappedConn) Close() error {
	c.mu.Lock()
	if !c.closed && !c.unsuccessful {
		c.closed = true
		c.tap.conversation(c.from, c.to, c.said.Bytes(), c.heard.Bytes())
	}
	c.mu.Unlock()
	return c.Conn.Close()
}

// conversation checks both directions of a stream. The answer may be truncated: the acceptor shut down, or the dialler did
// not read to the end.
func (w *tap) conversation(from, to netip.AddrPort, said, heard []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.t == nil || len(said) == 0 { // closed before anything was sent
		return
	}
	whole := said
	label, said, err := wire.CutLabel(said)
	if err != nil || string(label) != w.label {
		w.t.Errorf("stream with label %q, %v, want %q", label, err, w.label)
		return
	}
	var layers []string
	if w.label != "" {
		layers = append(layers, "label")
	}
	if err := w.checkStream(w.kinds[from], whole, said, layers); err != nil {
		w.t.Errorf("stream: said: %v\n%x", err, said)
	}
	if err := w.checkStream(w.kinds[to], heard, heard, nil); err != nil && !errors.Is(err, wire.ErrTruncated) {
		w.t.Errorf("stream: heard: %v\n%x", err, heard)
	}
}

// checkStream decodes one direction of a stream and compares each message in it: b is what follows the layers in whole.
func (w *tap) checkStream(k kind, whole, b []byte, layers []string) error {
	if len(b) == 0 {
		return nil
	}
	r := wire.NewStreamReader(bytes.NewReader(b), nil)
	t, err := r.ReadType()
	if err != nil {
		return err
	}
	if len(w.ciphers) > 0 && t != wire.TypeEncrypt {
		return fmt.Errorf("%v is not sealed", t)
	}
	key := -1
	if t == wire.TypeEncrypt {
		layers = append(layers, fmt.Sprint("seal", b[wire.SealedFrameHeader]))
		if key, err = r.OpenFrame(w.ciphers, w.label); err != nil {
			return err
		}
		if t, err = r.ReadType(); err != nil {
			return err
		}
	}
	if t == wire.TypeCompress {
		layers = append(layers, t.String())
		if err = r.Decompress(); err != nil {
			return err
		}
		if t, err = r.ReadType(); err != nil {
			return err
		}
	}
	w.recordStream(k, whole, layers, key, t)
	return w.checkPlainStream(t, r)
}

// checkPlainStream decodes the contents of a stream, encodes them with both libraries, and compares.
func (w *tap) checkPlainStream(t wire.Type, r *wire.StreamReader) error {
	raw := []byte{byte(t)}
	for {
		b, err := r.ReadN(1, 1)
		if err != nil {
			break
		}
		raw = append(raw, b...)
	}
	if !ofReference(t, raw[1:]) {
		w.strange[t]++
	}
	r = wire.NewStreamReader(bytes.NewReader(raw), nil)
	r.ReadType()
	ours := []byte{}
	theirs := []byte{byte(t)}
	add := func(m interface{ Append([]byte) []byte }, shape any) error {
		b, err := encodeShape(shape)
		ours, theirs = m.Append(ours), append(theirs, b...)
		return err
	}
	addRaw := func(n, limit int) error {
		b, err := r.ReadN(n, limit)
		ours, theirs = append(ours, b...), append(theirs, b...)
		return err
	}
	var errs error
	switch t {
	case wire.TypePushPull:
		var h wire.PushPullHeader
		if err := r.ReadMessage(&h); err != nil {
			return err
		}
		errs = errors.Join(errs, add(&h, &pushPullShape{h.Nodes, h.UserStateLen, h.Join, h.Node, h.From, h.View, h.Digests, h.Hashes}))
		states, err := r.ReadStates(h.Nodes)
		if err != nil {
			return err
		}
		for _, s := range states.Take(states.Len()) {
			errs = errors.Join(errs, add(&s, &stateShape{s.Name, s.Addr, s.Port, s.Meta, s.Incarnation, s.State, s.Vsn, s.Zone}))
		}
		errs = errors.Join(errs, addRaw(h.UserStateLen, wire.MaxUserState), addRaw(4*h.Hashes, 4*wire.MaxPushPullHashes))
		// One of differences goes on.
		switch next, err := r.ReadType(); {
		case err == nil && next == wire.TypePushPull:
			errs = errors.Join(errs, w.checkPlainStream(next, r))
			fallthrough
		case err == nil:
			raw = raw[:len(ours)]
		}
	case wire.TypeUser:
		var h wire.UserHeader
		if err := r.ReadMessage(&h); err != nil {
			return err
		}
		errs = errors.Join(add(&h, &userShape{h.UserMsgLen}), addRaw(h.UserMsgLen, wire.MaxUserMessage))
	case wire.TypePing:
		var p wire.Ping
		if err := r.ReadMessage(&p); err != nil {
			return err
		}
		errs = add(&p, &pingShape{p.SeqNo, p.Node, p.SourceAddr, p.SourcePort, p.SourceNode, p.View})
	case wire.TypeAck:
		var a wire.Ack
		if err := r.ReadMessage(&a); err != nil {
			return err
		}
		errs = add(&a, &ackShape{a.SeqNo, a.Payload, a.View})
	case wire.TypeErr:
		var e wire.Err
		if err := r.ReadMessage(&e); err != nil {
			return err
		}
		errs = add(&e, &errShape{e.Error})
	default:
		return fmt.Errorf("%v on a stream", t)
	}
	if errs != nil {
		return errs
	}
	if !bytes.Equal(ours, raw) {
		return fmt.Errorf("%v: wire makes\n%x of\n%x", t, ours, raw)
	}
	if !bytes.Equal(theirs, raw) {
		return fmt.Errorf("%v: go-msgpack makes\n%x of\n%x", t, theirs, raw)
	}
	return nil
}
