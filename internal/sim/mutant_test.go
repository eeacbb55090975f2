package sim

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// mutant is a core broken on purpose.
type mutant struct {
	name   string
	breaks func(*Config)
	rules  []string // any of which finds it
}

// broken is the node that is broken, of those mutants of which one is.
const broken = 2

// in breaks how nodes take messages.
func in(f func(node int, core *swim.Core, m wire.Message) bool) func(*Config) {
	return func(c *Config) { c.Tamper.In = f }
}

// out breaks what a node puts out.
func out(f func(core *swim.Core, now time.Time, o *swim.Output)) func(*Config) {
	return func(c *Config) {
		c.Tamper.Out = func(node int, core *swim.Core, now time.Time, o *swim.Output) {
			if node == broken {
				f(core, now, o)
			}
		}
	}
}

// config breaks how a node is configured, which is as good as breaking its formulas.
func config(f func(*swim.Config)) func(*Config) {
	return func(c *Config) {
		c.Tamper.Config = func(node int, cfg *swim.Config) {
			if node == broken {
				f(cfg)
			}
		}
	}
}

var mutants = []mutant{
	{"believes a stale alive about the dead", in(func(_ int, core *swim.Core, m wire.Message) bool {
		if a, ok := m.(*wire.Alive); ok {
			if known, _ := core.Member(a.Node); known.State == swim.StateDead && a.Incarnation <= known.Incarnation {
				a.Incarnation = known.Incarnation + 1
			}
		}
		return true
	}), []string{ruleInvented}},
	{"does not refute", in(func(node int, core *swim.Core, m wire.Message) bool {
		switch m := m.(type) {
		case *wire.Suspect:
			return m.Node != core.Self().Name
		case *wire.Dead:
			return m.Node != core.Self().Name
		}
		return true
	}), []string{ruleRefute}},
	{"takes a suspicion for a death", in(func(node int, core *swim.Core, m wire.Message) bool {
		if s, ok := m.(*wire.Suspect); ok && s.Node != core.Self().Name {
			core.Step(start, swim.Endpoint{}, &wire.Dead{Incarnation: s.Incarnation, Node: s.Node, From: s.From})
			return false
		}
		return true
	}), []string{ruleVerdict}},
	{"takes a death for a farewell", in(func(node int, core *swim.Core, m wire.Message) bool {
		if d, ok := m.(*wire.Dead); ok && d.Node != core.Self().Name {
			d.From = d.Node
		}
		return true
	}), []string{ruleFarewell}},
	{"does not see acks", in(func(node int, _ *swim.Core, m wire.Message) bool {
		_, ok := m.(*wire.Ack)
		return !ok || node != broken
	}), []string{ruleQuiet}},
	{"accuses without a probe", in(func(node int, core *swim.Core, m wire.Message) bool {
		if _, ok := m.(*wire.Ping); ok && node == broken {
			other, _ := core.Member(nodeName(1))
			core.Step(start, swim.Endpoint{}, &wire.Suspect{Incarnation: other.Incarnation, Node: other.Name, From: "n0"})
		}
		return true
	}), []string{ruleAccusation, ruleQuiet}},
	{"condemns without patience", config(func(c *swim.Config) { c.SuspicionMult = 0 }), []string{rulePatience}},
	{"never forgets", config(func(c *swim.Config) { c.GossipToTheDeadTime = time.Hour }), []string{ruleRemembered}},
	{"forgets at once", config(func(c *swim.Config) { c.GossipToTheDeadTime = 0 }), []string{ruleForget}},
	{"never stops telling", config(func(c *swim.Config) { c.RetransmitMult = 1 << 20 }), []string{ruleLeak}},
	{"gives names away", func(c *Config) {
		config(func(c *swim.Config) { c.DeadNodeReclaimTime = 1 })(c)
		c.Core.DeadNodeReclaimTime = 0
	}, []string{ruleTakeover}},
	{"tells nobody", func(c *Config) {
		c.Tamper.Config = func(_ int, cfg *swim.Config) { cfg.GossipNodes, cfg.PushPullInterval = 0, 0 }
		c.Tamper.Out = func(_ int, _ *swim.Core, _ time.Time, o *swim.Output) {
			for i := range o.Packets {
				o.Packets[i].Messages = o.Packets[i].Messages[:1]
			}
		}
	}, []string{ruleSettle, ruleLeak}},
	{"forgets its incarnation", out(func(core *swim.Core, now time.Time, o *swim.Output) {
		if core.Self().Incarnation > 1 && o.Counts.GossipRounds > 0 {
			cfg := LAN()
			cfg.Name, cfg.Rand = core.Self().Name, rand.New(rand.NewPCG(1, 1))
			meta := binary.BigEndian.AppendUint32(nil, 0)
			*core = *swim.New(cfg)
			core.Announce(now, address(broken, 0), meta, versions, 0)
		}
	}), []string{ruleIncarnation}},
	{"tells events in the wrong order", out(func(_ *swim.Core, _ time.Time, o *swim.Output) {
		slices.Reverse(o.Events)
	}), []string{ruleOrder, ruleEvents}},
	{"loses events", out(func(_ *swim.Core, _ time.Time, o *swim.Output) {
		o.Events = slices.DeleteFunc(o.Events, func(e swim.Event) bool { return e.Kind == swim.EventLeave })
	}), []string{ruleEvents, ruleOrder}},
	{"loses changes", out(func(_ *swim.Core, _ time.Time, o *swim.Output) {
		o.Changed = slices.DeleteFunc(o.Changed, func(m swim.Member) bool { return m.State == swim.StateSuspect })
	}), []string{ruleSilent, ruleTransition, rulePatience}},
	{"goes back in time", out(func(_ *swim.Core, _ time.Time, o *swim.Output) {
		for i := range o.Changed {
			if o.Changed[i].Incarnation > 1 && o.Changed[i].Name != nodeName(broken) {
				o.Changed[i].Incarnation--
			}
		}
	}), []string{ruleIncarnation, ruleReturn, ruleSilent, ruleVerdict, ruleAccusation}},
	{"overfills packets", func(c *Config) {
		c.Tamper.Out = func(node int, core *swim.Core, _ time.Time, _ *swim.Output) { core.SetRoom(1 << 16) }
		c.Start, c.N = Joining, 40
	}, []string{rulePacket}},
	{"feels worse than ill", out(func(_ *swim.Core, _ time.Time, o *swim.Output) {
		if o.Health > 0 {
			o.Health += 8
		}
	}), []string{ruleHealth}},
	{"leaves without being told to", out(func(core *swim.Core, now time.Time, o *swim.Output) {
		if o.Counts.GossipRounds > 0 {
			core.Leave(now, 0)
		}
	}), []string{ruleSelf, ruleFarewell}},
	{"never detects", func(c *Config) {
		c.Tamper.Config = func(_ int, cfg *swim.Config) { cfg.ProbeInterval = 0 }
	}, []string{ruleSettle}},
}

// TestMutants: a core that is broken on purpose is found by the rule that it breaks, within a few seeds.
func TestMutants(t *testing.T) {
	var scenarios []Scenario
	for _, sc := range Scenarios() {
		if slices.Contains([]string{"calm", "join at once", "crash", "crash and return", "leave", "move", "pauses", "metadata", "loss",
			"slow"}, sc.Name) {
			scenarios = append(scenarios, sc)
		}
	}
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			found := make(map[string]int)
			for seed := range uint64(20) {
				for _, sc := range scenarios {
					cfg := sc.Config(seed)
					m.breaks(&cfg)
					if v := settle(cfg).Violation; v != nil {
						found[v.Rule]++
						if slices.Contains(m.rules, v.Rule) {
							return
						}
					}
				}
			}
			t.Errorf("not found by %q; found by %v", strings.Join(m.rules, ", "), found)
		})
	}
}
