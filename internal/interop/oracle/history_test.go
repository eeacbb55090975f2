package oracle

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// The configuration of both nodes. Durations matter only in relation to each other: in virtual time a probe a day
// costs as much as a probe a second. Probes are always answered.
const (
	self                    = "node"
	port                    = 7946
	probeInterval           = time.Hour
	suspicionMult           = 4
	suspicionMaxTimeoutMult = 3
	never                   = 100000 * time.Hour

	// tick is the duration of each operation, so that no two happen at the same time.
	tick = time.Microsecond

	vetoedMeta = "vetoed"
)

// observer is the address of a peer that is no member.
var observer = netip.MustParseAddrPort("10.0.9.9:7946")

// names are those of all members that messages are about, the node itself first.
var names = []string{self, "p1", "p2", "p3", "p4", "p5", "p6"}

// homeOf returns the first address of a member.
func homeOf(name string) netip.AddrPort {
	for i, n := range names {
		if n == name {
			return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(10 + i)}), port)
		}
	}
	panic("nobody is called " + name)
}

// profile is the configuration that the nodes of a history share.
type profile struct {
	protocol    uint8
	compression bool
	gossips     bool // by timer; otherwise pings draw it
	reclaim     time.Duration
	restricted  bool   // CIDRsAllowed is set
	askAlive    bool   // an alive delegate refuses vetoedMeta
	vetoMerge   string // the merge delegate refuses this member
	remembers   bool   // the dead are removed within a day, while ours still remembers them
	small       bool   // small packets
}

// gossipToTheDead returns the time until dead members are removed. If it is within a day, ours remembers some of them
// for longer.
func (p profile) gossipToTheDead() time.Duration {
	if p.remembers {
		return 3 * time.Hour
	}
	return 40 * time.Hour
}

// longRest returns a time after which every suspicion has ended, and every member that was dead then has been
// removed, which takes a round of probes. If ours is to remember some, it is less than a day.
func (p profile) longRest() time.Duration {
	return p.gossipToTheDead() + suspicionMult*suspicionMaxTimeoutMult*probeInterval + 8*probeInterval
}

// restless returns the time within which no member is removed, as the exact time of that is random.
func (p profile) restless() time.Duration { return p.gossipToTheDead() - 2*time.Hour }

func (p profile) gossipInterval() time.Duration {
	if p.gossips {
		return probeInterval / 200
	}
	return never
}

// gossipWindow returns a time after which all queued messages have been gossiped.
func (p profile) gossipWindow() time.Duration { return 15 * p.gossipInterval() }

func (p profile) allowed() []net.IPNet {
	if !p.restricted {
		return nil
	}
	return []net.IPNet{{IP: net.IPv4(10, 0, 0, 0).To4(), Mask: net.CIDRMask(8, 32)}}
}

// kind is the kind of an operation.
type kind int

const (
	opAlive       kind = iota // a packet
	opSuspect                 // a packet
	opDead                    // a packet; from the member itself: a leave
	opUser                    // a packet
	opPushPull                // a peer begins a push/pull with the node
	opJoin                    // the node joins a peer
	opUpdate                  // the node's metadata changes
	opLeave                   // the node leaves
	opRest                    // time passes
	opLongRest                // time passes until all dead members are removed
	opHighest                 // a suspect or dead message that cannot be refuted; the history ends with it
	opMalformed               // an alive that no member would send; the history ends with it
	opVersionless             // a member without usable versions, and then a push/pull; the history ends with it
	opHere                    // another name at the node's own address; the history ends with it
)

// place is the kind of address that an assertion has.
type place int

const (
	samePlace place = iota // the known address
	otherIP
	otherPort
	noPort  // 0, for the default port
	outside // outside CIDRsAllowed
)

// presence determines the source of acks from the asserted address of a member that is known at another one.
type presence int

const (
	claimant presence = iota // another process of that name is there, and acks
	nobody                   // no ack
	former                   // the member itself acks, from its known address
)

// assertion is a message about a member. Its incarnation is relative to the known one, so that its effect depends on
// the nodes.
type assertion struct {
	node  string
	from  string // of a suspect or dead message
	state int    // of a push/pull
	delta int    // to the known incarnation
	place place
	meta  string
	vsn   []byte
	least uint32 // lowest incarnation
}

// operation is a step of a history.
type operation struct {
	kind       kind
	assertions []assertion // one, or those of a push/pull
	sender     string
	foreign    bool // the sender is outside CIDRsAllowed
	join       bool
	text       string // of a user message, new metadata
	rest       time.Duration
	acks       int // drawn from each node afterwards; -1: until they carry no gossip
	there      presence
	unmended   bool
}

// history is a sequence of operations on both nodes.
type history struct {
	seed uint64
	profile
	operations []operation
}

