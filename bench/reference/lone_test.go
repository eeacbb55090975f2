// Code generated from ../suite by go generate; DO NOT EDIT.

package suite

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"
)

// loneTransport is that of a member whose peers are this test: it counts the packets sent, answers a dialled stream with
// what it was given, and hands over what it is told to.
type loneTransport struct {
	packets chan *memberlist.Packet
	streams chan net.Conn
	answer  []byte         // what a dialled stream is answered with
	peer    *loneTransport // who has the other end of a dialled stream instead
	sent    counter
	started time.Time // when every packet is sent: neither library looks at that here, and the clock takes 50 ns
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

// counter tells when something has happened so many times.
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

// expect sets the target to n more; then await waits for them. What got lost will never come.
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

// scriptedConn is a stream of which the peer's side is known beforehand, and what is written goes nowhere.
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

// listener is a delegate that counts user messages, and has nothing to say.
type listener struct {
	heard  counter
	held   chan struct{} // gives a value once the delegate is held up, and another to let it go on
	latest byte          // the first byte of the last message
}

// holdMessage holds the delegate up.
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

// lone is a member whose peers are this test.
type lone struct {
	*memberlist.Memberlist
	mode        mode
	transport   *loneTransport
	heard       counter
	delegate    *listener
	newestFirst bool // how it takes what waits to be handled
	hold        *memberlist.Packet
	first, last *memberlist.Packet
	ping        *memberlist.Packet
}

// newLone starts a member that knows so many others.
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
		l.meet(tb, known)
		l.transport.answer = nil
	}
	l.receive(nil)
	l.newestFirst = l.delegate.latest == '1'
	return l
}

// stop shuts the member down, and lets go of it: what waits for the end of the benchmark would keep all that it knows.
func (l *lone) stop() {
	if l.Memberlist != nil {
		l.Shutdown()
	}
	*l = lone{}
}

// meet joins those that a dialled stream answers with.
func (l *lone) meet(tb testing.TB, known int) {
	tb.Helper()
	if _, err := l.Join([]string{memberAddr(1).String()}); err != nil {
		tb.Fatal(err)
	}
	if got := l.NumMembers(); got != known+1 {
		tb.Fatalf("%d members, want %d", got, known+1)
	}
}

// receive hands packets over and returns when what they say has been handled. A library may do that in any order, and on
// several goroutines, so that one message of this test alone would not tell. Therefore the delegate first holds up who
// handles user messages; then come a message, the packets, another message, and a ping. When that is acked all have been
// received, and the delegate lets go. Whether the newest are handled first or the oldest, once both messages are, all is.
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

// member is the one of that name.
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
