package sim

import (
	"encoding/binary"
	"go/ast"
	"go/parser"
	"go/token"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// mutant is a core with a planted fault.
type mutant struct {
	name   string
	breaks func(*Config)
	rule   string // the rule that detects it
}

// broken is the node with the fault, for mutants of a single node.
const broken = 2

// in changes or drops messages that nodes receive.
func in(f func(node int, turn *swim.Turn, m any) bool) func(*Config) {
	return func(c *Config) { c.Tamper.In = f }
}

// out changes the output of nodes.
func out(f func(core *swim.Core, now time.Time, o *swim.Output)) func(*Config) {
	return func(c *Config) {
		c.Tamper.Out = func(node int, core *swim.Core, now time.Time, o *swim.Output) {
			if node == broken {
				f(core, now, o)
			}
		}
	}
}

// inTurn changes a core in a turn of its own, and adds the turn's output to o.
func inTurn(core *swim.Core, now time.Time, o *swim.Output, change func(*swim.Turn)) {
	var more swim.Output
	t := core.Begin(now, &more)
	change(t)
	t.End()
	o.Changed, o.Events, o.Wakeup = append(o.Changed, more.Changed...), append(o.Events, more.Events...), more.Wakeup
}

// config changes the configuration of nodes, which is equivalent to changing their formulas.
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
	{"accepts a stale alive about a dead member", in(func(_ int, turn *swim.Turn, m any) bool {
		if isGossip(m, wire.TypeAlive) {
			a := m.(*wire.GossipView)
			if known, _ := turn.Member(string(a.Node)); known.State == swim.StateDead && a.Incarnation <= known.Incarnation {
				a.Incarnation = known.Incarnation + 1
			}
		}
		return true
	}), ruleInvented},
	{"does not refute", in(func(node int, turn *swim.Turn, m any) bool {
		return !isGossip(m, wire.TypeSuspect, wire.TypeDead) || string(m.(*wire.GossipView).Node) != turn.Self().Name
	}), ruleRefute},
	{"treats a suspect message as a dead one", in(func(node int, turn *swim.Turn, m any) bool {
		if isGossip(m, wire.TypeSuspect) && string(m.(*wire.GossipView).Node) != turn.Self().Name {
			m.(*wire.GossipView).Kind = wire.TypeDead
		}
		return true
	}), ruleDeath},
	{"treats a death as a leave", in(func(node int, turn *swim.Turn, m any) bool {
		if d, ok := m.(*wire.GossipView); ok && d.Kind == wire.TypeDead && string(d.Node) != turn.Self().Name {
			d.From = d.Node
		}
		return true
	}), ruleLeave},
	{"drops acks", in(func(node int, _ *swim.Turn, m any) bool {
		_, ok := m.(*wire.Ack)
		return !ok || node != broken
	}), ruleQuiet},
	{"suspects without a probe", in(func(node int, turn *swim.Turn, m any) bool {
		if _, ok := m.(*wire.PingView); ok && node == broken {
			other, _ := turn.Member(nodeName(1))
			turn.StepGossip(swim.Endpoint{}, &wire.GossipView{Kind: wire.TypeSuspect, Incarnation: other.Incarnation,
				Node: []byte(other.Name), From: []byte("n0")})
		}
		return true
	}), ruleAccusation},
	{"declares dead without a timeout", config(func(c *swim.Config) { c.SuspicionMult = 0 }), rulePatience},
	{"never removes dead members", config(func(c *swim.Config) { c.GossipToTheDeadTime = time.Hour }), ruleRemembered},
	{"removes dead members at once", config(func(c *swim.Config) { c.GossipToTheDeadTime = 0 }), ruleForget},
	{"never stops gossiping", config(func(c *swim.Config) { c.RetransmitMult = 1 << 20 }), ruleLeak},
	{"lets any claim take a name", func(c *Config) {
		config(func(c *swim.Config) { c.DeadNodeReclaimTime = 1 })(c)
		c.Core.DeadNodeReclaimTime = 0
	}, ruleTakeover},
	{"does not gossip", func(c *Config) {
		c.Tamper.Config = func(_ int, cfg *swim.Config) { cfg.GossipNodes, cfg.PushPullInterval = 0, 0 }
		c.Tamper.Out = func(_ int, _ *swim.Core, _ time.Time, o *swim.Output) {
			for i := range o.Packets {
				o.Packets[i].Messages = o.Packets[i].Messages[:1]
			}
		}
	}, ruleSettle},
	{"forgets its incarnation", out(func(core *swim.Core, now time.Time, o *swim.Output) {
		if core.Self().Incarnation > 1 && o.Counts.GossipRounds > 0 {
			cfg := LAN()
			cfg.Name, cfg.Rand = core.Self().Name, rand.New(rand.NewPCG(1, 1))
			meta := binary.BigEndian.AppendUint32(nil, 0)
			*core = *swim.New(cfg)
			inTurn(core, now, new(swim.Output), func(t *swim.Turn) { t.Announce(address(broken, 0), meta, versions, 0) })
		}
	}), ruleIncarnation},
	{"reorders events", out(func(_ *swim.Core, _ time.Time, o *swim.Output) {
		slices.Reverse(o.Events)
	}), ruleOrder},
	{"loses events", out(func(_ *swim.Core, _ time.Time, o *swim.Output) {
		o.Events = slices.DeleteFunc(o.Events, func(e swim.Event) bool { return e.Kind == swim.EventLeave })
	}), ruleEvents},
	{"loses changes", out(func(_ *swim.Core, _ time.Time, o *swim.Output) {
		o.Changed = slices.DeleteFunc(o.Changed, func(m swim.Member) bool { return m.State == swim.StateSuspect })
	}), ruleSilent},
	{"lowers incarnations", out(func(_ *swim.Core, _ time.Time, o *swim.Output) {
		for i := range o.Changed {
			if o.Changed[i].Incarnation > 1 && o.Changed[i].Name != nodeName(broken) {
				o.Changed[i].Incarnation--
			}
		}
	}), ruleReturn},
	{"overfills packets", func(c *Config) {
		c.Tamper.Config = func(_ int, cfg *swim.Config) { cfg.Room = 1 << 16 }
		c.Start, c.N = Joining, 40
	}, rulePacket},
	{"exceeds the maximum health score", out(func(_ *swim.Core, _ time.Time, o *swim.Output) {
		if o.Health > 0 {
			o.Health += 8
		}
	}), ruleHealth},
	{"leaves unasked", out(func(core *swim.Core, now time.Time, o *swim.Output) {
		if o.Counts.GossipRounds > 0 {
			inTurn(core, now, o, func(t *swim.Turn) { t.Leave(0) })
		}
	}), ruleSelf},
	{"revives dead members", out(func(_ *swim.Core, _ time.Time, o *swim.Output) {
		for _, m := range o.Changed {
			if m.State == swim.StateDead {
				m.State = swim.StateAlive
				o.Changed = append(o.Changed, m)
				o.Events = append(o.Events, swim.Event{Kind: swim.EventJoin, Member: m})
			}
		}
	}), ruleReturn},
	{"suspects dead members", out(func(_ *swim.Core, _ time.Time, o *swim.Output) {
		for _, m := range o.Changed {
			if m.State == swim.StateDead {
				m.State = swim.StateSuspect
				o.Changed = append(o.Changed, m)
			}
		}
	}), ruleTransition},
	{"adds a member that does not exist", out(func(core *swim.Core, now time.Time, o *swim.Output) {
		if o.Counts.GossipRounds > 0 {
			inTurn(core, now, o, func(t *swim.Turn) {
				t.StepGossip(swim.Endpoint{}, &wire.GossipView{Kind: wire.TypeAlive, Incarnation: 1, Node: []byte("ghost"),
					Addr: []byte{10, 9, 9, 9}, Port: 1, Vsn: versions[:]})
			})
		}
	}), ruleTable},
	{"sets overdue timers", out(func(core *swim.Core, now time.Time, o *swim.Output) {
		if o.Counts.GossipRounds > 0 {
			inTurn(core, now.Add(-time.Hour), o, func(t *swim.Turn) { t.Ping(swim.Endpoint{Name: nodeName(1), AddrPort: address(1, 0)}) })
		}
	}), ruleTimers},
	{"pings without end", out(func(core *swim.Core, now time.Time, o *swim.Output) {
		for range o.Counts.GossipRounds {
			inTurn(core, now, o, func(t *swim.Turn) {
				for range swim.MaxRelays + 100 {
					t.Ping(swim.Endpoint{Name: nodeName(1), AddrPort: address(1, 0)})
				}
			})
		}
	}), ruleTimers},
	{"merges two clusters", out(func(_ *swim.Core, _ time.Time, o *swim.Output) {
		for i := range o.Changed {
			o.Changed[i].Meta = []byte{1, 0, 0, 0}
		}
	}), ruleMerge},
	{"revives members that left", out(func(_ *swim.Core, _ time.Time, o *swim.Output) {
		for _, m := range o.Changed {
			if m.State == swim.StateLeft {
				m.State = swim.StateAlive
				o.Changed = append(o.Changed, m)
			}
		}
	}), ruleAway},
	{"has others at its own address", out(func(core *swim.Core, _ time.Time, o *swim.Output) {
		for i := range o.Changed {
			o.Changed[i].Addr = core.Self().Addr
		}
	}), ruleOwn},
	{"accepts unusable versions", out(func(_ *swim.Core, _ time.Time, o *swim.Output) {
		for i := range o.Changed {
			o.Changed[i].Versions = swim.Versions{1, 5, 2, 4, 6, 5}
		}
	}), ruleVersions},
	{"reports conflicts that do not exist", out(func(_ *swim.Core, _ time.Time, o *swim.Output) {
		for i := range o.Changed {
			o.Events = append(o.Events, swim.Event{Kind: swim.EventConflict, Member: o.Changed[i], Other: &o.Changed[i]})
		}
	}), ruleConflict},
	{"reports no conflicts", func(c *Config) {
		c.Tamper.Out = func(_ int, _ *swim.Core, _ time.Time, o *swim.Output) {
			o.Events = slices.DeleteFunc(o.Events, func(e swim.Event) bool { return e.Kind == swim.EventConflict })
		}
	}, ruleTold},
	{"reconnects to a replaced member", out(func(core *swim.Core, _ time.Time, o *swim.Output) {
		if m, ok := core.Member(nodeName(1)); ok && o.Counts.GossipRounds > 0 {
			m.Name = nodeName(0)
			o.Streams = append(o.Streams, swim.Stream{Kind: swim.StreamReconnect, To: m})
		}
	}), ruleReplaced},
	{"reports isolation without a cause", out(func(core *swim.Core, _ time.Time, o *swim.Output) {
		if o.Counts.GossipRounds > 0 {
			o.Events = append(o.Events, swim.Event{Kind: swim.EventIsolated, Member: core.Self()})
		}
	}), ruleWhole},
	{"raises its health score without a cause", out(func(_ *swim.Core, _ time.Time, o *swim.Output) { o.Health = 1 }), ruleIll},
	{"never lowers its health score", out(func(_ *swim.Core, _ time.Time, o *swim.Output) { o.Health = 1 }), ruleWellAgain},
	{"drops user broadcasts", func(c *Config) {
		c.Tamper.Out = func(_ int, _ *swim.Core, _ time.Time, o *swim.Output) {
			for i := range o.Packets {
				p := &o.Packets[i]
				p.Messages = slices.DeleteFunc(p.Messages, func(m []byte) bool { return wire.Type(m[0]) == wire.TypeUser })
			}
		}
	}, ruleUser},
	{"never detects", func(c *Config) {
		c.Tamper.Config = func(_ int, cfg *swim.Config) { cfg.ProbeInterval = 0 }
	}, ruleSettle},
}