// generate returns the history of a seed.
func generate(seed uint64) history {
	g := generator{rand.New(rand.NewPCG(seed, 1)), profile{protocol: 2}}
	if g.oneIn(4) {
		g.protocol = 5
	}
	g.compression = g.oneIn(4)
	g.gossips = g.oneIn(3)
	if g.oneIn(2) {
		g.reclaim = 2 * time.Hour
	}
	g.restricted = g.oneIn(4)
	g.askAlive = g.oneIn(4)
	if g.oneIn(6) {
		g.vetoMerge = "p6"
	}
	g.remembers = !g.gossips && g.oneIn(4) // gossip takes time to spread
	h := history{seed: seed, profile: g.profile}
	// Most histories begin with a few members.
	if !g.oneIn(8) {
		o := operation{kind: opPushPull, sender: "p1", join: true, acks: -1}
		for _, name := range names[1 : 2+g.IntN(4)] {
			o.assertions = append(o.assertions, assertion{node: name, delta: 1, meta: "first", vsn: goodVersions})
		}
		h.operations = append(h.operations, o)
	}
	for range 10 + g.IntN(30) {
		h.operations = append(h.operations, g.operation())
	}
	if g.oneIn(4) {
		h.operations = append(h.operations, operation{kind: opLeave, acks: -1})
		for range g.IntN(8) {
			h.operations = append(h.operations, g.operation())
		}
	}
	if g.oneIn(4) {
		last := operation{kind: opHighest + kind(g.IntN(4)), assertions: []assertion{g.accusation()}, sender: "p1"}
		last.assertions[0].state = suspect + g.IntN(2)
		last.text = malformed[g.IntN(len(malformed))]
		h.small = last.kind == opMalformed && last.text == longName
		h.operations = append(h.operations, last)
	}
	return h
}

// malformed are the errors that an alive message can have.
var malformed = []string{"long metadata", "no name", "odd address", "no address", longName}

// longName is a name that fits into an alive message, but not into a ping in a small packet.
const longName = "a long name"

// smallPacket is the size limit of small packets, in bytes: the gossip about all members fits.
const smallPacket = 1050

var goodVersions = []byte{1, 5, 2, 0, 0, 0}

// generator draws random operations.
type generator struct {
	*rand.Rand
	profile
}

func (g *generator) oneIn(n int) bool { return g.IntN(n) == 0 }

// pick draws an index with the given weights.
func (g *generator) pick(weights ...int) int {
	sum := 0
	for _, w := range weights {
		sum += w
	}
	n := g.IntN(sum)
	for i, w := range weights {
		if n -= w; n < 0 {
			return i
		}
	}
	return 0
}

// anyone draws a member, sometimes the node itself.
func (g *generator) anyone() string {
	if g.oneIn(8) {
		return self
	}
	return names[1+g.IntN(len(names)-1)]
}

func (g *generator) operation() operation {
	o := operation{sender: names[1+g.IntN(len(names)-1)], acks: -1}
	if g.oneIn(3) {
		o.acks = g.IntN(3)
	}
	o.kind = kind(g.pick(26, 20, 14, 2, 12, 4, 4, 0, 15, 1))
	o.foreign = o.kind <= opUser && g.restricted && g.oneIn(10)
	switch o.kind {
	case opAlive:
		o.assertions = []assertion{g.alive()}
		o.there = g.presence()
		if g.oneIn(3) {
			o.sender = o.assertions[0].node
		}
	case opSuspect:
		o.assertions = []assertion{g.accusation()}
	case opDead:
		c := g.accusation()
		if g.oneIn(3) {
			c.from = c.node
		}
		o.assertions = []assertion{c}
	case opUser:
		o.text = fmt.Sprint(g.IntN(100))
	case opPushPull, opJoin:
		o.join = o.kind == opJoin || g.oneIn(2)
		for _, i := range g.Perm(len(names))[:g.IntN(len(names))] {
			c := g.accusation()
			if c.state = g.pick(6, 2, 2, 2); c.state == alive || g.oneIn(2) {
				state := c.state
				c = g.alive()
				c.state, c.least = state, 1 // another member, at 0, would lengthen suspicions
			}
			c.node = names[i]
			c.vsn = goodVersions // members without versions are for the end of a history
			if g.oneIn(8) && c.node != g.vetoMerge {
				c.vsn = [][]byte{goodVersions, {1, 5, 6, 0, 0, 0}, {1, 5, 2, 1, 3, 2}, {3, 4, 4, 0, 0, 0}}[g.pick(24, 1, 1, 1)]
			}
			o.assertions = append(o.assertions, c)
		}
		o.there = g.presence()
	case opUpdate:
		o.text = "own " + fmt.Sprint(g.IntN(5))
	case opRest:
		o.rest = time.Duration(g.Int64N(int64(g.restOf())))
	}
	return o
}

// restOf draws a time to rest. Its limit varies, so that confirmations come early or late in a suspicion.
func (g *generator) restOf() time.Duration {
	return []time.Duration{time.Second, probeInterval, 3 * probeInterval, 14 * probeInterval}[g.pick(2, 3, 4, 2)]
}

func (g *generator) presence() presence { return presence(g.pick(3, 1, 1)) }

