package swim

import (
	"slices"

	"github.com/e3431adc/memberlist/internal/queue"
	"github.com/e3431adc/memberlist/internal/wire"
)

// broadcasts are what is to be gossiped, at most one for each member. What is queued is not the message but what it says
// beside what the table knows of the member, a third of the bytes; it is put into words when it is sent. Nothing that it
// says of the member changes meanwhile: whoever changes an address, metadata or versions says so, in place of what was queued.
type broadcasts struct {
	order   queue.Order[broadcast]
	about   []*queue.Item[broadcast] // by the members' IDs, as far as anything was queued; nil: nothing is
	waiting []waiter                 // for broadcasts that are queued
}

// broadcast is one of them.
type broadcast struct {
	from        string // the reporter's name (saySuspect, sayDead)
	incarnation uint32
	member      ID
	kind        broadcastKind
}

// saying says what a broadcast says of its member.
type broadcastKind uint8

const (
	aliveBroadcast   broadcastKind = iota
	suspectBroadcast               // From says so
	deadBroadcast                  // likewise
	leftOldAddr                    // dead, of ourselves before we moved: it goes beside what is said of us, and is not replaced by it
)

// waiter is who waits until what is queued about a member has been sent, or replaced.
type waiter struct {
	member ID
	notice uint64
}

// keptAbout is for how many members a Core that has nothing to say keeps the memory of what is queued about them.
const keptAbout = 1024

// broadcast queues what is to be said of m in place of what was queued about it. What fits no packet is not queued:
// push/pulls carry it, and nothing waits for it.
func (q *broadcasts) add(t *Turn, m *member, asserted broadcast, notice uint64) {
	q.push(t, m, queue.Named, asserted, notice)
}

func (q *broadcasts) push(t *Turn, m *member, kind queue.Kind, asserted broadcast, notice uint64) {
	asserted.member = m.ID
	size := q.size(t.Core, &asserted)
	if size > t.cfg.Room.Beside() {
		t.out.drop(DropOversize)
		q.remove(t, m)
		t.out.finish(notice)
		return
	}
	if queued := q.aboutMember(m.ID); queued != nil {
		q.order.Replace(queued, kind, size, asserted)
		q.finishAbout(t, m.ID)
	} else {
		if missing := int(m.ID) + 1 - len(q.about); missing > 0 {
			q.about = slices.Grow(q.about, missing)[:int(m.ID)+1]
		}
		q.about[m.ID] = q.order.Push(kind, size, asserted)
	}
	switch {
	case notice == 0:
	case t.cfg.sendsBroadcasts():
		q.waiting = append(q.waiting, waiter{m.ID, notice})
	default:
		q.sendDirectly(t, &asserted)
		t.out.finish(notice)
	}
}

// carriesNews reports whether there is a loop that sends what is queued.
func (c *Config) sendsBroadcasts() bool { return c.gossipInterval() > 0 || c.ProbeInterval > 0 }

// directly is how many members are told what somebody waits for if there is no loop that sends it.
const directly = 8

// tellDirectly sends what is queued to a few members, in packets of their own, and in an exchange of states. What we say when
// we leave, they are told anyway.
//
// Compat: in the reference nobody is told, and who waits for it does so in vain.
func (q *broadcasts) sendDirectly(t *Turn, asserted *broadcast) {
	if t.local.leaving {
		return
	}
	for i, m := range t.choose(directly, t.table.isPresent) {
		p := t.out.newPacket()
		p.To = t.table.endpoint(m)
		start := len(t.out.bytes)
		t.out.bytes = q.append(t.Core, t.out.bytes, asserted)
		t.out.end(p, start)
		p.Checksum = m.readsChecksums()
		if i == 0 && t.cfg.PushPullInterval > 0 {
			t.out.Streams = append(t.out.Streams, Stream{Kind: StreamPushPull, To: t.table.snapshot(m)})
		}
	}
}

// reserve makes room for what is to be said of so many members in all.
func (q *broadcasts) reserve(members int) {
	q.about = slices.Grow(q.about, max(members-len(q.about), 0))
}

// aboutMember returns what is queued about a member, or nil.
func (q *broadcasts) aboutMember(id ID) *queue.Item[broadcast] {
	if int(id) >= len(q.about) {
		return nil
	}
	return q.about[id]
}

