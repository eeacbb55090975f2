package memberlist

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// Limits of inbound streams, all together.
const (
	// maxInboundStreams is how many streams that peers opened are served at
	// once. One more takes the place of the oldest, if that is slow, or else is
	// closed unread.
	maxInboundStreams = 512

	// maxSourceStreams is how many of them may come from one IP address, so that
	// nobody alone can keep the others out. Members behind one address share it.
	maxSourceStreams = 128

	// slowStream is after what time a stream is slow, and gives way to another
	// when there are too many.
	slowStream = time.Second

	// maxPushPulls is how many push/pull exchanges that peers began are served
	// at once.
	maxPushPulls = 128

	// maxInboundBytes is how much memory all streams that are being read may
	// take. It is a few times what the largest legal exchange takes.
	maxInboundBytes = 256 << 20
)

// streamSet knows the open streams, so that Shutdown can close them, and what
// the inbound ones take.
type streamSet struct {
	pushPulls atomic.Int64 // push/pulls being answered
	bytes     atomic.Int64 // memory of streams being read

	mu struct {
		sync.Mutex
		closed   bool
		open     map[net.Conn]struct{}
		inbound  []*inboundStream   // being served, the oldest first
		bySource map[netip.Addr]int // how many of them are from one address
	}
}

// inboundStream is a stream that is being served.
type inboundStream struct {
	conn   net.Conn
	source netip.Addr
	since  time.Time
}

func newStreamSet() *streamSet {
	s := new(streamSet)
	s.mu.open = make(map[net.Conn]struct{})
	s.mu.bySource = make(map[netip.Addr]int)
	return s
}

// admit lets in one more stream from a source, which must be released, and gives
// the slow one that it takes the place of and that is to be closed, if any. It
// gives nil if there is no place.
func (s *streamSet) admit(conn net.Conn, source netip.Addr, now time.Time) (admitted, evicted *inboundStream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	crowded := s.mu.bySource[source] >= maxSourceStreams
	if crowded || len(s.mu.inbound) >= maxInboundStreams {
		oldest := slices.IndexFunc(s.mu.inbound, func(i *inboundStream) bool { return !crowded || i.source == source })
		evicted = s.mu.inbound[oldest]
		if now.Sub(evicted.since) < slowStream {
			return nil, nil
		}
		s.releaseLocked(evicted)
	}
	admitted = &inboundStream{conn, source, now}
	s.mu.inbound = append(s.mu.inbound, admitted)
	s.mu.bySource[source]++
	return admitted, evicted
}

func (s *streamSet) release(i *inboundStream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.releaseLocked(i)
}

// releaseLocked does nothing for a stream that had to give way.
func (s *streamSet) releaseLocked(i *inboundStream) {
	at := slices.Index(s.mu.inbound, i)
	if at < 0 {
		return
	}
	s.mu.inbound = slices.Delete(s.mu.inbound, at, at+1)
	s.mu.bySource[i.source]--
	if s.mu.bySource[i.source] == 0 {
		delete(s.mu.bySource, i.source)
	}
}

// add reports false if all streams are to be closed; then conn is.
func (s *streamSet) add(conn net.Conn) bool {
	s.mu.Lock()
	closed := s.mu.closed
	if !closed {
		s.mu.open[conn] = struct{}{}
	}
	s.mu.Unlock()
	if closed {
		conn.Close()
	}
	return !closed
}

// remove closes a stream.
func (s *streamSet) remove(conn net.Conn) {
	s.mu.Lock()
	delete(s.mu.open, conn)
	s.mu.Unlock()
	conn.Close()
}

// numOpen is how many streams are open.
func (s *streamSet) numOpen() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mu.open)
}

// closeAll closes all streams, and those yet to come.
func (s *streamSet) closeAll() {
	s.mu.Lock()
	open := s.mu.open
	s.mu.open, s.mu.closed = nil, true // nothing is added any more
	s.mu.Unlock()
	for conn := range open {
		conn.Close()
	}
}

// input is the reading side of one stream, with what reading it takes of the
// memory for all.
type input struct {
	conn  net.Conn
	set   *streamSet
	label *heardLabel // that the stream begins with
	size  int         // bytes read
	taken int64       // memory
}

