package oracle

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	our "github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/internal/wire"
	their "github.com/hashicorp/memberlist"
)

// The states of members on the wire.
const (
	alive = iota
	suspect
	dead
	left
)

func stateName(state int) string {
	if names := []string{"alive", "suspect", "dead", "left"}; state < len(names) {
		return names[state]
	}
	return fmt.Sprintf("state %d", state)
}

// member is a member as a node reports it.
type member struct {
	name        string
	addr        string
	meta        string
	versions    [6]byte
	incarnation uint32 // 0 if not reported
	state       int
}

func (m member) String() string {
	return fmt.Sprintf("%s %s@%d %s %q %v", m.name, stateName(m.state), m.incarnation, m.addr, m.meta, m.versions)
}

// gone reports whether a member is known to be dead or to have left.
func (m member) gone() bool { return m.name != "" && m.state >= dead }

func addrText(ip []byte, port uint16) string {
	addr, _ := netip.AddrFromSlice(ip)
	return netip.AddrPortFrom(addr.Unmap(), port).String()
}

// gossip is a message about a member.
type gossip struct {
	kind        wire.Type
	node        string
	incarnation uint32
	detail      string // the reporter, or the content of an alive
	size        int    // in bytes
}

func (g gossip) String() string {
	return fmt.Sprintf("%v %s@%d (%s)", g.kind, g.node, g.incarnation, g.detail)
}

// packet is a packet that a node sent.
type packet struct {
	to       string
	messages []gossip // those about members
	ack      uint32   // the sequence number of an ack in it
	ping     string   // the name in a ping
	crc      bool
}

// event is a call of a delegate.
type event struct {
	at   time.Duration // since the start
	node string
	text string
}

func (e event) String() string { return fmt.Sprintf("%v %s %s", e.at, e.node, e.text) }

// library is the methods of Memberlist that have the same types in both libraries.
type library interface {
	Join(existing []string) (int, error)
	UpdateNode(timeout time.Duration) error
	Leave(timeout time.Duration) error
	GetHealthScore() int
	Shutdown() error
}

// node is a node of one of the libraries, with its recorded effects.
type node struct {
	library
	profile profile
	members func() []member
	packets func(packet []byte, from netip.AddrPort)
	streams chan net.Conn
	started time.Time

	// verified is the name that the transport has verified of the sender of the packets, or "".
	verified string

	mu       sync.Mutex
	unpacker wire.Unpacker
	meta     string
	answer   []byte                            // the answer of a member that the node joins
	acks     map[netip.AddrPort]netip.AddrPort // sources of acks that differ from the pinged address; invalid: no ack
	sent     []packet
	events   []event
	asks     []string // calls of the alive delegate
	pushed   []string // states that the node sent in push/pulls that it began
	errs     []error
}

// verifiedAddr is the address of a sender whose name the transport has verified, if it is not "".
type verifiedAddr struct {
	net.Addr
	name string
}

func (a verifiedAddr) VerifiedName() string { return a.name }

func newNode(p profile) *node {
	return &node{profile: p, streams: make(chan net.Conn), started: time.Now(), meta: "first"}
}

func startOurs(p profile) (*node, error) {
	n := newNode(p)
	d := delegates[our.Node]{n, func(m *our.Node) member {
		return member{m.Name, addrText(m.Addr, m.Port), string(m.Meta), [6]byte{m.PMin, m.PMax, m.PCur, m.DMin, m.DMax, m.DCur}, 0, int(m.State)}
	}}
	c := our.DefaultLANConfig()
	c.DisableExtensions = true // which neither has
	t := newTransport(n, func(b []byte, from netip.AddrPort) *our.Packet {
		return &our.Packet{Buf: b, From: verifiedAddr{net.UDPAddrFromAddrPort(from), n.verified}, Timestamp: time.Now()}
	})
	c.Transport = t
	c.Name = self
	c.BindPort, c.AdvertisePort = port, port
	c.ProtocolVersion = p.protocol
	c.EnableCompression = p.compression
	if p.small {
		c.UDPBufferSize = smallPacket
	}
	c.ProbeInterval, c.ProbeTimeout = probeInterval, probeInterval/4
	c.SuspicionMult, c.SuspicionMaxTimeoutMult = suspicionMult, suspicionMaxTimeoutMult
	c.GossipToTheDeadTime = p.gossipToTheDead()
	c.GossipInterval = p.gossipInterval()
	c.PushPullInterval, c.QueueCheckInterval = never, never
	c.ReconnectInterval = -1 // the reference does not contact dead members
	c.DeadNodeReclaimTime = p.reclaim
	c.CIDRsAllowed = p.allowed()
	c.LogOutput = io.Discard
	c.Delegate, c.Events, c.Conflict, c.Merge = d, d, d, d
	if p.askAlive {
		c.Alive = d
	}
	m, err := our.Create(c)
	if err != nil {
		return nil, err
	}
	n.library = m
	n.members = func() []member { return seen(m.Members(), d.see) }
	return n, nil
}

