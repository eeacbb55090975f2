package swim

import (
	"net/netip"

	"github.com/e3431adc/memberlist/internal/wire"
)

// Limits of the members that only strangers assert.
const (
	// newcomersOfPackets and newcomersOfStreams limit the newcomers by where they were asserted, to these or to a quarter of the
	// members if that is more. One more is refused. On streams many members may join at once.
	newcomersOfPackets = 256
	newcomersOfStreams = 1024
	newcomersShare     = 4

	// newcomerPatience is the time in which a newcomer must answer, in ProbeTimeouts: long, as we may be late ourselves.
	newcomerPatience = 10

	// introducedAtOnce limits the members that the strangers of one source introduce in push/pulls, and that need not answer
	// first: one in a protocol period, after so many at once.
	introducedAtOnce = 32
)

// Peer is the sender of a packet, or the other side of a push/pull, by what is believed of its assertions. The zero value is
// believed.
type Peer struct {
	Endpoint
	asked    bool // we dialled it
	dialled  bool // it dialled us, from any port, so that its IP address is not forged
	stranger bool // no member: the unknown names that it asserts must answer before they are members

	differences bool   // its states are those of a push/pull of differences
	name        string // of the known member that it says to be, and whose IP address it has
}

// Dialled returns the peer that we dialled for a push/pull.
func Dialled(at netip.AddrPort) Peer { return Peer{Endpoint: Endpoint{AddrPort: at}, asked: true} }

// Dialler returns the peer that dialled us for a push/pull, with its states. It is a stranger unless one of them is a member that
// we know at its IP address. A peer on a transport without IP addresses is believed.
func (c *Core) Dialler(at netip.AddrPort, states wire.States) Peer {
	if !at.IsValid() {
		return Peer{}
	}
	p, host := Peer{Endpoint: Endpoint{AddrPort: at}, dialled: true}, addressOf(at)
	for v := (wire.StateView{}); states.Next(&v); {
		addr, ok := addressFrom(v.Addr(), v.Port, c.cfg.DefaultPort)
		if !ok || !addr.sameHost(host) {
			continue
		}
		if m := c.table.namedBytes(v.Name()); m != nil && c.table.isPresent(m) && c.table.isAt(m, addr) {
			return p
		}
	}
	p.stranger = true
	return p
}

// DiallerNamed returns the peer that dialled us and has a name, as Dialler does.
func (c *Core) DiallerNamed(at netip.AddrPort, name string) Peer {
	if !at.IsValid() {
		return Peer{}
	}
	m := c.table.named(name)
	known := m != nil && c.table.isPresent(m) && c.table.address(m).sameHost(addressOf(at))
	p := Peer{Endpoint: Endpoint{AddrPort: at}, dialled: true, stranger: !known}
	if known {
		p.name = m.Name
	}
	return p
}

// origin returns the peer as the sender of its states. The port from which it dialled is not its own.
func (p *Peer) origin() Endpoint {
	from := p.Endpoint
	if p.name != "" {
		from.Name = p.name
	}
	return from
}

// senderOf returns the sender of a packet with a message about m, or about an unknown member if m is nil. It is no stranger if it
// is a member, by the address that it sends from, or if the transport has verified its name.
func (t *Turn) senderOf(from Endpoint, m *member) Peer {
	p := Peer{Endpoint: from}
	if m != nil || from.Name != "" || !from.AddrPort.IsValid() {
		return p
	}
	sender := t.table.otherAt(&from)
	if sender == nil {
		sender = t.ackSources.memberAt(&t.table, addressOf(from.AddrPort))
	}
	p.stranger = sender == nil || sender.State.IsDown()
	return p
}

// vouches reports whether an unknown name that a peer asserts need not answer. A joining member is a stranger that introduces
// itself, and is known at once, as in the reference.
func (p *Peer) vouches(t *Turn) bool {
	return !p.stranger ||
		p.dialled && t.probation.introduced.take(t.now, addressOf(p.AddrPort).key().network(), t.cfg.period(), introducedAtOnce)
}

