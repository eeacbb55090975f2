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
type addressChange struct {
	begun       bool // between BeginAddressChange and FinishAddressChange
	oldAddr     address
	incarnation uint32
	reminded    time.Time // when we last gossiped it
}

// remindEvery is the least time between gossip about what we were before.
const remindEvery = 5 * time.Second

// Depart begins a move, which Arrive has to end soon: it tells the others that
// we left, and reports whether anyone is there to hear it. The notice is in
// Output.Finished when it has been sent. Until Arrive we answer as ever, but
// refute nothing.
func (t *Turn) BeginAddressChange(notice uint64) (heard bool) {
	if t.local.leaving || t.table.self.State.IsDown() || !t.AnyAlive() {
		t.out.finish(notice)
		return false
	}
	t.local.addressChange = addressChange{begun: true, oldAddr: t.table.address(t.table.self), incarnation: t.table.self.Incarnation, reminded: t.now}
	t.queue.add(t, t.table.self, t.local.addressChange.leftOldAddr(t.Core, deadBroadcast), notice)
	return true
}

// Arrive ends a move, or makes one if there was nobody to be told of the first
// part: it makes our new address known, with what else we are now. The notice is
// as in Announce. While leaving, nothing is announced.
func (t *Turn) FinishAddressChange(addr netip.AddrPort, notice uint64) {
	departed := t.local.addressChange.begun
	t.local.addressChange.begun = false
	if t.local.leaving {
		t.out.finish(notice)
		return
	}
	if t.table.self.State.IsDown() { // it was never announced, nor is it now
		t.table.move(t.table.self, addressOf(addr))
		t.changed(t.table.self)
		t.out.finish(notice)
		return
	}
	t.local.becomeAliveAt(t, addressOf(addr), notice)
	if departed {
		t.local.addressChange.gossip(t)
	}
}

// becomeAliveAt makes us alive at an address, as we were but for a new incarnation, and gossips that.
func (l *local) becomeAliveAt(t *Turn, addr address, notice uint64) {
	t.becomeAlive(t.table.self, assertion{
		addr: addr, meta: t.table.self.Meta, versions: t.table.self.Versions,
		incarnation: nextIncarnation(t.table.self.Incarnation),
	}, notice)
}

// announceLater keeps what we are now for Arrive to announce.
func (a *addressChange) announceLater(t *Turn, meta []byte, versions Versions, notice uint64) {
	changed := !bytes.Equal(meta, t.table.self.Meta)
	t.table.self.Meta, t.table.self.Versions = meta, versions
	t.changed(t.table.self)
	if changed {
		t.out.event(Event{Kind: EventUpdate, Member: t.Self()})
	}
	t.out.finish(notice)
}

// formerLeft says that we left the former address.
func (a *addressChange) leftOldAddr(c *Core, as broadcastKind) broadcast {
	return broadcast{kind: as, incarnation: a.incarnation, member: c.table.self.ID, from: c.table.self.Name}
}

// remindOfMove gossips once more that we left the former address, next to what
// is gossiped of us.
func (a *addressChange) remind(t *Turn) {
	if a.begun || t.now.Sub(a.reminded) < remindEvery {
		return // that we left is all that is said of us before Arrive
	}
	a.gossip(t)
	t.queue.add(t, t.table.self, broadcast{incarnation: t.table.self.Incarnation}, 0)
}

func (a *addressChange) gossip(t *Turn) {
	a.reminded = t.now
	asserted := a.leftOldAddr(t.Core, leftOldAddr)
	t.queue.order.Push(queue.Unique, t.queue.size(t.Core, &asserted), asserted)
}

// wasOurs reports whether a claim to our name is what we were before we moved.
func (a *addressChange) isFormerSelf(c *Core, addr address, incarnation uint32) bool {
	return a.incarnation != 0 && a.oldAddr.same(addr) && incarnation <= a.incarnation
}