func startTheirs(p profile) (*node, error) {
	n := newNode(p)
	d := delegates[their.Node]{n, func(m *their.Node) member {
		return member{m.Name, addrText(m.Addr, m.Port), string(m.Meta), [6]byte{m.PMin, m.PMax, m.PCur, m.DMin, m.DMax, m.DCur}, 0, int(m.State)}
	}}
	c := their.DefaultLANConfig()
	t := newTransport(n, func(b []byte, from netip.AddrPort) *their.Packet {
		return &their.Packet{Buf: b, From: net.UDPAddrFromAddrPort(from), Timestamp: time.Now()}
	})
	c.Transport = t
	c.Name = self
	c.BindPort, c.AdvertisePort = port, port
	c.ProtocolVersion = p.protocol
	c.EnableCompression = p.compression
	if p.small {
		c.UDPBufferSize = smallPacket
	}
	c.ProbeInterval, c.ProbeTimeout = probeInterval, probeInterval/4
	c.SuspicionMult, c.SuspicionMaxTimeoutMult = suspicionMult, suspicionMaxTimeoutMult
	c.GossipToTheDeadTime = p.gossipToTheDead()
	c.GossipInterval = p.gossipInterval()
	c.PushPullInterval, c.QueueCheckInterval = never, never
	c.DeadNodeReclaimTime = p.reclaim
	c.CIDRsAllowed = p.allowed()
	c.LogOutput = io.Discard
	c.Delegate, c.Events, c.Conflict, c.Merge = d, d, d, d
	if p.askAlive {
		c.Alive = d
	}
	m, err := their.Create(c)
	if err != nil {
		return nil, err
	}
	n.library = m
	n.members = func() []member { return seen(m.Members(), d.see) }
	return n, nil
}

func seen[N any](nodes []*N, see func(*N) member) []member {
	var members []member
	for _, m := range nodes {
		members = append(members, see(m))
	}
	slices.SortFunc(members, func(a, b member) int { return cmp.Compare(a.name, b.name) })
	return members
}

// effects are the recorded effects of operations on a node.
type effects struct {
	sent   []packet
	events []event
	asks   []string
	pushed []string
}

// take returns the effects since the last call.
func (n *node) take() (effects, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	e := effects{n.sent, n.events, n.asks, n.pushed}
	n.sent, n.events, n.asks, n.pushed = nil, nil, nil, nil
	return e, errors.Join(n.errs...)
}

func (n *node) set(change func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change()
}

func (n *node) note(who, format string, args ...any) {
	n.set(func() {
		n.events = append(n.events, event{time.Since(n.started), who, fmt.Sprintf(format, args...)})
	})
}