// newcomer is an unknown name that only a stranger asserted. It is no member until it answers our ping, or a member asserts
// it: nothing is gossiped about it, and no delegate learns of it.
//
// Compat: in the reference it is a member at once, until a probe of it fails.
type newcomer struct {
	name     string
	asserted assertion
	dialled  bool   // the stranger dialled us
	seq      uint32 // of our ping
	due      *deadline
}

// probation is the newcomers.
type probation struct {
	byName     map[string]*newcomer
	bySeq      map[uint32]*newcomer
	ofStreams  int     // how many strangers asserted that dialled us
	introduced limiter // of members that strangers introduce
}

func newProbation() probation {
	return probation{byName: make(map[string]*newcomer), bySeq: make(map[uint32]*newcomer)}
}

// begin pings a newcomer that a peer asserts, unless there are too many. A newer assertion of one at the same address replaces
// the earlier one.
func (p *probation) begin(t *Turn, peer *Peer, name string, asserted assertion) {
	if one := p.byName[name]; one != nil {
		if asserted.incarnation > one.asserted.incarnation && asserted.addr.same(one.asserted.addr) {
			one.asserted = asserted.clone()
		}
		return
	}
	if !p.hasRoom(t, peer, asserted.addr) {
		t.out.drop(DropUnconfirmed)
		return
	}
	one := &newcomer{name: name, asserted: asserted.clone(), dialled: peer.dialled, seq: t.seq.next(), due: newDeadline(dueNewcomer)}
	p.add(one)
	t.deadlines.set(one.due, t.now.Add(newcomerPatience*t.cfg.ProbeTimeout))
	t.sendAlone(Endpoint{Name: name, AddrPort: asserted.addr.addrPort()}, &wire.Ping{SeqNo: one.seq, Node: name})
}

// hasRoom reports whether a newcomer that a peer asserts to be at an address may be pinged there. Pings to others than a peer
// that dialled us are limited by the rate of all that are sent on the word of a peer.
func (p *probation) hasRoom(t *Turn, peer *Peer, addr address) bool {
	n, most := len(p.byName)-p.ofStreams, newcomersOfPackets
	if peer.dialled {
		n, most = p.ofStreams, newcomersOfStreams
	}
	if n >= max(most, t.present/newcomersShare) {
		return false
	}
	return peer.dialled && addr.sameHost(addressOf(peer.AddrPort)) || t.answers.has(t, &peer.Endpoint)
}

// onAck makes a newcomer a member. The ack may come from any address, as from behind a NAT: its number, which is random, was only sent
// to that of the newcomer.
func (p *probation) onAck(t *Turn, from *Endpoint, one *newcomer) {
	if !from.mayBe(one.name) {
		t.out.drop(DropStranger)
		return
	}
	p.end(t, one)
	t.applyNewName(new(Peer), one.name, one.asserted)
	if m := t.table.named(one.name); m != nil {
		t.ackSources.isFrom(t, m, from) // notes where its acks come from
		m.answered = true
	}
}

// onTimeout drops a newcomer that did not answer.
func (p *probation) onTimeout(t *Turn, seq uint32) {
	p.end(t, p.bySeq[seq])
	t.out.drop(DropUnconfirmed)
}

// onLeft drops a newcomer that left.
func (p *probation) onLeft(t *Turn, name string, incarnation uint32) {
	if one := p.byName[name]; one != nil && incarnation >= one.asserted.incarnation {
		p.end(t, one)
	}
}

// add adds a newcomer.
func (p *probation) add(one *newcomer) {
	one.due.seq = one.seq
	p.byName[one.name], p.bySeq[one.seq] = one, one
	if one.dialled {
		p.ofStreams++
	}
}

// end ends the probation of a newcomer, which may be nil.
func (p *probation) end(t *Turn, one *newcomer) {
	if one == nil {
		return
	}
	t.deadlines.stop(one.due)
	delete(p.byName, one.name)
	delete(p.bySeq, one.seq)
	if one.dialled {
		p.ofStreams--
	}
}
