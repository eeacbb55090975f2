package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/internal/sim"
	"github.com/e3431adc/memberlist/internal/swim"
)

// settings describe the simulation.
type settings struct {
	args []string // of the command line

	members   int
	seeds     int
	seed      uint64
	calm      time.Duration
	crash     int
	hosts     bool // of these
	latency   time.Duration
	jitter    time.Duration
	shape     string
	loss      float64 // percent
	zones     int
	apart     time.Duration // latency between zones beyond that within
	zoneLoss  float64       // percent, between zones
	zoneless  bool          // members do not know of their zones
	slow      int
	slowFor   time.Duration
	slowEvery time.Duration
	workers   int
	json      bool
	plot      string

	preset string
	config *memberlist.Config
}

// Limits of the flags.
const (
	maxMembers = 5000
	maxSeeds   = 100_000
	maxWorkers = 1024
	maxCalm    = 24 * time.Hour
	maxLatency = 5 * time.Second
	longest    = 10 * time.Minute // of times that depend on the push/pull interval

	// bytesAPair is the approximate memory for the knowledge of one member about another; workersMemory is the
	// maximum for all concurrent runs, unless -workers sets their number.
	bytesAPair    = 500
	workersMemory = int64(4 << 30)
)

// presets are the base configurations.
var presets = map[string]func() *memberlist.Config{
	"lan":      memberlist.DefaultLANConfig,
	"fast-lan": memberlist.DefaultFastLANConfig,
	"wan":      memberlist.DefaultWANConfig,
	"local":    memberlist.DefaultLocalConfig,
}

// shapes are the distributions of the latency above its minimum.
var shapes = map[string]sim.LatencyKind{
	"uniform":     sim.Uniform,
	"exponential": sim.Exponential,
	"lognormal":   sim.LogNormal,
	"pareto":      sim.Pareto,
}

// knobs are the fields of a Config with a flag: in lower case, with dashes.
var knobs = []struct {
	name  string
	what  string
	field func(*memberlist.Config) any // returns a pointer to it
	off   bool                         // 0 has a meaning
}{
	{"probe-interval", "`time` between two probes", func(c *memberlist.Config) any { return &c.ProbeInterval }, false},
	{"probe-timeout", "`time` for an ack before indirect pings are sent", func(c *memberlist.Config) any { return &c.ProbeTimeout }, false},
	{"indirect-checks", "`members` asked for an indirect ping", func(c *memberlist.Config) any { return &c.IndirectChecks }, true},
	{"suspicion-mult", "`factor` of the minimum suspicion timeout", func(c *memberlist.Config) any { return &c.SuspicionMult }, false},
	{"suspicion-max-timeout-mult", "maximum suspicion timeout, as a `multiple` of the minimum", func(c *memberlist.Config) any { return &c.SuspicionMaxTimeoutMult }, false},
	{"refusal-grace", "`time` for which a process may be gone unnoticed; 0: none", func(c *memberlist.Config) any { return &c.RefusalGrace }, true},
	{"silence-timeout", "`time` after which several members' silence is death; 0: never early", func(c *memberlist.Config) any { return &c.SilenceTimeout }, true},
	{"awareness-max-multiplier", "maximum `factor` of a slow member's probe interval; 1: never longer", func(c *memberlist.Config) any { return &c.AwarenessMaxMultiplier }, false},
	{"gossip-interval", "`time` between two rounds of gossip; 0: none but with probes", func(c *memberlist.Config) any { return &c.GossipInterval }, true},
	{"gossip-nodes", "`members` gossiped to in a round", func(c *memberlist.Config) any { return &c.GossipNodes }, true},
	{"gossip-to-the-dead-time", "`time` for which dead members are gossiped to and remembered", func(c *memberlist.Config) any { return &c.GossipToTheDeadTime }, false},
	{"retransmit-mult", "`factor` of the number of transmissions of a broadcast", func(c *memberlist.Config) any { return &c.RetransmitMult }, false},
	{"push-pull-interval", "`time` between two exchanges of the whole state; 0: none", func(c *memberlist.Config) any { return &c.PushPullInterval }, true},
	{"zone-relays", "`members` of each zone that exchange news with other zones", func(c *memberlist.Config) any { return &c.ZoneRelays }, false},
	{"dead-node-reclaim-time", "`time` after which a dead member's name may be claimed at another address; 0: never", func(c *memberlist.Config) any { return &c.DeadNodeReclaimTime }, true},
	{"reconnect-interval", "`time` between attempts to reconnect to dead members; 0: none", func(c *memberlist.Config) any { return &c.ReconnectInterval }, true},
	{"reconnect-timeout", "`time` for which reconnects are attempted", func(c *memberlist.Config) any { return &c.ReconnectTimeout }, false},
	{"udp-buffer-size", "maximum `bytes` of a packet", func(c *memberlist.Config) any { return &c.UDPBufferSize }, false},
	{"tcp-timeout", "time limit, a `duration`, of streams", func(c *memberlist.Config) any { return &c.TCPTimeout }, false},
}

