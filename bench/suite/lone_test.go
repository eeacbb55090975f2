package suite

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/e3431adc/memberlist"
)

// loneTransport is the transport of a member whose peers are simulated by the test. It counts the packets sent,
// replies on a dialled stream with given bytes, and delivers given packets.
type loneTransport struct {
	packets chan *memberlist.Packet
	streams chan net.Conn
	answer  []byte         // reply on a dialled stream
	peer    *loneTransport // the other end of a dialled stream, if not nil
	sent    counter
	started time.Time // timestamp of every packet: neither library uses it here, and reading the clock takes 50 ns
}

func newLoneTransport() *loneTransport {
	return &loneTransport{
		packets: make(chan *memberlist.Packet, 256),
		streams: make(chan net.Conn),
		sent:    newCounter(),
		started: time.Now(),
	}
}

func (t *loneTransport) FinalAdvertiseAddr(ip string, port int) (net.IP, int, error) {
	return net.ParseIP(ip).To4(), port, nil
}

func (t *loneTransport) WriteTo([]byte, string) (time.Time, error) {
	t.sent.add()
	return t.started, nil
}

func (t *loneTransport) DialTimeout(string, time.Duration) (net.Conn, error) {
	switch {
	case t.peer != nil:
		near, far := newPipe(memberAddr(1), memberAddr(2))
		t.peer.streams <- far
		return near, nil
	case t.answer != nil:
		return &scriptedConn{t.answer}, nil
	default:
		return nil, errors.New("nobody answers streams")
	}
}

func (t *loneTransport) PacketCh() <-chan *memberlist.Packet { return t.packets }
func (t *loneTransport) StreamCh() <-chan net.Conn           { return t.streams }
func (t *loneTransport) Shutdown() error                     { return nil }

// counter signals when an event has happened a number of times.
type counter struct {
	count   *atomic.Int64
	target  *atomic.Int64
	reached chan struct{}
}

func newCounter() counter {
	return counter{count: new(atomic.Int64), target: new(atomic.Int64), reached: make(chan struct{}, 1)}
}

func (c counter) add() {
	if c.count.Add(1) == c.target.Load() {
		c.reached <- struct{}{}
	}
}

// expect sets the target to n more events, for await. Lost ones will never arrive.
func (c counter) expect(n int) { c.target.Store(c.count.Load() + int64(n)) }

func (c counter) await() {
	timer := time.NewTimer(time.Minute)
	defer timer.Stop()
	select {
	case <-c.reached:
	case <-timer.C:
		panic("what the benchmark waits for does not come")
	}
}

// scriptedConn is a stream with predetermined input, whose output is discarded.
type scriptedConn struct{ reading []byte }

func (c *scriptedConn) Read(b []byte) (int, error) {
	if len(c.reading) == 0 {
		return 0, io.EOF
	}
	n := copy(b, c.reading)
	c.reading = c.reading[n:]
	return n, nil
}

func (c *scriptedConn) Write(b []byte) (int, error)      { return len(b), nil }
func (c *scriptedConn) Close() error                     { return nil }
func (c *scriptedConn) LocalAddr() net.Addr              { return &net.TCPAddr{IP: memberIP(2), Port: port} }
func (c *scriptedConn) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: memberIP(1), Port: port} }
func (c *scriptedConn) SetDeadline(time.Time) error      { return nil }
func (c *scriptedConn) SetReadDeadline(time.Time) error  { return nil }
func (c *scriptedConn) SetWriteDeadline(time.Time) error { return nil }

// listener is a delegate that counts user messages, and has no broadcasts.
type listener struct {
	heard  counter
	held   chan struct{} // receives a value when the delegate blocks; the next value releases it
	latest byte          // the first byte of the last message
}

// holdMessage makes the delegate block.
var holdMessage = []byte{typeUser, 'h'}

func (l *listener) NotifyMsg(message []byte) {
	if bytes.Equal(message, holdMessage[1:]) {
		l.held <- struct{}{}
		l.held <- struct{}{}
		return
	}
	l.latest = message[0]
	l.heard.add()
}
func (l *listener) NodeMeta(int) []byte             { return nil }
func (l *listener) GetBroadcasts(int, int) [][]byte { return nil }
func (l *listener) LocalState(bool) []byte          { return nil }
func (l *listener) MergeRemoteState([]byte, bool)   {}

// lone is a member whose peers are simulated by the test.
type lone struct {
	*memberlist.Memberlist
	mode        mode
	transport   *loneTransport
	heard       counter
	delegate    *listener
	newestFirst bool // the library handles waiting packets in this order
	hold        *memberlist.Packet
	first, last *memberlist.Packet
	ping        *memberlist.Packet
}

// newLone starts a member that knows the given number of others.
func newLone(tb testing.TB, m mode, known int) *lone {
	tb.Helper()
	return newLoneOf(tb, m, known, func(*memberlist.Config) {})
}

// newLoneOf is newLone with a changed configuration.
func newLoneOf(tb testing.TB, m mode, known int, change func(*memberlist.Config)) *lone {
	tb.Helper()
	l := &lone{mode: m, transport: newLoneTransport(), heard: newCounter()}
	l.delegate = &listener{heard: l.heard, held: make(chan struct{})}
	l.hold = m.packet(tb, holdMessage)
	l.first, l.last = m.packet(tb, []byte{typeUser, '1'}), m.packet(tb, []byte{typeUser, '2'})
	l.ping = m.packet(tb, pingMessage(tb))
	c := m.config(tb, l.transport)
	c.Delegate = l.delegate
	change(c)
	created, err := memberlist.Create(c)
	if err != nil {
		tb.Fatal(err)
	}
	l.Memberlist = created
	tb.Cleanup(l.stop)
	if known > 0 {
		l.transport.answer = m.stream(tb, pushPullMessage(tb, known))
		l.addMembers(tb, known)
		l.transport.answer = nil
	}
	l.receive(nil)
	l.newestFirst = l.delegate.latest == '1'
	return l
}

// stop shuts the member down, and drops references to it: cleanups would keep all of its memory until the benchmark
// ends.
func (l *lone) stop() {
	if l.Memberlist != nil {
		l.Shutdown()
	}
	*l = lone{}
}

// addMembers joins members that a dialled stream replies with.
func (l *lone) addMembers(tb testing.TB, known int) {
	tb.Helper()
	if _, err := l.Join([]string{memberAddr(1).String()}); err != nil {
		tb.Fatal(err)
	}
	if got := l.NumMembers(); got != known+1 {
		tb.Fatalf("%d members, want %d", got, known+1)
	}
}

// receive delivers packets and returns when their messages have been handled. A library may handle them in any order
// and on several goroutines, so that one marker message is not enough. Therefore the delegate first blocks the
// goroutine that handles user messages; then come a message, the packets, another message, and a ping. When that is
// acked all have been received, and the delegate is released. Whichever order is used, once both messages are
// handled, all are.
func (l *lone) receive(packets []*memberlist.Packet) {
	l.transport.packets <- l.hold
	<-l.delegate.held
	l.heard.expect(2)
	l.transport.sent.expect(1)
	l.transport.packets <- l.first
	for _, p := range packets {
		l.transport.packets <- p
	}
	l.transport.packets <- l.last
	l.transport.packets <- l.ping
	l.transport.sent.await()
	<-l.delegate.held
	l.heard.await()
}

// member returns the member with a name.
func (l *lone) member(tb testing.TB, name string) *memberlist.Node {
	tb.Helper()
	for _, n := range l.Members() {
		if n.Name == name {
			return n
		}
	}
	tb.Fatalf("no member %q", name)
	return nil
}