// wrote records a packet, and acks the pings in it.
func (n *node) wrote(b []byte, to netip.AddrPort) {
	var pings []uint32
	n.mu.Lock()
	p := packet{to: to.String(), crc: len(b) > 0 && b[0] == byte(wire.TypeChecksum)}
	_, err := n.unpacker.Unpack(b, func(t wire.Type, body []byte) {
		body = bytes.Clone(body)
		switch t {
		case wire.TypePing:
			var m wire.Ping
			n.errs = append(n.errs, m.Parse(body, nil))
			pings, p.ping = append(pings, m.SeqNo), m.Node
		case wire.TypeAck:
			var m wire.Ack
			n.errs = append(n.errs, m.Parse(body, nil))
			p.ack = m.SeqNo
		default:
			g, err := parseGossip(t, body)
			n.errs = append(n.errs, err)
			p.messages = append(p.messages, g)
		}
	})
	n.errs = append(n.errs, err)
	n.sent = append(n.sent, p)
	if from, ok := n.acks[to]; ok {
		to = from
	}
	n.mu.Unlock()
	if !to.IsValid() {
		return
	}
	for _, seq := range pings {
		n.packets((&wire.Ack{SeqNo: seq}).Append(nil), to)
	}
}

func parseGossip(t wire.Type, body []byte) (gossip, error) {
	switch t {
	case wire.TypeAlive:
		var m wire.Alive
		err := m.Parse(body, nil)
		return gossip{t, m.Node, m.Incarnation, fmt.Sprintf("%s %q %v", addrText(m.Addr, m.Port), m.Meta, m.Vsn), len(body)}, err
	case wire.TypeSuspect:
		var m wire.Suspect
		err := m.Parse(body, nil)
		return gossip{t, m.Node, m.Incarnation, "from " + m.From, len(body)}, err
	case wire.TypeDead:
		var m wire.Dead
		err := m.Parse(body, nil)
		return gossip{t, m.Node, m.Incarnation, "from " + m.From, len(body)}, err
	default:
		return gossip{}, fmt.Errorf("sent %v in a packet", t)
	}
}

// exchange plays a push/pull that a peer begins, and returns the node's states or the text of its refusal.
func (n *node) exchange(from netip.AddrPort, request []byte) (table map[string]member, refusal string, err error) {
	here, there := net.Pipe()
	defer here.Close()
	n.streams <- conn{there, from}
	if _, err := here.Write(request); err != nil {
		return nil, "", err
	}
	table, _, refusal, err = readStates(wire.NewStreamReader(here, nil))
	if err == nil {
		_, err = io.Copy(io.Discard, here) // until the node has read the request
	}
	return table, refusal, err
}

// observe returns the node's table, by a push/pull without states.
func (n *node) observe() (map[string]member, error) {
	table, refusal, err := n.exchange(observer, (&wire.PushPullHeader{}).Append(nil))
	if refusal != "" {
		err = errors.New(refusal)
	}
	return table, err
}

// readStates reads one side of a push/pull.
func readStates(r *wire.StreamReader) (table map[string]member, join bool, refusal string, err error) {
	t, err := r.ReadType()
	if err == nil && t == wire.TypeCompress {
		if err = r.Decompress(); err == nil {
			t, err = r.ReadType()
		}
	}
	if err != nil {
		return nil, false, "", err
	}
	if t == wire.TypeErr {
		var e wire.Err
		err := r.ReadMessage(&e)
		return nil, false, e.Error, err
	}
	if t != wire.TypePushPull {
		return nil, false, "", fmt.Errorf("%v on a stream", t)
	}
	var h wire.PushPullHeader
	if err := r.ReadMessage(&h); err != nil {
		return nil, false, "", err
	}
	states, err := r.ReadStates(h.Nodes)
	if err != nil {
		return nil, false, "", err
	}
	table = make(map[string]member)
	for _, s := range states.Take(states.Len()) {
		m := member{s.Name, addrText(s.Addr, s.Port), string(s.Meta), [6]byte{}, s.Incarnation, s.State}
		copy(m.versions[:], s.Vsn)
		if _, ok := table[s.Name]; ok {
			return nil, false, "", fmt.Errorf("%s is listed twice", s.Name)
		}
		table[s.Name] = m
	}
	_, err = r.ReadN(h.UserStateLen, wire.MaxUserState)
	return table, h.Join, "", err
}

// answerDial plays the member that a node joins.
func (n *node) answerDial(c net.Conn, answer []byte) {
	defer c.Close()
	table, join, refusal, err := readStates(wire.NewStreamReader(c, nil))
	n.set(func() {
		n.errs = append(n.errs, err)
		n.pushed = append(n.pushed, fmt.Sprint(join, refusal, sorted(table)))
	})
	if err == nil {
		c.Write(answer)
	}
	io.Copy(io.Discard, c)
}