func (in *input) Read(b []byte) (int, error) {
	n, err := in.conn.Read(b)
	in.size += n
	return n, err
}

func (in *input) reserve(n int) error {
	if in.set.bytes.Add(int64(n)) > maxInboundBytes {
		in.set.bytes.Add(int64(-n))
		return fmt.Errorf("%w: all streams together exceed %d bytes", ErrMessageTooLarge, maxInboundBytes)
	}
	in.taken += int64(n)
	return nil
}

func (in *input) release() {
	in.set.bytes.Add(-in.taken)
	in.taken = 0
}

// streamLoop serves streams that peers open. It ends with the Memberlist, or
// when the transport closes its channel.
func (m *Memberlist) streamLoop() {
	for {
		select {
		case conn, ok := <-m.transport.StreamCh():
			if !ok {
				return
			}
			m.acceptStream(conn)
		case <-m.tasks.stopping:
			return
		}
	}
}

// acceptStream serves a stream on a goroutine of its own, which ends by
// Config.TCPTimeout unless a delegate takes longer.
func (m *Memberlist) acceptStream(conn net.Conn) {
	m.add(keyTCPAccept, 1)
	source := senderOf(conn.RemoteAddr()).AddrPort.Addr()
	if !m.senderAllowed(source) {
		m.drop(keyDroppedCIDR, "stream cidr", "closing stream from outside of the allowed networks", conn.RemoteAddr(), nil)
		conn.Close()
		return
	}
	admitted, evicted := m.streams.admit(conn, source, time.Now())
	if admitted == nil {
		m.drop(keyDroppedRate, "stream count", "closing stream, too many are open", conn.RemoteAddr(), nil)
		conn.Close()
		return
	}
	if evicted != nil {
		m.drop(keyDroppedRate, "stream slow", "closing slow stream, too many are open", evicted.conn.RemoteAddr(), nil)
		evicted.conn.Close()
	}
	serve := func() {
		defer m.streams.release(admitted)
		defer m.streams.remove(conn)
		if err := m.serveStream(conn); err != nil && !errors.Is(err, io.EOF) {
			m.drop(keyOfStreamError(err), "stream", "stream failed", conn.RemoteAddr(), err)
		}
	}
	if !m.streams.add(conn) || !m.tasks.start(serve) {
		m.streams.release(admitted)
		m.streams.remove(conn)
	}
}

// keyOfStreamError is the metric for a stream that could not be served.
func keyOfStreamError(err error) counter {
	switch {
	case errors.Is(err, ErrLabelMismatch), errors.Is(err, wire.ErrLabel):
		return keyDroppedLabel
	case errors.Is(err, ErrDecrypt), errors.Is(err, ErrNotEncrypted), errors.Is(err, ErrEncrypted):
		return keyDroppedDecrypt
	case errors.Is(err, ErrMessageTooLarge):
		return keyDroppedOversize
	default:
		return keyDroppedDecode
	}
}

// serveStream reads one request and answers it.
func (m *Memberlist) serveStream(conn net.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(m.config.TCPTimeout)); err != nil {
		return err
	}
	in := &input{conn: conn, set: m.streams, label: &m.labels[0]}
	defer in.release()
	kind, r, err := m.readRequest(in)
	if err != nil {
		if !errors.Is(err, io.EOF) {
			m.refuse(in, err)
		}
		return err
	}
	if in.label.usage != nil {
		in.label.usage.stream(time.Now(), senderOf(conn.RemoteAddr()))
	}
	switch kind {
	case wire.TypeUser:
		return m.serveUserMessage(r)
	case wire.TypePushPull:
		return m.servePushPull(in, r)
	case wire.TypePing:
		return m.serveStreamPing(in, r)
	default:
		return fmt.Errorf("%w: %v on a stream", wire.ErrUnknownType, kind)
	}
}

// answerError tells the peer what is wrong; it may not be there to hear it.
func (m *Memberlist) answerError(in *input, err error) error {
	return m.writeStream(in.conn, in.label.text, nil, (&wire.Err{Error: refusalText(err)}).Append(nil))
}