// value formats the value behind a pointer to a knob.
func value(field any) string {
	if d, ok := field.(*time.Duration); ok {
		return d.String()
	}
	return strconv.Itoa(*field.(*int))
}

// parseFlags parses the command line. Errors are written to stderr.
func parseFlags(args []string, stderr io.Writer) (*settings, error) {
	s := &settings{args: args}
	flags := flag.NewFlagSet("simulate", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&s.members, "n", 100, fmt.Sprintf("`members` of the cluster, 3 to %d", maxMembers))
	flags.IntVar(&s.seeds, "seeds", 50, "number of `histories`")
	flags.Uint64Var(&s.seed, "seed", 0, "first `seed`")
	flags.DurationVar(&s.calm, "for", 0, "virtual `time` in which traffic and false deaths are counted; 0: a minute, or until each member has begun a push/pull")
	flags.IntVar(&s.crash, "crash", 1, "number of `members` that crash at once")
	flags.BoolVar(&s.hosts, "hosts", false, "their hosts fail too, so that nothing refuses streams")
	flags.DurationVar(&s.latency, "latency", time.Millisecond, "minimum one-way `latency`")
	flags.DurationVar(&s.jitter, "jitter", time.Millisecond, "additional random `latency`: up to this, or by -distribution")
	flags.StringVar(&s.shape, "distribution", "uniform", "`shape` of the jitter: "+strings.Join(names(shapes), ", ")+
		" (mean, median or scale -jitter)")
	flags.Float64Var(&s.loss, "loss", 0, "`percentage` of lost packets")
	flags.IntVar(&s.zones, "zones", 0, "number of `zones`, of one size, that the members are in; 0: none")
	flags.DurationVar(&s.apart, "zone-latency", 20*time.Millisecond, "additional one-way `latency` between zones")
	flags.Float64Var(&s.zoneLoss, "zone-loss", 0, "`percentage` of packets lost between zones, besides -loss")
	flags.BoolVar(&s.zoneless, "zoneless", false, "the members do not know of their zones, to compare")
	flags.IntVar(&s.slow, "slow", 0, "number of slow `members`, which at times handle no messages")
	flags.DurationVar(&s.slowFor, "slow-for", 5*time.Second, "`duration` of each such time")
	flags.DurationVar(&s.slowEvery, "slow-every", 30*time.Second, "`interval` between their starts")
	flags.IntVar(&s.workers, "workers", 0, "number of concurrent `histories`; 0: one for each core, if memory allows")
	flags.BoolVar(&s.json, "json", false, "print JSON, with times in seconds")
	flags.StringVar(&s.plot, "plot", "", "SVG `file` for a chart of the detection times")
	flags.StringVar(&s.preset, "preset", "lan", "base `configuration`: "+strings.Join(names(presets), ", "))
	texts := make(map[string]*string)
	for _, k := range knobs {
		texts[k.name] = flags.String(k.name, "", k.what+" (default as -preset)")
	}
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	err := s.configure(flags, texts)
	if err == nil {
		if s.calm == 0 {
			s.calm = max(time.Minute, min(sim.PushPullEvery(s.core(), s.members), longest))
		}
		err = s.validate()
	}
	if flags.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if err != nil {
		fmt.Fprintf(stderr, "simulate: %v\nSee go run ./simulate -h\n", err)
		return nil, err
	}
	if s.workers == 0 {
		fits := workersMemory / (bytesAPair * int64(s.members) * int64(s.members))
		s.workers = max(1, min(runtime.GOMAXPROCS(0), s.seeds, int(min(fits, maxWorkers))))
	}
	return s, nil
}

// names returns the sorted keys of a map.
func names[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }

// configure makes the Config from the preset and the knobs that are set.
func (s *settings) configure(flags *flag.FlagSet, texts map[string]*string) error {
	preset, ok := presets[s.preset]
	if !ok {
		return fmt.Errorf("-preset %s: must be one of %s", s.preset, strings.Join(names(presets), ", "))
	}
	s.config = preset()
	s.config.Name = "simulated"
	set := make(map[string]bool)
	flags.Visit(func(f *flag.Flag) { set[f.Name] = true })
	for _, k := range knobs {
		if !set[k.name] {
			continue
		}
		if err := setKnob(k.field(s.config), *texts[k.name], k.off); err != nil {
			return fmt.Errorf("-%s %s: %w", k.name, *texts[k.name], err)
		}
	}
	if err := s.config.Validate(); err != nil {
		return err
	}
	return nil
}