func (g *generator) alive() assertion {
	c := assertion{node: g.anyone(), from: g.anyone(), meta: []string{"", "first", "second", vetoedMeta}[g.pick(4, 6, 6, 1)]}
	c.delta = []int{-2, -1, 0, 1, 2, 5}[g.pick(2, 5, 8, 18, 4, 2)]
	c.place = place(g.pick(24, 3, 2, 2, 1))
	c.vsn = [][]byte{goodVersions, {1, 5, 3, 0, 0, 0}, {0, 5, 2, 0, 0, 0}, {3, 2, 2, 0, 0, 0}}[g.pick(40, 6, 1, 1)]
	if g.gossips {
		c.least = 1 // at 0, the reference may remove it before it is mended
	}
	return c
}

func (g *generator) accusation() assertion {
	return assertion{node: g.anyone(), from: g.anyone(), delta: []int{-2, -1, 0, 1, 3}[g.pick(2, 4, 24, 6, 2)],
		meta: "first", vsn: goodVersions}
}

// address returns the address in an assertion about a known member.
func (c assertion) address(known member) ([]byte, uint16) {
	at := homeOf(c.node)
	if known.name != "" {
		at = netip.MustParseAddrPort(known.addr)
	}
	ip := at.Addr().As4()
	port := at.Port()
	switch c.place {
	case otherIP:
		ip[2] ^= 1
	case otherPort:
		port ^= 1
	case noPort:
		port = 0
	case outside:
		ip[0] = 192
	}
	return ip[:], port
}

// number returns the incarnation of an assertion about a known member.
func (c assertion) number(known member) uint32 {
	return uint32(max(int64(c.least), int64(known.incarnation)+int64(c.delta)))
}

// message returns the message of an operation that is a packet.
func (o operation) message(table map[string]member) wire.Message {
	if o.kind == opUser {
		return userMessage(o.text)
	}
	c := o.assertions[0]
	known := table[c.node]
	switch o.kind {
	case opSuspect:
		return &wire.Suspect{Incarnation: c.number(known), Node: c.node, From: c.from}
	case opDead:
		return &wire.Dead{Incarnation: c.number(known), Node: c.node, From: c.from}
	default:
		ip, port := c.address(known)
		return &wire.Alive{Incarnation: c.number(known), Node: c.node, Addr: ip, Port: port, Meta: []byte(c.meta), Vsn: c.vsn}
	}
}

// userMessage is an application's message.
type userMessage string

func (userMessage) Type() wire.Type            { return wire.TypeUser }
func (u userMessage) Append(dst []byte) []byte { return append(append(dst, byte(wire.TypeUser)), u...) }

// states returns the states of an operation that is a push/pull.
func (o operation) states(table map[string]member) []wire.PushNodeState {
	var states []wire.PushNodeState
	for _, c := range o.assertions {
		ip, port := c.address(table[c.node])
		states = append(states, wire.PushNodeState{Name: c.node, Addr: ip, Port: port, Meta: []byte(c.meta),
			Incarnation: c.number(table[c.node]), State: c.state, Vsn: c.vsn})
	}
	return states
}

func encodePushPull(states []wire.PushNodeState, join bool) []byte {
	const user = "what they have"
	b := (&wire.PushPullHeader{Nodes: len(states), UserStateLen: len(user), Join: join}).Append(nil)
	for i := range states {
		b = states[i].Append(b)
	}
	return append(b, user...)
}

// source returns the address from which the packet of an operation comes.
func (o operation) source() netip.AddrPort {
	at := homeOf(o.sender)
	if o.foreign {
		ip := at.Addr().As4()
		ip[0] = 192
		at = netip.AddrPortFrom(netip.AddrFrom4(ip), at.Port())
	}
	return at
}

// describe returns a line for the log.
func (o operation) describe(table map[string]member) string {
	switch o.kind {
	case opAlive, opSuspect, opDead:
		m := o.message(table)
		g, err := parseGossip(m.Type(), m.Append(nil)[1:])
		if err != nil {
			return err.Error()
		}
		return fmt.Sprintf("packet from %v: %v", o.source(), g)
	case opUser:
		return fmt.Sprintf("packet from %v: user message %s", o.source(), o.text)
	case opPushPull, opJoin:
		var all []string
		for _, s := range o.states(table) {
			all = append(all, fmt.Sprintf("%s %s@%d %s %q %v", s.Name, stateName(s.State), s.Incarnation,
				addrText(s.Addr, s.Port), s.Meta, s.Vsn))
		}
		what := "push/pull from"
		if o.kind == opJoin {
			what = "the node joins"
		}
		return fmt.Sprintf("%s %s, join %v: %s", what, o.sender, o.join, strings.Join(all, ", "))
	case opUpdate:
		return fmt.Sprintf("metadata become %q", o.text)
	case opLeave:
		return "the node leaves"
	case opRest:
		return fmt.Sprintf("rest for %v", o.rest)
	case opLongRest:
		return "long rest"
	case opHighest:
		return fmt.Sprintf("last: report of %s, %s, by %s at the highest incarnation", o.assertions[0].node,
			stateName(o.assertions[0].state), o.assertions[0].from)
	case opMalformed:
		return "last: alive with " + o.text
	case opHere:
		return "last: another name at the node's own address"
	default:
		return "last: an alive member without usable versions, and a push/pull"
	}
}