// What is read and dropped of a request that was refused unread, so that the
// peer, which is still writing it, gets to read the refusal: a stream that is
// closed with bytes unread is reset.
const (
	lingerBytes = 1 << 20
	lingerTime  = 2 * time.Second
)

// refuse answers a request that was not read to its end.
func (m *Memberlist) refuse(in *input, err error) {
	if m.answerError(in, err) != nil {
		return
	}
	in.release() // nothing of it is needed any more
	if in.conn.SetDeadline(time.Now().Add(min(lingerTime, m.config.TCPTimeout))) == nil {
		_, _ = io.CopyN(io.Discard, in.conn, lingerBytes)
	}
}

// readRequest reads the label header of a stream that a peer opened, and up to
// the type of the message in it.
func (m *Memberlist) readRequest(in *input) (wire.Type, *wire.StreamReader, error) {
	r := wire.NewStreamReader(in, in.reserve)
	kind, err := r.ReadType()
	if err != nil {
		return 0, nil, err
	}
	var label []byte
	if kind == wire.TypeLabel {
		size, err := r.ReadN(1, 1)
		if err != nil {
			return 0, nil, err
		}
		if size[0] == 0 {
			return 0, nil, fmt.Errorf("%w: empty", wire.ErrLabel)
		}
		text, err := r.ReadN(int(size[0]), wire.MaxLabel)
		if err != nil {
			return 0, nil, err
		}
		label = bytes.Clone(text)
		if kind, err = r.ReadType(); err != nil {
			return 0, nil, err
		}
	}
	heard, err := m.checkLabel(label)
	if err != nil {
		// The answer is for who speaks under that label, if it has our key. It tells others nothing.
		in.label = &heardLabel{text: string(label)}
		return 0, nil, err
	}
	in.label = heard
	return m.readLayers(in, kind, r)
}

// readReply reads up to the type of the message that a peer answers with.
func (m *Memberlist) readReply(in *input, r *wire.StreamReader) (wire.Type, *wire.StreamReader, error) {
	kind, err := r.ReadType()
	if err != nil {
		return 0, nil, err
	}
	kind, r, err = m.readLayers(in, kind, r)
	if err != nil || kind != wire.TypeErr {
		return kind, r, err
	}
	var remote wire.Err
	if err := r.ReadMessage(&remote); err != nil {
		return 0, nil, err
	}
	return 0, nil, &RemoteError{Text: remote.Error}
}

// readLayers decrypts and decompresses what a stream begins with, if it is
// that, and gives the type of the message inside.
func (m *Memberlist) readLayers(in *input, kind wire.Type, r *wire.StreamReader) (wire.Type, *wire.StreamReader, error) {
	keys := m.keyring.load()
	var err error
	switch {
	case kind == wire.TypeEncrypt && len(keys.ciphers) == 0:
		return 0, nil, ErrEncrypted
	case kind == wire.TypeEncrypt:
		var used int
		if r, used, err = r.OpenFrame(keys.ciphers, in.label.text); err != nil {
			return 0, nil, err
		}
		keys.keys[used].usage.stream(time.Now(), senderOf(in.conn.RemoteAddr()))
		if kind, err = r.ReadType(); err != nil {
			return 0, nil, err
		}
	case len(keys.ciphers) > 0 && m.config.GossipVerifyIncoming:
		return 0, nil, ErrNotEncrypted
	}
	if kind == wire.TypeCompress {
		if r, err = r.Decompress(); err != nil {
			return 0, nil, err
		}
		if kind, err = r.ReadType(); err != nil {
			return 0, nil, err
		}
	}
	return kind, r, nil
}

// streamWriter is what a message for a stream is put together in. It is used
// again: a net.Conn does not keep what it writes.
type streamWriter struct {
	compressor wire.Compressor
	compressed []byte
	out        []byte
}

