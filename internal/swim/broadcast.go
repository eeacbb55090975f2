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
	saying      saying
}

// saying says what a broadcast says of its member.
type saying uint8

const (
	sayAlive   saying = iota
	saySuspect        // From says so
	sayDead           // likewise
	sayFormer         // dead, of ourselves before we moved: it goes beside what is said of us, and is not replaced by it
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
func (t *Turn) broadcast(m *member, says broadcast, notice uint64) {
	t.push(m, queue.Named, says, notice)
}

func (t *Turn) push(m *member, kind queue.Kind, says broadcast, notice uint64) {
	q := &t.queue
	says.member = m.ID
	size := t.broadcastSize(&says)
	if size > t.cfg.Room.Beside() {
		t.drop(DropOversize)
		t.unqueue(m)
		t.finish(notice)
		return
	}
	if queued := q.aboutMember(m.ID); queued != nil {
		q.order.Replace(queued, kind, size, says)
		t.finishAbout(m.ID)
	} else {
		if missing := int(m.ID) + 1 - len(q.about); missing > 0 {
			q.about = slices.Grow(q.about, missing)[:int(m.ID)+1]
		}
		q.about[m.ID] = q.order.Push(kind, size, says)
	}
	switch {
	case notice == 0:
	case t.carriesNews():
		q.waiting = append(q.waiting, waiter{m.ID, notice})
	default:
		t.tellDirectly(&says)
		t.finish(notice)
	}
}

// carriesNews reports whether there is a loop that sends what is queued.
func (c *Core) carriesNews() bool { return c.gossipInterval() > 0 || c.cfg.ProbeInterval > 0 }

// directly is how many members are told what somebody waits for if there is no loop that sends it.
const directly = 8

// tellDirectly sends what is queued to a few members, in packets of their own, and in an exchange of states. What we say when
// we leave, they are told anyway.
//
// Compat: in the reference nobody is told, and who waits for it does so in vain.
func (t *Turn) tellDirectly(says *broadcast) {
	if t.leaving {
		return
	}
	for i, m := range t.choose(directly, t.isPresent) {
		p := t.newPacket()
		p.To = t.endpoint(m)
		start := len(t.out.bytes)
		t.out.bytes = t.appendBroadcast(t.out.bytes, says)
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
func (t *Turn) unqueue(m *member) {
	if queued := t.queue.aboutMember(m.ID); queued != nil {
		b := t.queue.order.Remove(queued)
		t.left(&b)
	}
}

// left notes that a broadcast is no longer queued.
func (t *Turn) left(b *broadcast) {
	if b.saying == sayFormer {
		return
	}
	t.queue.about[b.member] = nil
	t.finishAbout(b.member)
}

// finishAbout has the driver told that nobody need wait for what was queued about a member.
func (t *Turn) finishAbout(id ID) {
	q := &t.queue
	if len(q.waiting) == 0 {
		return
	}
	if i := slices.IndexFunc(q.waiting, func(w waiter) bool { return w.member == id }); i >= 0 {
		t.finish(q.waiting[i].notice)
		q.waiting = slices.Delete(q.waiting, i, i+1)
	}
}

// waitNoMore finishes the notices of all that is queued: nobody is left to hear it. It stays queued for those who come, and
// for the dead.
func (t *Turn) waitNoMore() {
	for _, w := range t.queue.waiting {
		t.finish(w.notice)
	}
	t.queue.waiting = t.queue.waiting[:0]
}

// Settle makes what is known as if it had been for long: all has been told, and each member has answered us. It is for
// simulations that begin with a cluster that has settled.
func (t *Turn) Settle() {
	t.dropQueued()
	for _, id := range t.table.order {
		t.table.at(id).answered = true
	}
}

// dropQueued drops all broadcasts, finishing their notices: nobody needs to be told.
func (t *Turn) dropQueued() {
	t.waitNoMore()
	t.queue.order.Reset()
	t.queue.about = nil
}

// NumQueued is how many broadcasts wait to be sent.
func (c *Core) NumQueued() int { return c.queue.order.Len() }

// QueuedBytes is how many bytes they have.
func (c *Core) QueuedBytes() int { return c.queue.order.Bytes() }

// fillIn adds queued broadcasts that take at most room bytes to a packet of out, whose messages are the last in out, if it
// has any.
func (t *Turn) fillIn(out *Output, p *Packet, room int) {
	q := &t.queue
	if q.order.Len() == 0 {
		return
	}
	first := len(out.pieces) - len(p.Messages)
	limit := queue.TransmitLimit(t.cfg.RetransmitMult, t.table.len())
	q.order.Take(wire.CompoundPartOverhead, room, limit, func(i *queue.Item[broadcast], removed bool) {
		b := &i.Value
		start := len(out.bytes)
		out.bytes = t.appendBroadcast(out.bytes, b)
		out.pieces = append(out.pieces, out.bytes[start:len(out.bytes):len(out.bytes)])
		if removed {
			t.left(b)
		}
	})
	p.Messages = out.pieces[first:len(out.pieces):len(out.pieces)]
	if q.order.Len() == 0 && cap(q.about) > keptAbout {
		q.about = nil
	}
}

// appendBroadcast appends the message of a broadcast.
func (c *Core) appendBroadcast(dst []byte, b *broadcast) []byte {
	m := c.table.at(b.member)
	switch b.saying {
	case saySuspect:
		return (&wire.Suspect{Incarnation: b.incarnation, Node: m.Name, From: b.from}).Append(dst)
	case sayDead, sayFormer:
		return (&wire.Dead{Incarnation: b.incarnation, Node: m.Name, From: b.from}).Append(dst)
	default:
		alive := c.alive(m, b)
		return alive.Append(dst)
	}
}

// broadcastSize is how many bytes appendBroadcast appends.
func (c *Core) broadcastSize(b *broadcast) int {
	m := c.table.at(b.member)
	switch b.saying {
	case saySuspect, sayDead, sayFormer:
		return (&wire.Dead{Incarnation: b.incarnation, Node: m.Name, From: b.from}).Size()
	default:
		alive := c.alive(m, b)
		return alive.Size()
	}
}

// alive is the message of a broadcast that says that m is.
func (c *Core) alive(m *member, b *broadcast) wire.Alive {
	return wire.Alive{Incarnation: b.incarnation, Node: m.Name, Addr: c.table.ip(m), Port: m.port, Meta: m.Meta, Vsn: m.Versions[:]}
}
