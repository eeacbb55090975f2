package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/goroutines"
)

// small is a run of a second or less.
const small = "-n 12 -seeds 4 -for 30s"

// runArgs runs the program without a terminal.
func runArgs(t *testing.T, args string, more ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	status = run(t.Context(), append(strings.Fields(args), more...), &out, &err, false)
	return status, out.String(), err.String()
}

// simulate runs the program with -json and parses its output.
func simulate(t *testing.T, args string) document {
	t.Helper()
	status, stdout, stderr := runArgs(t, args+" -json")
	if status != exitOK || stderr != "" && !strings.Contains(stderr, "simulated") {
		t.Fatalf("exit status %d: %s", status, stderr)
	}
	var d document
	decoder := json.NewDecoder(strings.NewReader(stdout))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&d); err != nil {
		t.Fatalf("%v in:\n%s", err, stdout)
	}
	return d
}

// TestFigures: the figures agree with the formulas.
func TestFigures(t *testing.T) {
	t.Parallel()
	d := simulate(t, small+" -hosts -crash 2")
	first, each, last := d.Times["crash_first"], d.Times["crash_each"], d.Times["crash_last"]
	if first.Count != 4*2 || each.Count != 4*2*10 || last.Count != 4*2 || last.Happened != last.Count {
		t.Errorf("of 4 seeds with 2 crashes of 12: %d first, %d each, %d and %d last", first.Count, each.Count, last.Count, last.Happened)
	}
	// The minimum suspicion timeout of 12 members is 4.3 s; the first probe of the crashed member comes after 12
	// intervals at most.
	if *first.P50 < 4.3 || *first.Max > 30 || *first.P50 > *each.P50 || *each.P50 > *last.Max {
		t.Errorf("first %v, each %v, last %v", *first.P50, *each.P50, *last.Max)
	}
	// Push/pull brings what gossip misses, about once in a hundred times: each member begins its first within a
	// minute.
	if update := d.Times["update"]; update.Count != 4 || *update.P50 <= 0 || *update.P50 > 5 || *update.Max > 65 {
		t.Errorf("update: %+v, %v", update, *update.Max)
	}
	if start := d.Times["start"]; start.Count != 4 || *start.P50 <= 0 || *start.P50 > 5 || *start.Max > 65 {
		t.Errorf("start: %+v, %v", start, *start.Max)
	}
	// A ping and an ack a second, of less than 60 bytes each, the ping with two names.
	if packets, b := d.Load["packets"], d.Load["packet_bytes"]; packets.Mean < 1.8 || packets.Mean > 2.2 || packets.Busiest < packets.Mean ||
		b.Mean < 60 || b.Mean > 120 {
		t.Errorf("%+v packets, %+v bytes", packets, b)
	}
	if streams := d.Load["stream_bytes"]; streams.Mean < 1 || streams.Mean > 1000 {
		t.Errorf("%+v bytes of streams", streams)
	}
	if h := d.Deaths["healthy"]; h.Times != 0 || h.Hours < 0.39 || h.Hours > 0.41 {
		t.Errorf("healthy: %+v", h)
	}
	if !d.Complete || d.Members != 12 || d.Seeds != 4 || d.Crash != 2 || d.For != 30 || d.Preset != "lan" || len(d.Config) != len(knobs) {
		t.Errorf("%+v", d)
	}
}