// writeStream writes a message to a stream: compressed if that is shorter,
// sealed if there are keys, together with the stream's label. The header is what
// comes before all else.
func (m *Memberlist) writeStream(conn net.Conn, label string, header, message []byte) error {
	w := m.streamWriters.Get().(*streamWriter)
	defer m.streamWriters.Put(w)
	if m.config.EnableCompression {
		compressed, shorter := w.compressor.AppendShorter(w.compressed[:0], message)
		w.compressed = compressed
		if shorter {
			message = compressed
		}
	}
	out := append(w.out[:0], header...)
	if c := m.sealer(); c != nil {
		if sealed := wire.SealedSize(m.config.sealVersion(), len(message)); sealed > wire.MaxSealedFrame {
			return fmt.Errorf("%w: %d bytes, the limit of a stream is %d", ErrMessageTooLarge, sealed, wire.MaxSealedFrame)
		}
		out = wire.AppendSealedFrame(out, c, m.config.sealVersion(), newNonce(), label, message)
	} else {
		out = append(out, message...)
	}
	w.out = out
	m.add(keyTCPSent, len(out))
	_, err := conn.Write(out)
	return err
}

// exchange opens a stream, sends a message and has read take the reply, all by
// the deadline and before ctx ends. A nil read means that there is none.
func (m *Memberlist) exchange(ctx context.Context, to Address, deadline time.Time, message []byte, read func(*input, *wire.StreamReader) error) error {
	if err := m.checkName(to); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return contextError(ctx)
	}
	conn, err := m.dial(ctx, to, deadline)
	if err != nil {
		return m.endedOr(ctx, err)
	}
	if !m.streams.add(conn) {
		return ErrShutdown
	}
	defer m.streams.remove(conn)
	if ctx.Done() != nil {
		defer context.AfterFunc(ctx, func() { conn.Close() })()
	}
	m.add(keyTCPConnect, 1)
	if err := conn.SetDeadline(deadline); err != nil {
		return m.endedOr(ctx, err)
	}
	in := &input{conn: conn, set: m.streams, label: &m.labels[0]}
	defer in.release()
	err = m.writeStream(conn, m.config.Label, m.labelHeader, message)
	if err == nil && read != nil {
		err = read(in, wire.NewStreamReader(in, in.reserve))
	}
	if in.size == 0 && closedByPeer(err) {
		err = fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	return m.endedOr(ctx, err)
}

// closedByPeer reports whether an error of reading or writing comes from the
// other side's closing the stream.
func closedByPeer(err error) bool {
	var op *net.OpError
	return errors.Is(err, io.EOF) || errors.As(err, &op) && !op.Timeout()
}

// dial opens a stream by the deadline, unless ctx ends before.
func (m *Memberlist) dial(ctx context.Context, to Address, deadline time.Time) (net.Conn, error) {
	if m.udp != nil {
		return m.udp.dial(ctx, to.Addr, time.Until(deadline))
	}
	if ctx.Done() == nil {
		return m.transport.DialAddressTimeout(to, time.Until(deadline))
	}
	return m.dialAbandonably(ctx, to, deadline)
}

// dialAbandonably dials with a transport that cannot be told of a context, on a
// goroutine that ends by the deadline. When nobody waits any more, a stream that
// still comes is closed.
func (m *Memberlist) dialAbandonably(ctx context.Context, to Address, deadline time.Time) (net.Conn, error) {
	type dialled struct {
		conn net.Conn
		err  error
	}
	result := make(chan dialled)
	started := m.tasks.start(func() {
		conn, err := m.transport.DialAddressTimeout(to, time.Until(deadline))
		select {
		case result <- dialled{conn, err}:
			return
		case <-ctx.Done():
		case <-m.tasks.stopping:
		}
		if err == nil {
			conn.Close()
		}
	})
	if !started {
		return nil, ErrShutdown
	}
	select {
	case d := <-result:
		return d.conn, d.err
	case <-ctx.Done():
		return nil, contextError(ctx)
	case <-m.tasks.stopping:
		return nil, ErrShutdown
	}
}

// endedOr gives ErrShutdown for an error that comes from being stopped, and the
// context's for one that comes from its end.
func (m *Memberlist) endedOr(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	select {
	case <-m.tasks.stopping:
		return ErrShutdown
	case <-ctx.Done():
		return contextError(ctx)
	default:
		return err
	}
}

