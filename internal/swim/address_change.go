package swim

import (
	"bytes"
	"net/netip"
	"time"

	"github.com/e3431adc/memberlist/internal/queue"
)

// addressChange is the change of our own address, and the address before the last one; an incarnation of 0 means that there
// was none.
//
// Other members refuse a live member that appears at another address, as it may be an impostor. One that has left may return
// anywhere. So the change has two parts, which members of the reference follow as well:
//
//	BeginAddressChange   gossip that we left, and no more about ourselves
//	FinishAddressChange  gossip that we are alive at the new address, at a new incarnation
//
// Compat: no member of the reference does this, but each accepts it.
//
// A member that misses the first part refuses the second. It receives both again: the former address, as left, precedes the
// new one in each of our push/pulls, and is gossiped again when another member still has us there.
type addressChange struct {
	begun       bool // between BeginAddressChange and FinishAddressChange
	oldAddr     address
	incarnation uint32
	reminded    time.Time // when the former address was last gossiped as left
}

// remindEvery is the least time between two reminders of the former address.
const remindEvery = 5 * time.Second

// BeginAddressChange begins a change of our address, which FinishAddressChange has to end soon. It gossips that we left, and
// reports whether there is a member to receive that. The notice is in Output.Finished when it has been sent. Until the end
// we answer as before but refute nothing.
func (t *Turn) BeginAddressChange(notice uint64) (heard bool) {
	if r := t.rec; r != nil {
		put(r, &r.calls.BeginAddressChange, callBeginAddressChange{notice})
	}
	if t.local.leaving || t.table.self.State.IsDown() || !t.AnyAlive() {
		t.out.finish(notice)
		return false
	}
	t.local.addressChange = addressChange{begun: true, oldAddr: t.table.address(t.table.self), incarnation: t.table.self.Incarnation, reminded: t.now}
	t.queue.add(t, t.table.self, t.local.addressChange.leftOldAddr(t.Core, deadBroadcast), notice)
	return true
}

// FinishAddressChange gossips that we are alive at the new address, with our present metadata and versions. It needs no
// BeginAddressChange if that reports false. The notice is as in Announce. While leaving, nothing is announced.
func (t *Turn) FinishAddressChange(addr netip.AddrPort, notice uint64) {
	if r := t.rec; r != nil {
		put(r, &r.calls.FinishAddressChange, callFinishAddressChange{addr, notice})
	}
	departed := t.local.addressChange.begun
	t.local.addressChange.begun = false
	if t.local.leaving {
		t.out.finish(notice)
		return
	}
	if t.table.self.State.IsDown() { // it has not been announced
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

// becomeAliveAt makes us alive at an address, at a new incarnation, and gossips that.
func (l *local) becomeAliveAt(t *Turn, addr address, notice uint64) {
	t.becomeAlive(t.table.self, assertion{
		addr: addr, meta: t.table.self.Meta, zone: t.cfg.ownZone(), versions: t.table.self.Versions,
		incarnation: nextIncarnation(t.table.self.Incarnation),
	}, notice)
}

// announceLater keeps metadata and versions for FinishAddressChange to announce.
func (a *addressChange) announceLater(t *Turn, meta []byte, versions Versions, notice uint64) {
	changed := !bytes.Equal(meta, t.table.self.Meta)
	t.table.self.Meta, t.table.self.Versions = meta, versions
	t.changed(t.table.self)
	if changed {
		t.out.event(Event{Kind: EventUpdate, Member: t.Self()})
	}
	t.out.finish(notice)
}

// leftOldAddr returns the broadcast that we left the former address.
func (a *addressChange) leftOldAddr(c *Core, as broadcastKind) broadcast {
	return broadcast{kind: as, incarnation: a.incarnation, member: c.table.self.ID, from: c.table.self.Name}
}

// remind gossips again that we left the former address, and that we are alive at the new one.
func (a *addressChange) remind(t *Turn) {
	if a.begun || t.now.Sub(a.reminded) < remindEvery {
		return // until FinishAddressChange we are gossiped as left anyway
	}
	a.gossip(t)
	t.queue.add(t, t.table.self, broadcast{incarnation: t.table.self.Incarnation}, 0)
}

func (a *addressChange) gossip(t *Turn) {
	a.reminded = t.now
	asserted := a.leftOldAddr(t.Core, leftOldAddr)
	t.queue.order.Push(queue.Unique, t.queue.size(t.Core, &asserted), asserted)
}

// isFormerSelf reports whether an assertion with our name is about us at the former address.
func (a *addressChange) isFormerSelf(c *Core, addr address, incarnation uint32) bool {
	return a.incarnation != 0 && a.oldAddr.same(addr) && incarnation <= a.incarnation
}