// TestFlagsMatter: each flag has its documented effect.
func TestFlagsMatter(t *testing.T) {
	const small = "-n 10 -seeds 2 -for 30s -hosts"
	base := simulate(t, small)
	for _, tt := range []struct {
		name, args string
		ok         func(d document) bool
	}{
		{"loss", "-loss 20", func(d document) bool {
			return *d.Times["update"].Max > *base.Times["update"].P50 && d.Load["packets"].Mean > base.Load["packets"].Mean && d.Network.Loss == 20
		}},
		{"latency", "-latency 150ms -jitter 50ms -distribution exponential", func(d document) bool {
			return *d.Times["start"].P50 > *base.Times["start"].P50 && d.Network == documentNetwork{0.15, 0.05, "exponential", 0}
		}},
		{"slow", "-slow 2 -slow-for 15s -slow-every 16s", func(d document) bool {
			return d.Deaths["slow"].Times > 0 && d.Deaths["slow"].Hours > 0 && base.Deaths["slow"] == deaths{} &&
				*d.Times["crash_last"].Max > *base.Times["crash_last"].Max
		}},
		{"no crash", "-crash 0", func(d document) bool { return len(d.Times) == 2 }},
		{"seed", "-seed 7", func(d document) bool {
			return *d.Times["crash_first"].P50 != *base.Times["crash_first"].P50 && d.Seed == 7
		}},
		{"one seed", "-seeds 1", func(d document) bool { return d.Times["crash_last"].Count == 1 }},
		{"members", "-n 20", func(d document) bool { return d.Times["crash_each"].Count == 2*19 }},
		{"for", "-for 1m", func(d document) bool { return d.Deaths["healthy"].Hours == 2*base.Deaths["healthy"].Hours }},
		{"preset", "-preset wan", func(d document) bool {
			return *d.Times["crash_first"].P50 > *base.Times["crash_last"].Max && d.Config["suspicion_mult"] == 6.0
		}},
		{"suspicion-mult", "-suspicion-mult 12", func(d document) bool {
			return *d.Times["crash_first"].P50 > 2*(*base.Times["crash_first"].P50) && d.Config["suspicion_mult"] == 12.0
		}},
		{"suspicion-max-timeout-mult", "-suspicion-max-timeout-mult 1", func(d document) bool {
			return *d.Times["crash_last"].P50 <= *base.Times["crash_last"].P50
		}},
		{"probe-interval", "-probe-interval 500ms -probe-timeout 200ms", func(d document) bool {
			return d.Load["packets"].Mean > 1.8*base.Load["packets"].Mean && *d.Times["crash_last"].P50 < *base.Times["crash_last"].P50
		}},
		{"probe-timeout", "-probe-timeout 2ms", func(d document) bool { return d.Load["packets"].Mean > base.Load["packets"].Mean }},
		{"indirect-checks", "-probe-timeout 2ms -indirect-checks 0", func(d document) bool {
			return d.Load["packets"].Mean < simulate(t, small+" -probe-timeout 2ms").Load["packets"].Mean
		}},
		{"awareness-max-multiplier", "-loss 40 -awareness-max-multiplier 1", func(d document) bool {
			return d.Load["packets"].Mean > simulate(t, small+" -loss 40").Load["packets"].Mean
		}},
		{"hosts", "-hosts=false", func(d document) bool { return *d.Times["crash_last"].Max < *base.Times["crash_first"].P50 }},
		{"refusal-grace", "-hosts=false -refusal-grace 0", func(d document) bool { return *d.Times["crash_last"].Max < 3 }},
		{"silence-timeout", "-silence-timeout 2s", func(d document) bool { return *d.Times["crash_first"].P50 < *base.Times["crash_first"].P50 }},
		{"gossip-interval", "-gossip-interval 1s", func(d document) bool { return *d.Times["update"].P50 > *base.Times["update"].P50 }},
		{"gossip-nodes", "-gossip-nodes 0", func(d document) bool { return *d.Times["update"].P50 > *base.Times["update"].P50 }},
		{"retransmit-mult", "-loss 40 -retransmit-mult 20", func(d document) bool {
			return d.Load["packet_bytes"].Mean > 1.5*simulate(t, small+" -loss 40").Load["packet_bytes"].Mean
		}},
		{"zones", "-n 20 -zones 2", func(d document) bool {
			without := simulate(t, small+" -n 20 -zones 2 -zoneless")
			return d.Load["packet_bytes_across"].Mean < 0.3*without.Load["packet_bytes_across"].Mean && d.Zones.Count == 2 && without.Zones.Zoneless
		}},
		{"zone-relays", "-n 20 -zones 2 -zone-relays 10", func(d document) bool { // as many as members: as without zones
			return d.Load["packet_bytes_across"].Mean > 2*simulate(t, small+" -n 20 -zones 2").Load["packet_bytes_across"].Mean
		}},
		{"zone-latency", "-zones 2 -zone-latency 300ms", func(d document) bool { return *d.Times["start"].P50 > *base.Times["start"].P50 }},
		{"zone-loss", "-zones 2 -zoneless -zone-loss 40", func(d document) bool {
			return d.Load["packets"].Mean > base.Load["packets"].Mean && d.Zones.Loss == 40
		}},
		{"gossip-to-the-dead-time", "-gossip-to-the-dead-time 1s", func(d document) bool { return d.Config["gossip_to_the_dead_time_s"] == 1.0 }},
		{"push-pull-interval", "-push-pull-interval 1s", func(d document) bool {
			return d.Load["stream_bytes"].Mean > 10*base.Load["stream_bytes"].Mean
		}},
		{"dead-node-reclaim-time", "-dead-node-reclaim-time 1s", func(d document) bool { return d.Config["dead_node_reclaim_time_s"] == 1.0 }},
		{"reconnect-interval", "-crash 3 -reconnect-interval 0", func(d document) bool {
			return d.Config["reconnect_interval_s"] == 0.0 && base.Config["reconnect_interval_s"] == 30.0
		}},
		{"reconnect-timeout", "-reconnect-timeout 1h", func(d document) bool { return d.Config["reconnect_timeout_s"] == 3600.0 }},
		{"udp-buffer-size", "-udp-buffer-size 120", func(d document) bool {
			return *d.Times["start"].P50 > *base.Times["start"].P50 && d.Config["udp_buffer_size"] == 120.0
		}},
		{"tcp-timeout", "-latency 200ms -tcp-timeout 100ms", func(d document) bool { // no join succeeds
			start := d.Times["start"]
			return start.Happened == 0 && start.P50 == nil && d.Load["stream_bytes"].Mean > 0
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if d := simulate(t, small+" "+tt.args); !tt.ok(d) {
				got, _ := json.Marshal(d)
				was, _ := json.Marshal(base)
				t.Errorf("%s gives\n%.1500s\nand without it there is\n%.1500s", tt.args, got, was)
			}
		})
	}
}