// serveUserMessage reads a user message and hands it to the delegate.
func (m *Memberlist) serveUserMessage(r *wire.StreamReader) error {
	var header wire.UserHeader
	if err := r.ReadMessage(&header); err != nil {
		return err
	}
	if err := header.Validate(); err != nil {
		return err
	}
	message, err := r.ReadN(header.UserMsgLen, wire.MaxUserMessage)
	if err != nil {
		return fmt.Errorf("read user message of %d bytes: %w", header.UserMsgLen, err)
	}
	m.notifyMessage(message)
	return nil
}

// sendUserMessage sends a user message on a stream of its own.
func (m *Memberlist) sendUserMessage(ctx context.Context, to Address, message []byte) error {
	if len(message) > wire.MaxUserMessage {
		return fmt.Errorf("%w: %d bytes, the limit is %d", ErrMessageTooLarge, len(message), wire.MaxUserMessage)
	}
	buf := (&wire.UserHeader{UserMsgLen: len(message)}).Append(nil)
	return m.exchange(ctx, to, time.Now().Add(m.config.TCPTimeout), append(buf, message...), nil)
}

// serveStreamPing acks a ping for us.
func (m *Memberlist) serveStreamPing(in *input, r *wire.StreamReader) error {
	var ping wire.Ping
	if err := r.ReadMessage(&ping); err != nil {
		return err
	}
	if ping.Node != "" && ping.Node != m.config.Name {
		return fmt.Errorf("ping for another member %q", ping.Node)
	}
	return m.writeStream(in.conn, in.label.text, nil, (&wire.Ack{SeqNo: ping.SeqNo}).Append(nil))
}

// streamPing pings a member on a stream.
func (m *Memberlist) streamPing(to swim.Member, seq uint32, deadline time.Time) error {
	self := m.LocalNode()
	ping := wire.Ping{SeqNo: seq, Node: to.Name, SourceAddr: self.Addr, SourcePort: self.Port, SourceNode: self.Name}
	return m.exchange(context.Background(), addressOfMember(&to), deadline, ping.Append(nil), func(in *input, r *wire.StreamReader) error {
		kind, r, err := m.readReply(in, r)
		if err != nil {
			return err
		}
		if kind != wire.TypeAck {
			return fmt.Errorf("%w: %v in reply to a ping", wire.ErrUnknownType, kind)
		}
		var ack wire.Ack
		if err := r.ReadMessage(&ack); err != nil {
			return err
		}
		if ack.SeqNo != seq {
			return fmt.Errorf("%w: ack %d for ping %d", wire.ErrMalformed, ack.SeqNo, seq)
		}
		return nil
	})
}

func addressOfMember(member *swim.Member) Address {
	return Address{Addr: member.Addr.String(), Name: member.Name}
}

// startStream begins what the core asks for, on a goroutine that ends by the
// stream's deadline.
func (m *Memberlist) startStream(s swim.Stream) {
	m.tasks.start(func() {
		switch s.Kind {
		case swim.StreamPing:
			m.probeOnStream(s)
		case swim.StreamPushPull:
			m.pushPullWith(s.To)
		case swim.StreamFarewell:
			m.syncWith(s.To)
		case swim.StreamReconnect:
			m.reconnect(s.To)
		case swim.StreamSeeds:
			m.trySeeds()
		}
	})
}

// probeOnStream pings a member that did not answer in packets.
func (m *Memberlist) probeOnStream(s swim.Stream) {
	if m.streamPingDisabled(s.To.Name) {
		return
	}
	err := m.streamPing(s.To, s.Seq, s.Deadline)
	m.noteStream(&s.To, err)
	if err != nil {
		m.log.limited("stream ping", slog.LevelDebug, "ping on a stream failed", memberAttrs(&s.To, errAttr(err))...)
		return
	}
	t := m.beginTurn()
	t.core.StreamPingDone(s.Seq)
	m.endTurn(t)
}

func (m *Memberlist) streamPingDisabled(name string) bool {
	if m.config.DisableTcpPings {
		return true
	}
	if m.config.DisableTcpPingsForNode == nil {
		return false
	}
	if !m.tasks.goAway() {
		return true
	}
	defer m.tasks.comeBack()
	return m.config.DisableTcpPingsForNode(name)
}
