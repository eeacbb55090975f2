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

	// newcomersOfSender limits those that the sender of packets asserts before it answers: to about what a packet has.
	newcomersOfSender = 64

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
	p.stranger = (sender == nil || sender.State.IsDown()) && !t.probation.trusts(addressOf(from.AddrPort))
	return p
}

// vouches reports whether an unknown name that a peer asserts need not answer. A joining member is a stranger that introduces
// itself, and is known at once, as in the reference.
func (p *Peer) vouches(t *Turn) bool {
	return !p.stranger ||
		p.dialled && t.probation.introduced.take(t.now, addressOf(p.AddrPort).key().network(), t.cfg.period(), introducedAtOnce)
}

// newcomer is an unknown name that only a stranger asserted. It is no member until a ping is answered, or a member asserts it: nothing
// is gossiped about it, and no delegate learns of it.
//
// Compat: in the reference it is a member at once, until a probe of it fails.
type newcomer struct {
	asserted assertion
	dialled  bool   // the stranger dialled us
	seq      uint32 // of the inquiry
}

// inquiry is a ping that decides about newcomers. A stranger that sends packets is pinged itself, once for all that it asserts: when
// many members join at once, each is a stranger to many, and knows many that they do not know. It is believed when it answers, and for
// newcomerPatience from then. Of a stranger that dials us, which has shown that its IP address is not forged, each newcomer is pinged.
type inquiry struct {
	seq      uint32
	to       Endpoint // has a name if it is the newcomer
	names    []string // of the newcomers, and of those that have become members meanwhile
	answered bool     // by a stranger that sends packets
	due      *deadline
}

// probation is the newcomers.
type probation struct {
	byName     map[string]*newcomer
	bySeq      map[uint32]*inquiry
	bySender   map[address]*inquiry // those of strangers that send packets
	ofStreams  int                  // how many newcomers strangers asserted that dialled us
	introduced limiter              // of members that strangers introduce
}

func newProbation() probation {
	return probation{byName: make(map[string]*newcomer), bySeq: make(map[uint32]*inquiry), bySender: make(map[address]*inquiry)}
}

// begin makes an inquiry about a newcomer that a peer asserts, unless there are too many. A newer assertion of one at the same address
// replaces the earlier one.
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
	var q *inquiry
	if peer.dialled {
		q = p.inquire(t, Endpoint{Name: name, AddrPort: asserted.addr.addrPort()})
		p.ofStreams++
	} else if q = p.of(peer); q == nil {
		q = p.inquire(t, peer.Endpoint)
		p.bySender[addressOf(peer.AddrPort).key()] = q
	}
	q.names = append(q.names, name)
	p.byName[name] = &newcomer{asserted: asserted.clone(), dialled: peer.dialled, seq: q.seq}
}

// of returns the inquiry of a stranger that sends packets, or nil.
func (p *probation) of(peer *Peer) *inquiry { return p.bySender[addressOf(peer.AddrPort).key()] }

// trusts reports whether a stranger at an address has answered.
func (p *probation) trusts(at address) bool {
	q := p.bySender[at.key()]
	return q != nil && q.answered
}

// inquire pings.
func (p *probation) inquire(t *Turn, to Endpoint) *inquiry {
	q := &inquiry{seq: t.seq.next(), to: to, due: newDeadline(dueNewcomer)}
	q.due.seq = q.seq
	p.await(t, q)
	t.sendAlone(to, &wire.Ping{SeqNo: q.seq, Node: to.Name})
	return q
}

// await sets the end of an inquiry.
func (p *probation) await(t *Turn, q *inquiry) {
	p.bySeq[q.seq] = q
	t.deadlines.set(q.due, t.now.Add(newcomerPatience*t.cfg.ProbeTimeout))
}

// hasRoom reports whether there may be another newcomer, that a peer asserts to be at an address. Pings to others than the peer are
// limited by the rate of all that are sent on the word of a peer.
func (p *probation) hasRoom(t *Turn, peer *Peer, addr address) bool {
	share := t.present / newcomersShare
	if peer.dialled {
		return p.ofStreams < max(newcomersOfStreams, share) &&
			(addr.sameHost(addressOf(peer.AddrPort)) || t.answers.has(t, &peer.Endpoint))
	}
	most, q := max(newcomersOfPackets, share), p.of(peer)
	if q == nil {
		return len(p.byName)-p.ofStreams < most && len(p.bySender) < most
	}
	return len(p.byName)-p.ofStreams < most && len(q.names) < newcomersOfSender
}

// onAck makes members of newcomers. The ack may come from any address, as from behind a NAT: its number, which is random, was only sent
// to that of the newcomer, or of the stranger.
func (p *probation) onAck(t *Turn, from *Endpoint, q *inquiry) {
	if !from.mayBe(q.to.Name) {
		t.out.drop(DropStranger)
		return
	}
	p.end(t, q, func(name string, one *newcomer) {
		t.applyNewName(new(Peer), name, one.asserted)
		if m := t.table.named(name); m != nil && one.asserted.addr.same(addressOf(q.to.AddrPort)) {
			t.ackSources.isFrom(t, m, from) // notes where its acks come from
			m.answered = true
		}
	})
	if q.answered = p.of(&Peer{Endpoint: q.to}) == q; q.answered {
		p.await(t, q)
	}
}

// onTimeout drops the newcomers of an inquiry that was not answered, or forgets that it was.
func (p *probation) onTimeout(t *Turn, seq uint32) {
	q := p.bySeq[seq]
	p.end(t, q, func(string, *newcomer) { t.out.drop(DropUnconfirmed) })
	if p.of(&Peer{Endpoint: q.to}) == q {
		delete(p.bySender, addressOf(q.to.AddrPort).key())
	}
}

// onLeft drops a newcomer that left.
func (p *probation) onLeft(t *Turn, name string, incarnation uint32) {
	if one := p.byName[name]; one != nil && incarnation >= one.asserted.incarnation {
		p.remove(name)
	}
}

// remove ends the probation of a newcomer, if there is one of that name.
func (p *probation) remove(name string) {
	if one := p.byName[name]; one != nil && one.dialled {
		p.ofStreams--
	}
	delete(p.byName, name)
}

// end ends an inquiry, and the probation of its newcomers. The caller removes it from bySender.
func (p *probation) end(t *Turn, q *inquiry, each func(name string, one *newcomer)) {
	t.deadlines.stop(q.due)
	delete(p.bySeq, q.seq)
	for _, name := range q.names {
		if one := p.byName[name]; one != nil && one.seq == q.seq {
			p.remove(name)
			each(name, one)
		}
	}
	q.names = nil
}