// sorted returns the members of a table by name.
func sorted(table map[string]member) []member {
	var members []member
	for _, m := range table {
		members = append(members, m)
	}
	slices.SortFunc(members, func(a, b member) int { return cmp.Compare(a.name, b.name) })
	return members
}

// transport is the in-memory transport of the library whose Packet P is.
type transport[P any] struct {
	node    *node
	packets chan *P
}

func newTransport[P any](n *node, wrap func([]byte, netip.AddrPort) *P) *transport[P] {
	t := &transport[P]{n, make(chan *P, 64)}
	n.packets = func(b []byte, from netip.AddrPort) { t.packets <- wrap(b, from) }
	return t
}

func (t *transport[P]) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return homeOf(self).Addr().AsSlice(), port, nil
}

func (t *transport[P]) WriteTo(b []byte, addr string) (time.Time, error) {
	to, err := netip.ParseAddrPort(addr)
	if err == nil {
		t.node.wrote(b, to)
	}
	return time.Now(), err
}

func (t *transport[P]) PacketCh() <-chan *P { return t.packets }

func (t *transport[P]) DialTimeout(addr string, _ time.Duration) (net.Conn, error) {
	to, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, err
	}
	var answer []byte
	t.node.set(func() { answer = t.node.answer })
	here, there := net.Pipe()
	go t.node.answerDial(there, answer) // ends when the node closes its end
	return conn{here, to}, nil
}

func (t *transport[P]) StreamCh() <-chan net.Conn { return t.node.streams }

func (t *transport[P]) Shutdown() error { return nil }

// conn is a stream whose peer has an address.
type conn struct {
	net.Conn
	remote netip.AddrPort
}

func (c conn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.remote) }

var errVeto = errors.New("vetoed")

// The methods from here on are those of both libraries' delegates.

func (n *node) NodeMeta(int) (meta []byte) {
	n.set(func() { meta = []byte(n.meta) })
	return meta
}

func (n *node) NotifyMsg(message []byte)        { n.note("", "message %s", message) }
func (n *node) GetBroadcasts(int, int) [][]byte { return nil }
func (n *node) LocalState(bool) []byte          { return []byte("what " + self + " has") }

func (n *node) MergeRemoteState(buf []byte, join bool) {
	n.note("", "state %s, join %v", buf, join)
}

// delegates implements the delegates that receive nodes, of the library whose Node N is.
type delegates[N any] struct {
	*node
	see func(*N) member
}

// told returns the text by which the Nodes of delegate calls are compared.
func (d delegates[N]) told(m *N) (name, text string) {
	seen := d.see(m)
	return seen.name, fmt.Sprintf("%s %q %v", seen.addr, seen.meta, seen.versions)
}

func (d delegates[N]) NotifyJoin(m *N) {
	name, text := d.told(m)
	d.note(name, "join %s", text)
}

func (d delegates[N]) NotifyLeave(m *N) {
	name, text := d.told(m)
	d.note(name, "leave %s", text)
}

func (d delegates[N]) NotifyUpdate(m *N) {
	name, text := d.told(m)
	d.note(name, "update %s", text)
}

func (d delegates[N]) NotifyConflict(existing, other *N) {
	name, text := d.told(existing)
	o := d.see(other)
	d.note(name, "conflict %s, %s %q", text, o.addr, o.meta)
}

func (d delegates[N]) NotifyMerge(nodes []*N) error {
	var all []string
	veto := false
	for _, m := range nodes {
		seen := d.see(m)
		all = append(all, seen.String())
		veto = veto || seen.name == d.profile.vetoMerge
	}
	d.note("", "merge? %s", strings.Join(all, ", "))
	if veto {
		return errVeto
	}
	return nil
}

func (d delegates[N]) NotifyAlive(m *N) error {
	name, text := d.told(m)
	d.set(func() { d.asks = append(d.asks, name+" "+text) })
	if d.see(m).meta == vetoedMeta {
		return errVeto
	}
	return nil
}
