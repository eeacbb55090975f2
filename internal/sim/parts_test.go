package sim

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
)

// TestHeap: events are returned by time, and those of the same time in the order of scheduling.
func TestHeap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var h eventHeap
	for round := range 50 {
		var want []event
		for range 1 + r.IntN(300) {
			e := event{at: r.Int64N(20)}
			h.push(e)
			e.seq = h.seq
			want = append(want, e)
		}
		slices.SortStableFunc(want, func(a, b event) int { return int(a.at - b.at) })
		for i := range want {
			if got := h.pop(); got != want[i] {
				t.Fatalf("round %d: event %d is %+v, want %+v", round, i, got, want[i])
			}
		}
	}
}

// TestLatency: every distribution has its minimum, its limit and about its median.
func TestLatency(t *testing.T) {
	const ms = time.Millisecond
	for _, tt := range []struct {
		name   string
		l      Latency
		median time.Duration
	}{
		{"constant", Latency{Constant, 5 * ms, 9 * ms}, 5 * ms},
		{"no spread", Latency{Pareto, 5 * ms, 0}, 5 * ms},
		{"uniform", Latency{Uniform, 5 * ms, 10 * ms}, 10 * ms},
		{"exponential", Latency{Exponential, 5 * ms, 10 * ms}, 11930 * time.Microsecond},
		{"log-normal", Latency{LogNormal, 5 * ms, 10 * ms}, 15 * ms},
		{"pareto", Latency{Pareto, 5 * ms, 10 * ms}, 10870 * time.Microsecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 1))
			draws := make([]time.Duration, 20001)
			for i := range draws {
				draws[i] = tt.l.draw(r)
			}
			slices.Sort(draws)
			if draws[0] < tt.l.Min || draws[len(draws)-1] > maxLatency {
				t.Errorf("between %v and %v", draws[0], draws[len(draws)-1])
			}
			if got := draws[len(draws)/2]; got < tt.median*95/100 || got > tt.median*105/100 {
				t.Errorf("median %v, want about %v", got, tt.median)
			}
		})
	}
}

func TestAddresses(t *testing.T) {
	for _, node := range []int32{0, 1, 255, 256, MaxNodes - 1} {
		for _, moves := range []uint16{0, 1, 255} {
			if p := placeOf(address(node, moves)); p != home(node, moves) {
				t.Errorf("%d moved %d times is read as %x", node, moves, p)
			}
		}
		if got := nodeNumber(nodeName(int(node))); got != node {
			t.Errorf("name of %d is read as %d", node, got)
		}
	}
	if nodeNumber("x1") >= 0 || nodeNumber("n") >= 0 {
		t.Error("a name of no node is read as one")
	}
}

func TestFaultString(t *testing.T) {
	f := Fault{Kind: Bandwidth, At: time.Second, For: time.Minute, Nodes: []int{1, 2}, To: []int{3}, Rate: 0.5,
		Delay: 2 * time.Second, Bytes: 100}
	want := "bandwidth at 1s for 1m0s, nodes [1 2], to [3], rate 0.50, delay 2s, 100 bytes/s"
	if got := f.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := (Fault{Kind: Leave}).String(); got != "leave at 0s" {
		t.Errorf("got %q", got)
	}
	for _, k := range Kinds() {
		if k.String() == "" || k.String() == "unknown" {
			t.Errorf("kind %d has no name", k)
		}
	}
	if numKinds.String() != "unknown" {
		t.Error("a kind that is none has a name")
	}
}

// TestBounds: the bounds agree with figures computed by the papers' formulas.
func TestBounds(t *testing.T) {
	lan := LAN()
	for _, tt := range []struct {
		name      string
		got, want time.Duration
	}{
		{"shortest suspicion of 3", shortestSuspicion(lan, 3), 4*time.Second - 4*time.Millisecond},
		{"shortest suspicion of 100", shortestSuspicion(lan, 100), 8*time.Second - 4*time.Millisecond},
		{"longest suspicion of 100", longestSuspicion(lan, 100), 48 * time.Second},
		{"push/pull of 32", PushPullEvery(lan, 32), 30 * time.Second},
		{"push/pull of 33", PushPullEvery(lan, 33), time.Minute},
		{"push/pull of 1000", PushPullEvery(lan, 1000), 3 * time.Minute},
		{"gossip of 9", gossipTime(lan, 9), 800 * time.Millisecond},
		{"gossip of 1000", gossipTime(lan, 1000), 3200 * time.Millisecond},
		{"longest probe", probeTime(WAN()), 40 * time.Second},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, tt.got, tt.want)
		}
	}
}

// TestPlain: a plain node does nothing that members of the reference do not.
func TestPlain(t *testing.T) {
	cfg := Config{N: 3, Plain: []int{1}}.withDefaults()
	if c := cfg.coreOf(1); c.Extensions || c.Detector != (swim.Detector{}) {
		t.Errorf("a plain node has %+v", c.Detector)
	}
	if c := cfg.coreOf(2); !c.Extensions || c.Detector != LAN().Detector {
		t.Errorf("another node has %+v", c.Detector)
	}
}