// setKnob parses text into the value behind a pointer to a knob. off allows 0.
func setKnob(field any, text string, off bool) error {
	least, positive := "at least 1", false
	if off {
		least = "at least 0"
	}
	switch field := field.(type) {
	case *time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return errors.New("not a time such as 500ms or 2s")
		}
		*field, positive = d, d > 0
		if !off {
			least = "more than 0"
		}
		off = off && d == 0
	case *int:
		i, err := strconv.Atoi(text)
		if err != nil {
			return errors.New("not a whole number")
		}
		*field, positive = i, i > 0
		off = off && i == 0
	}
	if !positive && !off {
		return fmt.Errorf("must be %s", least)
	}
	return nil
}

// validate checks the remaining flags.
func (s *settings) validate() error {
	for _, limit := range []struct {
		name           string
		value          int
		least, most    int
		allowedBecause string
	}{
		{"n", s.members, 3, maxMembers, "members"},
		{"seeds", s.seeds, 1, maxSeeds, "histories"},
		{"zones", s.zones, 0, s.members, "zones of at least one member"},
		{"slow", s.slow, 0, s.members - 2 - max(0, min(s.crash, 1)), "members, as two that are not slow must be left after a crash"},
		{"crash", s.crash, 0, s.members - 2 - s.slow, "members, as two that are not slow must be left"},
		{"workers", s.workers, 0, maxWorkers, "at the same time"},
	} {
		if limit.value < limit.least || limit.value > limit.most {
			return fmt.Errorf("-%s %d: must be %d to %d %s", limit.name, limit.value, limit.least, limit.most, limit.allowedBecause)
		}
	}
	for _, limit := range []struct {
		name        string
		value       time.Duration
		least, most time.Duration
	}{
		{"for", s.calm, time.Second, maxCalm},
		{"latency", s.latency, 0, maxLatency},
		{"jitter", s.jitter, 0, maxLatency},
		{"zone-latency", s.apart, 0, maxLatency},
		{"slow-for", s.slowFor, time.Millisecond, maxCalm},
		{"slow-every", s.slowEvery, time.Millisecond, maxCalm},
	} {
		if limit.value < limit.least || limit.value > limit.most {
			return fmt.Errorf("-%s %v: must be %v to %v", limit.name, limit.value, limit.least, limit.most)
		}
	}
	if s.slowFor >= s.slowEvery {
		return fmt.Errorf("-slow-for %v: must be less than -slow-every, which is %v", s.slowFor, s.slowEvery)
	}
	if _, ok := shapes[s.shape]; !ok {
		return fmt.Errorf("-distribution %s: must be one of %s", s.shape, strings.Join(names(shapes), ", "))
	}
	for name, loss := range map[string]float64{"loss": s.loss, "zone-loss": s.zoneLoss} {
		if math.IsNaN(loss) || loss < 0 || loss >= 100 {
			return fmt.Errorf("-%s %v: must be at least 0 and less than 100 percent", name, loss)
		}
	}
	return nil
}

// core returns the configuration of the core that Create would derive from the Config.
func (s *settings) core() swim.Config {
	c := s.config
	return swim.Config{
		DefaultPort:             uint16(c.BindPort),
		ProbeInterval:           c.ProbeInterval,
		ProbeTimeout:            c.ProbeTimeout,
		IndirectChecks:          c.IndirectChecks,
		SuspicionMult:           c.SuspicionMult,
		SuspicionMaxTimeoutMult: c.SuspicionMaxTimeoutMult,
		AwarenessMaxMultiplier:  c.AwarenessMaxMultiplier,
		LateAfter:               swim.LateAfter(c.ProbeTimeout),
		GossipInterval:          c.GossipInterval,
		GossipNodes:             c.GossipNodes,
		GossipToTheDeadTime:     c.GossipToTheDeadTime,
		RetransmitMult:          c.RetransmitMult,
		PushPullInterval:        c.PushPullInterval,
		DeadNodeReclaimTime:     c.DeadNodeReclaimTime,
		ZoneRelays:              c.ZoneRelays,
		ReconnectInterval:       c.ReconnectInterval,
		ReconnectTimeout:        c.ReconnectTimeout,
		Extensions:              true,
		Detector: swim.Detector{AdaptiveTimeout: true, Refusals: true, RefusalGrace: max(c.RefusalGrace, 0), Corroborate: true,
			SilenceTimeout: c.SilenceTimeout, Ring: true, CheckDead: true},
	}
}

// link returns the link between the members.
func (s *settings) link() sim.Link {
	return sim.Link{
		Latency: sim.Latency{Kind: shapes[s.shape], Min: s.latency, Spread: s.jitter},
		Loss:    s.loss / 100,
	}
}
