package swim

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/queue"
	"github.com/e3431adc/memberlist/internal/wire"
)

// node is a Core under test in a turn that lasts until take. Its clock is the turn's.
type node struct {
	*Turn
	t   *testing.T
	out *Output // of the previous turn
}

var (
	testStart    = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	testVersions = Versions{1, 5, 2, 0, 0, 0}
)

func testConfig() Config {
	return Config{
		Name:                    "self",
		DefaultPort:             7946,
		ProbeInterval:           time.Second,
		ProbeTimeout:            500 * time.Millisecond,
		IndirectChecks:          3,
		SuspicionMult:           4,
		SuspicionMaxTimeoutMult: 6,
		AwarenessMaxMultiplier:  8,
		GossipInterval:          200 * time.Millisecond,
		GossipNodes:             3,
		GossipToTheDeadTime:     30 * time.Second,
		RetransmitMult:          4,
		Room:                    1400,
		PushPullInterval:        30 * time.Second,
		Rand:                    rand.New(rand.NewPCG(1, 2)),
	}
}

// newNode returns an announced node whose loops have not been started. The output of the announcement has been taken.
func newNode(t *testing.T, change func(*Config)) *node {
	t.Helper()
	cfg := testConfig()
	if change != nil {
		change(&cfg)
	}
	n := &node{Turn: New(cfg).Begin(testStart, new(Output)), t: t, out: new(Output)}
	n.Announce(memberAddr(0), nil, testVersions, 0)
	n.take()
	return n
}

func memberAddr(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 7946)
}

func memberName(i int) string { return fmt.Sprintf("m%d", i) }

// take returns the output since the last take.
func (n *node) take() *Output {
	n.out = swap(n.Turn, n.out)
	return n.out
}

// swap ends a turn, begins another with an Output at the same time, and returns that of the first.
func swap(t *Turn, with *Output) *Output {
	out, now := t.out, t.now
	t.End()
	t.Begin(now, with)
	return out
}

func (n *node) after(d time.Duration) *node {
	n.now = n.now.Add(d)
	return n
}

// Step delivers a message as a driver does: encoded, and decoded into the type that the Core accepts.
func (n *node) Step(from Endpoint, m wire.Message) {
	n.t.Helper()
	body := m.Append(nil)[1:]
	switch m.Type() {
	case wire.TypeAlive, wire.TypeSuspect, wire.TypeDead:
		n.StepGossip(from, viewOf(n.t, m.Type(), body))
	default:
		n.Turn.Step(from, m)
	}
	for i := range body {
		body[i] = 0xff // the Core must keep no reference
	}
}

// viewOf decodes an alive, suspect or dead message.
func viewOf(t testing.TB, kind wire.Type, body []byte) *wire.GossipView {
	t.Helper()
	v := new(wire.GossipView)
	if err := v.Parse(kind, body); err != nil {
		t.Fatal(err)
	}
	return v
}

// StepPing delivers a ping, with the payload for its ack.
func (n *node) StepPing(from Endpoint, p *wire.Ping, payload []byte) {
	n.t.Helper()
	var v wire.PingView
	if err := v.Parse(p.Append(nil)[1:]); err != nil {
		n.t.Fatal(err)
	}
	n.Turn.StepPing(from, &v, payload)
}

// Merge delivers the states of a push/pull.
func (n *node) Merge(states []wire.PushNodeState) {
	for read := wire.StatesOf(states...); read.Len() > 0; {
		n.Turn.Merge(new(Peer), &read)
	}
}

// NextDeadline returns the first deadline, of an idle loop or not.
func (n *node) NextDeadline() (time.Time, bool) {
	at := n.deadlines.nextBut(0)
	return at, !at.IsZero()
}

// NextWakeup returns the wakeup in the output of a turn that ended now.
func (n *node) NextWakeup() (time.Time, bool) {
	at := n.loops.nextWakeup(n.Turn)
	return at, !at.IsZero()
}

// run ticks at every deadline for a time.
func (n *node) run(d time.Duration, each func(*Output)) {
	end := n.now.Add(d)
	for {
		at, ok := n.NextDeadline()
		if !ok || at.After(end) {
			n.now = end
			return
		}
		n.now = at
		n.Tick()
		each(n.take())
	}
}

func aliveOf(i int, incarnation uint32) *wire.Alive {
	return &wire.Alive{Incarnation: incarnation, Node: memberName(i), Addr: memberAddr(i).Addr().AsSlice(), Port: 7946,
		Vsn: testVersions[:]}
}

