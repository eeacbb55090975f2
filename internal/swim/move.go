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
func (c *Core) Depart(now time.Time, notice uint64) (heard bool) {
	if c.leaving || c.self.State.Gone() || !c.AnyAlive() {
		c.finish(notice)
		return false
	}
	c.departed = true
	c.former = former{addr: c.table.address(c.self), incarnation: c.self.Incarnation, reminded: now}
	c.broadcast(c.self, c.formerLeft(sayDead), notice)
	return true
}

// Arrive ends a move, or makes one if there was nobody to be told of the first
// part: it makes our new address known, with what else we are now. The notice is
// as in Announce. While leaving, nothing is announced.
func (c *Core) Arrive(now time.Time, addr netip.AddrPort, notice uint64) {
	departed := c.departed
	c.departed = false
	if c.leaving {
		c.finish(notice)
		return
	}
	if c.self.State.Gone() { // it was never announced, nor is it now
		c.table.move(c.self, addressOf(addr))
		c.changed(c.self)
		c.finish(notice)
		return
	}
	c.becomeAliveAt(now, addressOf(addr), notice)
	if departed {
		c.gossipFormer(now)
	}
}

// becomeAliveAt makes us alive at an address, as we were but for a new incarnation, and gossips that.
func (c *Core) becomeAliveAt(now time.Time, addr address, notice uint64) {
	c.becomeAlive(now, c.self, claim{
		addr: addr, meta: c.self.Meta, versions: c.self.Versions,
		incarnation: nextIncarnation(c.self.Incarnation),
	}, notice)
}

// announceLater keeps what we are now for Arrive to announce.
func (c *Core) announceLater(meta []byte, versions Versions, notice uint64) {
	changed := !bytes.Equal(meta, c.self.Meta)
	c.self.Meta, c.self.Versions = meta, versions
	c.changed(c.self)
	if changed {
		c.event(Event{Kind: EventUpdate, Member: c.Self()})
	}
	c.finish(notice)
}

// formerLeft says that we left the former address.
func (c *Core) formerLeft(as saying) broadcast {
	return broadcast{saying: as, incarnation: c.former.incarnation, member: c.self.ID, from: c.self.Name}
}

// remindOfMove gossips once more that we left the former address, next to what
// is gossiped of us.
func (c *Core) remindOfMove(now time.Time) {
	if c.departed || now.Sub(c.former.reminded) < remindEvery {
		return // that we left is all that is said of us before Arrive
	}
	c.gossipFormer(now)
	c.broadcast(c.self, broadcast{incarnation: c.self.Incarnation}, 0)
}

func (c *Core) gossipFormer(now time.Time) {
	c.former.reminded = now
	says := c.formerLeft(sayFormer)
	c.queue.order.Push(queue.Unique, c.broadcastSize(&says), says)
}

// wasOurs reports whether a claim to our name is what we were before we moved.
func (c *Core) wasOurs(addr address, incarnation uint32) bool {
	return c.former.incarnation != 0 && c.former.addr.same(addr) && incarnation <= c.former.incarnation
}