// TestSameFlags: the same flags produce the same bytes with any number of workers.
func TestSameFlags(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "chart.svg")
	var outputs, charts []string
	for _, workers := range []string{"1", "1", "4"} {
		status, stdout, stderr := runArgs(t, small+" -loss 5 -plot", file, "-workers", workers)
		if status != exitOK {
			t.Fatal(status, stderr)
		}
		chart, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		outputs = append(outputs, stdout)
		charts = append(charts, strings.Replace(string(chart), "-workers "+workers, "", 1))
	}
	for i := 1; i < len(outputs); i++ {
		if outputs[i] != outputs[0] || charts[i] != charts[0] {
			t.Errorf("%s\n%s", outputs[0], outputs[i])
		}
	}
	if err := xml.Unmarshal([]byte(charts[0]), new(struct{})); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"12 members, lan configuration", "members that know of a crash", "simulate -n 12 -seeds 4"} {
		if !strings.Contains(charts[0], want) {
			t.Errorf("the chart has no %q", want)
		}
	}
}

// TestChartOverwritten: a chart replaces a longer file.
func TestChartOverwritten(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "chart.svg")
	if err := os.WriteFile(file, bytes.Repeat([]byte("old"), 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, _, stderr := runArgs(t, "-n 3 -seeds 1 -for 1s -crash 0 -plot", file); status != exitOK {
		t.Fatal(stderr)
	}
	if chart, err := os.ReadFile(file); err != nil || !bytes.HasSuffix(chart, []byte("</svg>\n")) || bytes.Contains(chart, []byte("old")) {
		t.Errorf("%v, %d bytes", err, len(chart))
	}
}

func TestBadFlags(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"-n 2", "-n 2: must be 3 to 5000 members"},
		{"-n 5001", "-n 5001: must be 3 to 5000 members"},
		{"-n x", `invalid value "x" for flag -n`},
		{"-seeds 0", "-seeds 0: must be 1 to"},
		{"-for -1s", "-for -1s: must be 1s to"},
		{"-crash 99", "-crash 99: must be 0 to 98"},
		{"-slow 50 -crash 49", "-crash 49: must be 0 to 48"},
		{"-slow -1", "-slow -1: must be 0 to 97"},
		{"-slow 98", "-slow 98: must be 0 to 97 members"},
		{"-slow 99 -crash 0", "-slow 99: must be 0 to 98 members"},
		{"-slow 100", "-slow 100: must be 0 to 97 members"},
		{"-slow 100 -crash 100", "-slow 100: must be 0 to 97 members"},
		{"-slow-for 30s", "-slow-for 30s: must be less than -slow-every, which is 30s"},
		{"-latency -1ms", "-latency -1ms: must be 0s to 5s"},
		{"-jitter 1m", "-jitter 1m0s: must be 0s to 5s"},
		{"-distribution normal", "-distribution normal: must be one of exponential, lognormal, pareto, uniform"},
		{"-loss 100", "-loss 100: must be at least 0 and less than 100 percent"},
		{"-loss NaN", "-loss NaN: must be at least 0"},
		{"-workers -1", "-workers -1: must be 0 to"},
		{"-preset big", "-preset big: must be one of fast-lan, lan, local, wan"},
		{"-probe-interval 0", "-probe-interval 0: must be more than 0"},
		{"-probe-interval 5", "-probe-interval 5: not a time such as 500ms or 2s"},
		{"-push-pull-interval -5s", "-push-pull-interval -5s: must be at least 0"},
		{"-suspicion-mult 0", "-suspicion-mult 0: must be at least 1"},
		{"-gossip-nodes -1", "-gossip-nodes -1: must be at least 0"},
		{"-gossip-nodes 1.5", "-gossip-nodes 1.5: not a whole number"},
		{"-udp-buffer-size 10", "UDPBufferSize: 10 leaves no room"},
		{"-udp-buffer-size 100000", "UDPBufferSize: 100000 is more than a UDP packet carries"},
		{"-nonsense", "flag provided but not defined: -nonsense"},
		{"now", `unexpected argument "now"`},
	} {
		t.Run(tt.args, func(t *testing.T) {
			status, stdout, stderr := runArgs(t, tt.args)
			if status != exitUsage || stdout != "" || !strings.Contains(stderr, tt.want) || !strings.Contains(stderr, "-h") && !strings.Contains(stderr, "Usage") {
				t.Errorf("exit status %d, %q and %q, want %q", status, stdout, stderr, tt.want)
			}
		})
	}
	if status, _, stderr := runArgs(t, "-h"); status != exitOK || !strings.Contains(stderr, "-suspicion-mult factor") {
		t.Errorf("help: exit status %d, %q", status, stderr)
	}
}

