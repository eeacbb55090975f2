package swim

import (
	"bytes"
	"net/netip"
	"time"

	"github.com/e3431adc/memberlist/internal/queue"
)

// former is what we were before we moved to another address; an incarnation of
// 0 says that we never did.
//
// Others refuse a live member that appears at another address: it may be an
// impostor. One that has left may come back wherever it likes. So we move in two
// parts, which members of the reference follow as well:
//
//	Depart   gossip that we left, and nothing else of ourselves
//	Arrive   gossip that we are alive at the new address, at a new incarnation
//
// Compat: no member of the reference does, but each accepts it.
//
// Who misses the first part refuses the second. It hears both again: what we
// were goes before what we are in each push/pull that we take part in, and is
// gossiped again when somebody still has us at the old address.
type former struct {
	addr        address
	incarnation uint32
	reminded    time.Time // when we last gossiped it
}

// remindEvery is the least time between gossip about what we were before.
const remindEvery = 5 * time.Second

// Depart begins a move, which Arrive has to end soon: it tells the others that
// we left, and reports whether anyone is there to hear it. The notice is in
// Output.Finished when it has been sent. Until Arrive we answer as ever, but
// refute nothing.
func (t *Turn) Depart(notice uint64) (heard bool) {
	if t.leaving || t.self.State.Gone() || !t.AnyAlive() {
		t.finish(notice)
		return false
	}
	t.departed = true
	t.former = former{addr: t.table.address(t.self), incarnation: t.self.Incarnation, reminded: t.now}
	t.broadcast(t.self, t.formerLeft(sayDead), notice)
	return true
}

// Arrive ends a move, or makes one if there was nobody to be told of the first
// part: it makes our new address known, with what else we are now. The notice is
// as in Announce. While leaving, nothing is announced.
func (t *Turn) Arrive(addr netip.AddrPort, notice uint64) {
	departed := t.departed
	t.departed = false
	if t.leaving {
		t.finish(notice)
		return
	}
	if t.self.State.Gone() { // it was never announced, nor is it now
		t.table.move(t.self, addressOf(addr))
		t.changed(t.self)
		t.finish(notice)
		return
	}
	t.becomeAliveAt(addressOf(addr), notice)
	if departed {
		t.gossipFormer()
	}
}

// becomeAliveAt makes us alive at an address, as we were but for a new incarnation, and gossips that.
func (t *Turn) becomeAliveAt(addr address, notice uint64) {
	t.becomeAlive(t.self, claim{
		addr: addr, meta: t.self.Meta, versions: t.self.Versions,
		incarnation: nextIncarnation(t.self.Incarnation),
	}, notice)
}

// announceLater keeps what we are now for Arrive to announce.
func (t *Turn) announceLater(meta []byte, versions Versions, notice uint64) {
	changed := !bytes.Equal(meta, t.self.Meta)
	t.self.Meta, t.self.Versions = meta, versions
	t.changed(t.self)
	if changed {
		t.event(Event{Kind: EventUpdate, Member: t.Self()})
	}
	t.finish(notice)
}

// formerLeft says that we left the former address.
func (c *Core) formerLeft(as saying) broadcast {
	return broadcast{saying: as, incarnation: c.former.incarnation, member: c.self.ID, from: c.self.Name}
}

// remindOfMove gossips once more that we left the former address, next to what
// is gossiped of us.
func (t *Turn) remindOfMove() {
	if t.departed || t.now.Sub(t.former.reminded) < remindEvery {
		return // that we left is all that is said of us before Arrive
	}
	t.gossipFormer()
	t.broadcast(t.self, broadcast{incarnation: t.self.Incarnation}, 0)
}

func (t *Turn) gossipFormer() {
	t.former.reminded = t.now
	says := t.formerLeft(sayFormer)
	t.queue.order.Push(queue.Unique, t.broadcastSize(&says), says)
}

// wasOurs reports whether a claim to our name is what we were before we moved.
func (c *Core) wasOurs(addr address, incarnation uint32) bool {
	return c.former.incarnation != 0 && c.former.addr.same(addr) && incarnation <= c.former.incarnation
}
