package sim

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// TestDetection: a crash is detected by all members at about the same time: that of a host, or of a process by members that do
// not count refusals, within the bounds of the formulas; that of a process after the grace, or at once without one; that of a host
// by its silence, if that counts.
func TestDetection(t *testing.T) {
	const n, at = 60, 10 * time.Second
	least, most := shortestSuspicion(LAN(), n), 3*LAN().ProbeInterval+longestSuspicion(LAN(), n)
	for _, tt := range []struct {
		name        string
		kind        Kind
		change      func(d *swim.Detector)
		least, most time.Duration
	}{
		{"process, off", Crash, func(d *swim.Detector) { *d = swim.Detector{} }, least, most},
		{"host", HostCrash, func(*swim.Detector) {}, least, most},
		{"process", Crash, func(*swim.Detector) {}, 2 * time.Second, 5 * time.Second},
		{"process, no grace", Crash, func(d *swim.Detector) { d.RefusalGrace = 0 }, 0, 3 * time.Second},
		{"host, silence counts", HostCrash, func(d *swim.Detector) { d.SilenceTimeout = 4 * time.Second }, 4 * time.Second, 7500 * time.Millisecond},
	} {
		for seed := range uint64(5) {
			core := LAN()
			tt.change(&core.Detector)
			r := run(t, Config{N: n, Seed: seed, Core: core, Faults: []Fault{{Kind: tt.kind, At: at, Nodes: []int{7}}}})
			if len(r.Detections) != 1 {
				t.Fatalf("%s: %d crashes, want 1", tt.name, len(r.Detections))
			}
			d := r.Detections[0]
			if d.Node != 7 || d.At != at || d.First < tt.least || d.All > tt.most || d.First > d.All || d.All-d.First > 2*time.Second {
				t.Errorf("%s: %+v, want it between %v and %v", tt.name, d, tt.least, tt.most)
			}
			if r.FalsePositives != 0 {
				t.Errorf("%s: %d false positives", tt.name, r.FalsePositives)
			}
		}
	}
}

// TestFalsePositives: a member that is paused for long is declared dead, rightly; one that is declared dead by a node
// that receives nothing counts as a false positive.
func TestFalsePositives(t *testing.T) {
	r := run(t, Config{N: 10, Faults: []Fault{{Kind: Pause, At: time.Second, For: time.Minute, Nodes: []int{3}}}})
	if r.FalsePositives != 0 || r.Refutations == 0 {
		t.Errorf("%d false positives, %d refutations of a pause", r.FalsePositives, r.Refutations)
	}
	r = run(t, Config{N: 10, Faults: []Fault{{Kind: Cut, At: time.Second, For: time.Minute, To: []int{3}, Nodes: []int{0, 1, 2}}}})
	if r.Fired[Cut] == 0 {
		t.Error("the cut had no effect")
	}
	// All packets to 3 and 4 are lost: they declare healthy members dead.
	s := New(Config{N: 10, Faults: []Fault{{Kind: NoPackets, At: time.Second, Nodes: []int{3, 4}}, {Kind: NoStreams, At: time.Second,
		Nodes: []int{3, 4}, Rate: 1}}})
	if err := s.RunUntil(2 * time.Minute); err != nil {
		t.Fatal(err)
	}
	if r := s.Result(); r.FalsePositives == 0 || r.FalsePositivesHealthy != 0 {
		t.Errorf("%d false positives, %d at healthy members; want some, none", r.FalsePositives, r.FalsePositivesHealthy)
	}
}

// TestCounts: in a cluster at rest each node sends two packets a second, and nothing else but push/pulls: a ping and an ack, and
// once it knows how long an answer takes a beat, and a ping and an ack every other second.
func TestCounts(t *testing.T) {
	s := New(Config{N: 20, Never: Suspicion | Detours})
	if err := s.RunUntil(5 * time.Minute); err != nil {
		t.Fatal(err)
	}
	r := s.Result()
	total := r.Total()
	if pings := r.Sent[wire.TypePing]; pings < 20*150 || pings > 20*160 {
		t.Errorf("%d pings", pings)
	}
	if acks := r.Sent[wire.TypeAck]; acks < 20*440 || acks > 20*450 {
		t.Errorf("%d acks and beats", acks)
	}
	if total.PacketsOut != r.Sent[wire.TypePing]+r.Sent[wire.TypeAck] || total.PacketsIn > total.PacketsOut || r.Lost != 0 {
		t.Errorf("%+v, lost %d", total, r.Lost)
	}
	if r.PushPulls < 160 || r.PushPulls > 200 || r.PushPullsFailed != 0 || total.StreamBytesOut == 0 || r.StreamPings != 0 {
		t.Errorf("%d push/pulls, %d failed, %d bytes, %d stream pings", r.PushPulls, r.PushPullsFailed, total.StreamBytesOut,
			r.StreamPings)
	}
	if size := float64(total.BytesOut) / float64(total.PacketsOut); size < 30 || size > 110 {
		t.Errorf("%.0f bytes a packet", size)
	}
	if r.MaxKnown != 20 || r.Virtual != 5*time.Minute || r.Hash == 0 {
		t.Errorf("%d known, %v, hash %x", r.MaxKnown, r.Virtual, r.Hash)
	}
}

