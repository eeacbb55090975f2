package swim

import (
	"slices"

	"github.com/e3431adc/memberlist/internal/queue"
	"github.com/e3431adc/memberlist/internal/wire"
)

// broadcasts is the queue of gossip: at most one message about each member. A queued broadcast holds only what the table
// does not know, a third of the bytes, and is encoded when it is sent. What the table knows of the member does not change
// meanwhile: each change of an address, metadata or versions queues a new broadcast in place of the old one.
type broadcasts struct {
	order   queue.Order[broadcast]
	about   []*queue.Item[broadcast] // by ID, up to the highest that was used; nil: none is queued
	waiting []waiter                 // for queued broadcasts
}

// broadcast is a queued message about a member.
type broadcast struct {
	from        string // the reporter's name; not for aliveBroadcast
	incarnation uint32
	member      ID
	kind        broadcastKind
}

// broadcastKind is the kind of message that a broadcast becomes.
type broadcastKind uint8

const (
	aliveBroadcast broadcastKind = iota
	suspectBroadcast
	deadBroadcast
	leftOldAddr // left at our former address: queued beside the broadcast about ourselves
)

// waiter is a notice to finish when the broadcast about a member has been sent or replaced.
type waiter struct {
	member ID
	notice uint64
}

// keptAbout limits the memory of broadcasts.about while the queue is empty, in members.
const keptAbout = 128

// add queues a broadcast about m in place of the one that is queued. One that fits no packet is not queued, and its notice
// finishes: push/pulls carry it.
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
		q.setAbout(m.ID, q.order.Push(kind, size, asserted))
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

// setAbout notes the queued broadcast about a member.
func (q *broadcasts) setAbout(id ID, queued *queue.Item[broadcast]) {
	if missing := int(id) + 1 - len(q.about); missing > 0 {
		q.about = slices.Grow(q.about, missing)[:int(id)+1]
	}
	q.about[id] = queued
}

// sendsBroadcasts reports whether there is a loop that sends the queue.
func (c *Config) sendsBroadcasts() bool { return c.gossipInterval() > 0 || c.ProbeInterval > 0 }

// directly is how many members get a broadcast with a notice if no loop sends the queue.
const directly = 8

// sendDirectly sends a broadcast to a few members, each in a packet of its own, and in one push/pull. When we leave,
// sendLeave does that.
//
// Compat: the reference tells no member, and its caller waits until its timeout.
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
		p.Features = t.table.featuresOf(m)
		if i == 0 && t.cfg.PushPullInterval > 0 {
			t.out.Streams = append(t.out.Streams, Stream{Kind: StreamPushPull, To: t.table.snapshot(m)})
		}
	}
}

// reserve makes room for broadcasts about n members in all.
func (q *broadcasts) reserve(members int) {
	q.about = slices.Grow(q.about, max(members-len(q.about), 0))
}

// aboutMember returns the queued broadcast about a member, or nil.
func (q *broadcasts) aboutMember(id ID) *queue.Item[broadcast] {
	if int(id) >= len(q.about) {
		return nil
	}
	return q.about[id]
}

// remove removes the queued broadcast about m.
func (q *broadcasts) remove(t *Turn, m *member) {
	if queued := q.aboutMember(m.ID); queued != nil {
		b := q.order.Remove(queued)
		q.onDequeued(t, &b)
	}
}

// onDequeued notes that a broadcast is no longer queued.
func (q *broadcasts) onDequeued(t *Turn, b *broadcast) {
	if b.kind == leftOldAddr {
		return
	}
	q.about[b.member] = nil
	q.finishAbout(t, b.member)
}

// finishAbout finishes the notice for the broadcast about a member.
func (q *broadcasts) finishAbout(t *Turn, id ID) {
	if len(q.waiting) == 0 {
		return
	}
	if i := slices.IndexFunc(q.waiting, func(w waiter) bool { return w.member == id }); i >= 0 {
		t.out.finish(q.waiting[i].notice)
		q.waiting = slices.Delete(q.waiting, i, i+1)
	}
}

// finishAll finishes all notices: no other member is left to send to. The broadcasts stay queued for members that join, and
// for the dead.
func (q *broadcasts) finishAll(t *Turn) {
	for _, w := range q.waiting {
		t.out.finish(w.notice)
	}
	q.waiting = q.waiting[:0]
}

// Settle empties the queue and takes each member for one that has answered us, and that knows the extensions if we do, unless it is
// among those that are plain. It is for simulations that begin with a settled cluster.
func (t *Turn) Settle(plain []string) {
	if r := t.rec; r != nil {
		put(r, &r.calls.Settle, callSettle{plain})
	}
	t.queue.dropAll(t)
	for _, id := range t.table.order {
		m := t.table.at(id)
		m.answered = true
		if t.cfg.Extensions && m != t.table.self && !slices.Contains(plain, m.Name) {
			t.view.note(m, wire.ViewUnsaid)
		}
	}
}

// dropAll empties the queue and finishes all notices.
func (q *broadcasts) dropAll(t *Turn) {
	q.finishAll(t)
	q.order.Reset()
	q.about = nil
}

// NumQueued returns the number of queued broadcasts.
func (c *Core) NumQueued() int { return c.queue.order.Len() }

// QueuedBytes returns the size of the queued broadcasts in bytes.
func (c *Core) QueuedBytes() int { return c.queue.order.Bytes() }

// fill adds queued broadcasts of at most room bytes to a packet of out. The messages of that packet, if any, are the last in
// out.
func (q *broadcasts) fill(t *Turn, out *Output, p *Packet, room int) {
	if q.order.Len() == 0 {
		return
	}
	first := len(out.pieces) - len(p.Messages)
	limit := t.zones.transmits(queue.TransmitLimit(t.cfg.RetransmitMult, t.table.len()))
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

// append appends the message of a broadcast.
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

// size returns how many bytes append appends.
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

// alive returns the alive message about m at an incarnation.
func (t *table) alive(m *member, incarnation uint32) wire.Alive {
	return wire.Alive{Incarnation: incarnation, Node: m.Name, Addr: t.ip(m), Port: m.port, Meta: m.Meta, Vsn: m.Versions[:],
		Zone: t.zones.bytes(m.zone)}
}
