package swim

import (
	"slices"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// deadCheck is a ping of a member that another one declares dead, though it is not even suspected here. A suspicion reaches all
// members before it ends, unless its author can hardly send: then the author is more likely to be faulty than the suspect, who
// did not hear of it either. The ping has the dead message beside it, so that a member that is alive refutes it at once, to us
// and to all. If there is no ack, the message is believed.
//
// The message is gossiped meanwhile, for others to check too: if each had to wait for the one before, a death that is known soon
// after its suspicion would be known late everywhere.
//
// Compat: the reference believes it at once. A member that loses most of what it sends declares many others dead.
type deadCheck struct {
	subject     *member
	incarnation uint32 // of the dead message
	from        string // its reporter
	origin      origin
	pings       int
	began       time.Time
	due         *deadline
}

// deadChecks are the running ones, the oldest first.
type deadChecks []*deadCheck

const (
	// maxDeadChecks limits the running checks. What more members say is believed at once.
	maxDeadChecks = 64

	// deadPings is the number of pings in a check, as one may be lost.
	deadPings = 2
)

// beginAndGossip is begin, and gossips the message.
func (d *deadChecks) beginAndGossip(t *Turn, from *Endpoint, m *member, message *wire.Dead) bool {
	if !d.begin(t, from, m, message) {
		return false
	}
	if queued := t.queue.aboutMember(m.ID); queued == nil || queued.Value.kind != deadBroadcast {
		t.queue.add(t, m, broadcast{kind: deadBroadcast, incarnation: message.Incarnation, from: message.From}, 0)
	}
	return true
}

// begin reports whether a dead message about m waits for a check, which it begins unless one is running.
func (d *deadChecks) begin(t *Turn, from *Endpoint, m *member, message *wire.Dead) bool {
	if !t.cfg.Detector.CheckDead || m == t.table.self || t.local.leaving || !t.suspicions.isUnsuspected(m) {
		return false
	}
	if running := d.of(m); running != nil {
		running.incarnation = max(running.incarnation, message.Incarnation)
		return true
	}
	if len(*d) >= maxDeadChecks || !t.answers.take(t, from) {
		return false
	}
	one := &deadCheck{subject: m, incarnation: message.Incarnation, from: message.From, origin: t.origin, began: t.now,
		due: newDeadline(dueDeadCheck)}
	one.due.seq = t.seq.next()
	*d = append(*d, one)
	one.ping(t)
	return true
}

// of returns the running check of a member, or nil.
func (d deadChecks) of(m *member) *deadCheck {
	for _, c := range d {
		if c.subject == m {
			return c
		}
	}
	return nil
}

// asking returns the running check whose pings have a sequence number, or nil.
func (d deadChecks) asking(seq uint32) *deadCheck {
	for _, c := range d {
		if c.due.seq == seq {
			return c
		}
	}
	return nil
}

// isUnsuspected reports whether m is alive, or suspected only because a push/pull had it as suspect or dead.
func (s suspicions) isUnsuspected(m *member) bool {
	return m.State == StateAlive || m.State == StateSuspect && s.of(m).reporters[0] == unattributed
}

// ping pings the subject.
func (c *deadCheck) ping(t *Turn) {
	m := c.subject
	c.pings++
	t.deadlines.set(c.due, t.now.Add(t.pingTimeout()/deadPings))
	t.sendAlone(t.table.endpoint(m), t.newPing(c.due.seq, m.Name),
		&wire.Dead{Incarnation: c.incarnation, Node: m.Name, From: c.from})
}

// onAck ends a check: the subject is alive. The message is not gossiped any more.
func (d *deadChecks) onAck(t *Turn, from *Endpoint, c *deadCheck) {
	if !t.ackSources.isFrom(t, c.subject, from) {
		t.out.drop(DropStranger)
		return
	}
	c.subject.answered = true
	if queued := t.queue.aboutMember(c.subject.ID); queued != nil && queued.Value.kind == deadBroadcast {
		t.queue.remove(t, c.subject)
	}
	d.remove(t, c)
}

// onDue pings again, or believes the message.
func (d *deadChecks) onDue(t *Turn, seq uint32) {
	c := d.asking(seq)
	if c.pings < deadPings {
		c.ping(t)
		return
	}
	d.remove(t, c)
	if m := c.subject; c.incarnation >= m.Incarnation {
		t.origin = c.origin
		t.origin.findings = &Findings{To: t.table.addrPort(m), Pings: c.pings, Waited: t.now.Sub(c.began)}
		t.applyDead(c.incarnation, m, c.from)
	}
}

func (d *deadChecks) remove(t *Turn, c *deadCheck) {
	t.deadlines.stop(c.due)
	*d = slices.DeleteFunc(*d, func(one *deadCheck) bool { return one == c })
}

// forget ends the check of a member that is removed.
func (d *deadChecks) forget(t *Turn, m *member) {
	if c := d.of(m); c != nil {
		d.remove(t, c)
	}
}