// TestAgreed: all members have new metadata within a second.
func TestAgreed(t *testing.T) {
	const at = 5 * time.Second
	r := run(t, Config{N: 30, Faults: []Fault{{Kind: Meta, At: at, Nodes: []int{4}}}})
	if took := r.AgreedAt - at; !r.Agreed || took <= 0 || took > 2*time.Second {
		t.Errorf("agreed %v after %v", r.Agreed, took)
	}
}

// TestJoinBurst: nearly all clusters of 50 that join through one node within 400 ms agree in seconds. Sometimes the
// news of a join dies out, because few members were known when it was sent; then a push/pull brings it.
func TestJoinBurst(t *testing.T) {
	const seeds, n = 40, 50
	soon := 0
	for seed := range uint64(seeds) {
		s := New(Config{N: n, Seed: seed, Start: Joining, JoinEvery: 400 * time.Millisecond / n})
		if err := s.Await(Bound(LAN(), n)); err != nil {
			t.Fatal(err)
		}
		if s.Result().AgreedAt < 5*time.Second {
			soon++
		}
	}
	if soon < seeds*3/4 {
		t.Errorf("%d of %d agree within 5 s", soon, seeds)
	}
}

// TestShrink: a failure has the faults that it needs, and the command that replays it.
func TestShrink(t *testing.T) {
	sc := Scenario{"test", func(draw) Config {
		return Config{N: 8, Never: Suspicion | Detours, Faults: []Fault{
			{Kind: Meta, At: time.Second, Nodes: []int{1}},
			{Kind: Duplicate, At: time.Second, For: time.Second, Rate: 1},
			{Kind: Crash, At: 3 * time.Second, Nodes: []int{5}},
			{Kind: Leave, At: 4 * time.Second, Nodes: []int{6}},
		}}
	}}
	sweep := RunSweep([]Scenario{sc}, 40, 2, 2, func(c *Config) { c.N = 9 })
	if len(sweep.Failures) != 2 || sweep.Runs != 2 {
		t.Fatalf("%d failures in %d runs", len(sweep.Failures), sweep.Runs)
	}
	f := sweep.Failures[1]
	if f.Seed != 41 || f.Violation.Rule != ruleQuiet || f.Violation.Subject != 5 || !slices.Equal(f.Needed, []int{2}) {
		t.Errorf("%v", f)
	}
	for _, want := range []string{"-run '^TestReplay$'", "-scenario 'test' -seed 41 -faults 2", "about n5", "crash at 3s"} {
		if !strings.Contains(f.Error(), want) {
			t.Errorf("%q does not tell %q", f.Error(), want)
		}
	}
	if none := (&Failure{Scenario: "x"}).Command(); !strings.HasSuffix(none, "-faults none") {
		t.Errorf("%q", none)
	}
}

// TestTrace: the trace has packets, changes of state and faults.
func TestTrace(t *testing.T) {
	var b strings.Builder
	run(t, Config{N: 3, Seed: 1, Trace: &b, Faults: []Fault{{Kind: Crash, At: 1500 * time.Millisecond, For: time.Second, Nodes: []int{1}}}})
	for _, want := range []string{"[ping]", "begin crash at 1.5s", "n1 is down", "n1 starts anew", "believes n1 is alive at 1"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the trace does not tell %q", want)
		}
	}
}

// TestSameSeedElsewhere: the history of a seed is the same in another process.
func TestSameSeedElsewhere(t *testing.T) {
	const variable = "SIM_PRINT_HASH"
	all := Scenarios()
	hash := fmt.Sprintf("hash %x\n", settle(all[len(all)-1].Config(3)).Hash)
	if os.Getenv(variable) != "" {
		fmt.Print(hash)
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestSameSeedElsewhere$")
	cmd.Env = append(os.Environ(), variable+"=1")
	got, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(got), hash) {
		t.Errorf("%s, want %s", got, hash)
	}
}

func TestNewRefusesNonsense(t *testing.T) {
	for _, n := range []int{-1, 0, MaxNodes + 1} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%d nodes are taken", n)
				}
			}()
			New(Config{N: n})
		}()
	}
}

// TestUnchecked: the history is the same without the checker.
func TestUnchecked(t *testing.T) {
	cfg := Config{N: 10, Seed: 3, Link: Link{Loss: 0.1, Duplicate: 0.1, Reorder: 0.1, ReorderBy: time.Second, Fail: 0.1,
		Bandwidth: 20000}, Faults: []Fault{{Kind: Crash, At: time.Second, For: 30 * time.Second, Nodes: []int{2}},
		{Kind: Leave, At: 2 * time.Second, Nodes: []int{5}}, {Kind: Pause, At: 3 * time.Second, For: 3 * time.Second, Nodes: []int{6}}}}
	checked, other := New(cfg), cfg
	other.Unchecked = true
	unchecked := New(other)
	for _, s := range []*Sim{checked, unchecked} {
		if err := s.RunUntil(time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	a, b := checked.Result(), unchecked.Result()
	if a.Sent != b.Sent || a.Events != b.Events || a.Total() != b.Total() || a.Lost == 0 {
		t.Errorf("%d events and %v, unchecked %d and %v", a.Events, a.Total(), b.Events, b.Total())
	}
	if err := unchecked.Settle(); err != nil || unchecked.Now() < time.Minute+Bound(LAN(), 10) {
		t.Errorf("%v at %v", err, unchecked.Now())
	}
}