// unqueue drops what is queued about m.
func (q *broadcasts) remove(t *Turn, m *member) {
	if queued := q.aboutMember(m.ID); queued != nil {
		b := q.order.Remove(queued)
		q.onDequeued(t, &b)
	}
}

// left notes that a broadcast is no longer queued.
func (q *broadcasts) onDequeued(t *Turn, b *broadcast) {
	if b.kind == leftOldAddr {
		return
	}
	q.about[b.member] = nil
	q.finishAbout(t, b.member)
}

// finishAbout has the driver told that nobody need wait for what was queued about a member.
func (q *broadcasts) finishAbout(t *Turn, id ID) {
	if len(q.waiting) == 0 {
		return
	}
	if i := slices.IndexFunc(q.waiting, func(w waiter) bool { return w.member == id }); i >= 0 {
		t.out.finish(q.waiting[i].notice)
		q.waiting = slices.Delete(q.waiting, i, i+1)
	}
}

// waitNoMore finishes the notices of all that is queued: nobody is left to hear it. It stays queued for those who come, and
// for the dead.
func (q *broadcasts) finishAll(t *Turn) {
	for _, w := range q.waiting {
		t.out.finish(w.notice)
	}
	q.waiting = q.waiting[:0]
}

// Settle makes what is known as if it had been for long: all has been told, and each member has answered us. It is for
// simulations that begin with a cluster that has settled.
func (t *Turn) Settle() {
	t.queue.dropAll(t)
	for _, id := range t.table.order {
		t.table.at(id).answered = true
	}
}

// dropQueued drops all broadcasts, finishing their notices: nobody needs to be told.
func (q *broadcasts) dropAll(t *Turn) {
	q.finishAll(t)
	q.order.Reset()
	q.about = nil
}

// NumQueued is how many broadcasts wait to be sent.
func (c *Core) NumQueued() int { return c.queue.order.Len() }

// QueuedBytes is how many bytes they have.
func (c *Core) QueuedBytes() int { return c.queue.order.Bytes() }

// fillIn adds queued broadcasts that take at most room bytes to a packet of out, whose messages are the last in out, if it
// has any.
func (q *broadcasts) fill(t *Turn, out *Output, p *Packet, room int) {
	if q.order.Len() == 0 {
		return
	}
	first := len(out.pieces) - len(p.Messages)
	limit := queue.TransmitLimit(t.cfg.RetransmitMult, t.table.len())
	q.order.Take(wire.CompoundPartOverhead, room, limit, func(i *queue.Item[broadcast], removed bool) {
		b := &i.Value
		start := len(out.bytes)
		out.bytes = q.append(t.Core, out.bytes, b)
		out.pieces = append(out.pieces, out.bytes[start:len(out.bytes):len(out.bytes)])
		if removed {
			q.onDequeued(t, b)
		}
	})
	p.Messages = out.pieces[first:len(out.pieces):len(out.pieces)]
	if q.order.Len() == 0 && cap(q.about) > keptAbout {
		q.about = nil
	}
}

// appendBroadcast appends the message of a broadcast.
func (q *broadcasts) append(c *Core, dst []byte, b *broadcast) []byte {
	m := c.table.at(b.member)
	switch b.kind {
	case suspectBroadcast:
		return (&wire.Suspect{Incarnation: b.incarnation, Node: m.Name, From: b.from}).Append(dst)
	case deadBroadcast, leftOldAddr:
		return (&wire.Dead{Incarnation: b.incarnation, Node: m.Name, From: b.from}).Append(dst)
	default:
		alive := c.table.alive(m, b.incarnation)
		return alive.Append(dst)
	}
}

// broadcastSize is how many bytes appendBroadcast appends.
func (q *broadcasts) size(c *Core, b *broadcast) int {
	m := c.table.at(b.member)
	switch b.kind {
	case suspectBroadcast, deadBroadcast, leftOldAddr:
		return (&wire.Dead{Incarnation: b.incarnation, Node: m.Name, From: b.from}).Size()
	default:
		alive := c.table.alive(m, b.incarnation)
		return alive.Size()
	}
}

// alive is the message of a broadcast that says that m is.
func (t *table) alive(m *member, incarnation uint32) wire.Alive {
	return wire.Alive{Incarnation: incarnation, Node: m.Name, Addr: t.ip(m), Port: m.port, Meta: m.Meta, Vsn: m.Versions[:]}
}