// TestCannotWrite: a chart that cannot be written fails before the runs, other output after them.
func TestCannotWrite(t *testing.T) {
	status, stdout, stderr := runArgs(t, "-n 5000 -seeds 1000 -plot", filepath.Join(t.TempDir(), "none", "chart.svg"))
	if status != exitFailed || stdout != "" || !strings.Contains(stderr, "simulate: open ") {
		t.Errorf("exit status %d, %q, %q", status, stdout, stderr)
	}
	var told bytes.Buffer
	for _, format := range []string{"-json=false", "-json"} {
		status = run(t.Context(), []string{"-n", "3", "-seeds", "1", "-for", "1s", "-crash", "0", format}, full{}, &told, false)
		if status != exitFailed || !strings.Contains(told.String(), "simulate: disk is full") {
			t.Errorf("%s: exit status %d, %q", format, status, &told)
		}
	}
}

// full is a writer that always fails.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("disk is full") }

// TestInterrupted: an interrupt ends all runs, and the results of the completed ones are printed.
func TestInterrupted(t *testing.T) {
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(t.Context())
	var stdout bytes.Buffer
	stderr := &cancelAt{text: " left", cancel: cancel}
	status := run(ctx, strings.Fields("-n 12 -seeds 1000 -for 1s -workers 2"), &stdout, stderr, true)
	if status != exitInterrupted || !strings.Contains(stderr.all.String(), "simulate: interrupted after ") {
		t.Errorf("exit status %d, %q", status, &stderr.all)
	}
	if !strings.Contains(stdout.String(), "12 members, lan configuration") || !strings.Contains(stdout.String(), " all members know ") {
		t.Errorf("%s", &stdout)
	}
	cancel()
	stdout.Reset()
	if status = run(ctx, strings.Fields(small), &stdout, io.Discard, false); status != exitInterrupted || stdout.Len() > 0 {
		t.Errorf("interrupted before: exit status %d, %q", status, &stdout)
	}
	goroutines.Await(t, before, 5*time.Second)
}

// cancelAt cancels a context when a text is written.
type cancelAt struct {
	all    bytes.Buffer
	text   string
	cancel context.CancelFunc
}

func (w *cancelAt) Write(p []byte) (int, error) {
	if strings.Contains(string(p), w.text) {
		w.cancel()
	}
	return w.all.Write(p)
}