// withMembers makes members 1 to k known as alive at incarnation 1, as if each had answered a ping.
func (n *node) withMembers(k int) *node {
	n.t.Helper()
	for i := 1; i <= k; i++ {
		n.Step(Endpoint{}, aliveOf(i, 1))
		n.table.named(memberName(i)).answered = true
	}
	n.take()
	return n
}

// alive delivers an alive message from member 1, or from a transport without IP addresses while that is no member.
func (n *node) alive(a *wire.Alive) *Output {
	from := Endpoint{AddrPort: memberAddr(1)}
	if n.senderOf(from, nil).stranger {
		from = Endpoint{}
	}
	n.Step(from, a)
	return n.take()
}

// answerPings acks the pings that were sent since the last take, from where they went.
func (n *node) answerPings() {
	n.t.Helper()
	for _, p := range n.take().Packets {
		for _, m := range p.Messages {
			if ping, ok := parse(n.t, m).(*wire.Ping); ok {
				n.Step(p.To, ackOf(ping.SeqNo))
			}
		}
	}
}

func (n *node) suspect(i int, incarnation uint32, from string) *Output {
	n.Step(Endpoint{}, &wire.Suspect{Incarnation: incarnation, Node: memberName(i), From: from})
	return n.take()
}

func (n *node) dead(i int, incarnation uint32, from string) *Output {
	n.Step(Endpoint{}, &wire.Dead{Incarnation: incarnation, Node: memberName(i), From: from})
	return n.take()
}

// want checks the state and incarnation of member i.
func (n *node) want(i int, state State, incarnation uint32) {
	n.t.Helper()
	m, ok := n.Member(memberName(i))
	if !ok {
		n.t.Fatalf("member %d is not known", i)
	}
	if m.State != state || m.Incarnation != incarnation {
		n.t.Errorf("member %d is %v at %d, want %v at %d", i, m.State, m.Incarnation, state, incarnation)
	}
}

// kinds returns the kinds of events.
func kinds(events []Event) []EventKind {
	var k []EventKind
	for _, e := range events {
		k = append(k, e.Kind)
	}
	return k
}

// queued takes all messages out of the broadcast queue, as if sent to one target. Their waiters keep waiting.
func (n *node) queued() []wire.Message {
	n.t.Helper()
	var messages []wire.Message
	n.queue.order.Take(2, 1<<20, 1, func(i *queue.Item[broadcast], _ bool) {
		b := &i.Value
		message := n.queue.append(n.Core, nil, b)
		if size := i.Size(); len(message) != size {
			n.t.Errorf("%d bytes that were queued as %d: %x", len(message), size, message)
		}
		messages = append(messages, parse(n.t, message))
		if b.kind != leftOldAddr {
			n.queue.about[b.member] = nil
		}
	})
	return messages
}

// parse decodes a message with its type.
func parse(t *testing.T, b []byte) wire.Message {
	t.Helper()
	var m interface {
		wire.Message
		Parse([]byte, *wire.Names) error
	}
	switch wire.Type(b[0]) {
	case wire.TypePing:
		m = &wire.Ping{}
	case wire.TypeIndirectPing:
		m = &wire.IndirectPing{}
	case wire.TypeAck:
		m = &wire.Ack{}
	case wire.TypeNack:
		m = &wire.Nack{}
	case wire.TypeAlive:
		m = &wire.Alive{}
	case wire.TypeSuspect:
		m = &wire.Suspect{}
	case wire.TypeDead:
		m = &wire.Dead{}
	default:
		t.Fatalf("unexpected message type %d", b[0])
	}
	if err := m.Parse(b[1:], nil); err != nil {
		t.Fatalf("parse %x: %v", b, err)
	}
	return m
}

// describe returns a message as one line of text.
func describe(m wire.Message) string {
	switch m := m.(type) {
	case *wire.Alive:
		return fmt.Sprintf("alive %s@%d %s", m.Node, m.Incarnation, m.Meta)
	case *wire.Suspect:
		return fmt.Sprintf("suspect %s@%d by %s", m.Node, m.Incarnation, m.From)
	case *wire.Dead:
		return fmt.Sprintf("dead %s@%d by %s", m.Node, m.Incarnation, m.From)
	case *wire.Ping:
		return fmt.Sprintf("ping %s", m.Node)
	case *wire.IndirectPing:
		return fmt.Sprintf("ping %s indirectly, nack %v", m.Node, m.Nack)
	case *wire.Ack:
		return fmt.Sprintf("ack %d", m.SeqNo)
	case *wire.Nack:
		return fmt.Sprintf("nack %d", m.SeqNo)
	default:
		return fmt.Sprint(m)
	}
}
