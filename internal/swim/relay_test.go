package swim

import (
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// TestPingOfADownMember: a member that asks for a ping of one that is down here is told to suspect it, so that it can refute, or that it
// left, also when that is forgotten. No other process is told.
func TestPingOfADownMember(t *testing.T) {
	member, stranger := Endpoint{AddrPort: memberAddr(2)}, Endpoint{AddrPort: memberAddr(50)}
	for _, tt := range []struct {
		name   string
		from   Endpoint
		before func(*node)
		want   string
	}{
		{"alive", member, func(*node) {}, ""},
		{"dead", member, func(n *node) { n.dead(1, 3, "m2") }, "suspect m1@3 by self"},
		{"left", member, func(n *node) { n.dead(1, 3, "m1") }, "dead m1@3 by m1"},
		{"forgotten", member, func(n *node) { n.dead(1, 3, "m2"); n.after(time.Minute).reaper.tick(n.Turn) }, "suspect m1@3 by self"},
		{"forgotten after it left", member, func(n *node) { n.dead(1, 3, "m1"); n.after(time.Minute).reaper.tick(n.Turn) }, "dead m1@3 by m1"},
		{"a stranger asks", stranger, func(n *node) { n.dead(1, 3, "m2") }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNode(t, func(c *Config) { c.Extensions = true }).withMembers(2)
			tt.before(n)
			n.take()
			n.Step(tt.from, &wire.IndirectPing{SeqNo: 7, Target: memberAddr(1).Addr().AsSlice(), Port: 7946, Node: "m1"})
			got := ""
			for _, p := range n.take().Packets {
				if p.To.AddrPort == tt.from.AddrPort {
					got += describe(parse(t, p.Messages[0]))
				}
			}
			if got != tt.want {
				t.Errorf("told %q, want %q", got, tt.want)
			}
		})
	}
}

// TestRelayProbesToo: a member that was asked for a ping by one of the reference probes the target itself if that does not answer.
func TestRelayProbesToo(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(n *node, seq uint32)
		want bool
	}{
		{"no answer", func(*node, uint32) {}, true},
		{"an ack", func(n *node, seq uint32) { n.Step(fromMember(1), ackOf(seq)) }, false},
		{"dead meanwhile", func(n *node, _ uint32) { n.suspect(1, 1, "m3"); n.dead(1, 1, "m3") }, false},
		{"the asker knows the extensions", func(n *node, _ uint32) { n.view.note(n.table.named("m2"), wire.ViewUnsaid) }, false},
		{"off", func(n *node, _ uint32) { n.cfg.Detector = Detector{} }, false},
		{"it probes nobody", func(n *node, _ uint32) { n.cfg.ProbeInterval = 0 }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNode(t, detecting(nil)).withMembers(9).quick()
			n.Step(fromMember(2), &wire.IndirectPing{SeqNo: 7, Target: memberAddr(1).Addr().AsSlice(), Port: 7946, Node: "m1", Nack: true,
				SourceAddr: memberAddr(2).Addr().AsSlice(), SourcePort: 7946, SourceNode: "m2"})
			ping := parse(t, n.take().Packets[0].Messages[0]).(*wire.Ping)
			tt.do(n, ping.SeqNo)
			n.take()
			n.tickTo(leastTimeout)
			if got := n.probe.target != nil && n.probe.target.Name == "m1"; got != tt.want {
				t.Errorf("probes the target: %v, want %v", got, tt.want)
			}
		})
	}
}
