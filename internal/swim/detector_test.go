package swim

import (
	"slices"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// detecting is a configuration with all of Detector but for what a test changes.
func detecting(change func(*Detector)) func(*Config) {
	return func(c *Config) {
		c.Extensions = true
		c.Detector = Detector{AdaptiveTimeout: true, Refusals: true, Corroborate: true, CheckDead: true}
		if change != nil {
			change(&c.Detector)
		}
	}
}

// fromMember returns member i as the sender of a packet.
func fromMember(i int) Endpoint { return Endpoint{Name: memberName(i), AddrPort: memberAddr(i)} }

// questions returns the indirect pings of an output, by the name of the helper.
func questions(t *testing.T, out *Output) map[string]*wire.IndirectPing {
	t.Helper()
	found := make(map[string]*wire.IndirectPing)
	for _, p := range out.Packets {
		if i, ok := parse(t, p.Messages[0]).(*wire.IndirectPing); ok {
			found[p.To.Name] = i
		}
	}
	return found
}

// probingOf starts a probe of member i, and returns its ping's sequence number.
func (n *node) probingOf(i int) uint32 {
	n.t.Helper()
	n.table.unprobed = slices.Index(n.table.order, n.table.named(memberName(i)).ID) + 1
	seq := probing(n.t, n)
	if n.probe.target.Name != memberName(i) {
		n.t.Fatalf("%s is probed, want member %d", n.probe.target.Name, i)
	}
	n.take()
	return seq
}

// quick makes round trips of 1 ms known, so that the time limit of a ping is leastTimeout.
func (n *node) quick() *node {
	for range roundTripsWanted {
		n.roundTrips.note(time.Millisecond)
	}
	return n
}

// nackFrom lets some of the helpers that were asked answer with a nack.
func (n *node) nackFrom(helpers map[string]*wire.IndirectPing, count int, evidence uint8) {
	n.t.Helper()
	for i := 1; count > 0 && i < 200; i++ {
		if q := helpers[memberName(i)]; q != nil {
			n.Step(fromMember(i), &wire.Nack{SeqNo: q.SeqNo, Evidence: evidence})
			count--
		}
	}
	if count > 0 {
		n.t.Fatalf("%d helpers are missing", count)
	}
}