// TestMutants: a core with a planted fault is detected by the rule that it breaks, within a few seeds.
func TestMutants(t *testing.T) {
	var scenarios []Scenario
	for _, sc := range Scenarios() {
		if slices.Contains([]string{"calm", "join at once", "crash", "crash and return", "leave", "move", "pauses", "metadata", "loss",
			"slow", "user broadcasts", "twins"}, sc.Name) {
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
						if v.Rule == m.rule {
							return
						}
					}
				}
			}
			t.Errorf("not found by %q; found by %v", m.rule, found)
		})
	}
}

// TestBeyond: the bounds of a core's memory are checked exactly.
func TestBeyond(t *testing.T) {
	for _, tt := range []struct {
		most, beyond kept
		rule         string
	}{
		{kept{known: 10}, kept{known: 11}, ruleTable},
		{kept{lost: 9}, kept{lost: 10}, ruleLost},
		{kept{known: 5, queued: 5}, kept{known: 5, queued: 6}, ruleQueue},
		{kept{known: 2, timers: maxTimers(2)}, kept{known: 2, timers: maxTimers(2) + 1}, ruleTimers},
		{kept{health: 7}, kept{health: 8}, ruleHealth},
		{kept{}, kept{health: -1}, ruleHealth},
	} {
		if rule, detail := tt.most.beyond(LAN(), 10); rule != "" {
			t.Errorf("%+v: %s, %s", tt.most, rule, detail)
		}
		if rule, detail := tt.beyond.beyond(LAN(), 10); rule != tt.rule || detail == "" {
			t.Errorf("%+v: %q, %q; want %q", tt.beyond, rule, detail, tt.rule)
		}
	}
}

// TestEveryRuleIsTested: for each rule there is a mutant that only it detects, or a test of its bound.
func TestEveryRuleIsTested(t *testing.T) {
	// By TestBeyond, and by TestPutBack: no core can be made to break them from outside.
	tested := []string{ruleQueue, ruleLost, ruleWholeAgain, ruleDecided, ruleView}
	for _, m := range mutants {
		tested = append(tested, m.rule)
	}
	file, err := parser.ParseFile(token.NewFileSet(), "rules.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	rules := 0
	ast.Inspect(file, func(node ast.Node) bool {
		if spec, ok := node.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, "rule") {
			rules++
			text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil || !slices.Contains(tested, text) {
				t.Errorf("%s is not tested, %v", spec.Names[0].Name, err)
			}
		}
		return true
	})
	if rules < 20 {
		t.Errorf("%d rules", rules)
	}
}
