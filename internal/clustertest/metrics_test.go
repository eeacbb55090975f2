package clustertest

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"

	"github.com/e3431adc/memberlist"
)

// metricSink notes all metrics, each as "counter memberlist.udp.sent
// cluster=blue", with the values it had.
type metricSink struct {
	mu     sync.Mutex
	values map[string][]float32
}

func (s *metricSink) note(kind string, key []string, value float32, labels []memberlist.MetricLabel) {
	line := kind + " " + strings.Join(key, ".")
	for _, l := range labels {
		line += " " + l.Name + "=" + l.Value
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.values == nil {
		s.values = make(map[string][]float32)
	}
	s.values[line] = append(s.values[line], value)
}

func (s *metricSink) SetGauge(key []string, v float32) { s.note("gauge", key, v, nil) }

func (s *metricSink) EmitKey(key []string, v float32) { s.note("key", key, v, nil) }

func (s *metricSink) IncrCounter(key []string, v float32) { s.note("counter", key, v, nil) }

func (s *metricSink) AddSample(key []string, v float32) { s.note("sample", key, v, nil) }

func (s *metricSink) SetGaugeWithLabels(key []string, v float32, labels []memberlist.MetricLabel) {
	s.note("gauge", key, v, labels)
}

func (s *metricSink) IncrCounterWithLabels(key []string, v float32, labels []memberlist.MetricLabel) {
	s.note("counter", key, v, labels)
}

func (s *metricSink) AddSampleWithLabels(key []string, v float32, labels []memberlist.MetricLabel) {
	s.note("sample", key, v, labels)
}

// of returns the values of a metric, in order.
func (s *metricSink) of(line string) []float32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.values[line])
}

func (s *metricSink) sum(line string) (sum float32) {
	for _, v := range s.of(line) {
		sum += v
	}
	return sum
}

func (s *metricSink) lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	for line := range s.values {
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}

// labelled gives all metrics of a member a label.
func labelled(config *memberlist.Config) {
	config.MetricLabels = []memberlist.MetricLabel{{Name: "cluster", Value: "blue"}}
	config.PushPullInterval = 5 * time.Second
}

// TestMetrics runs a cluster with faults and sees every metric but those of
// drops, of its type and with the labels of the configuration, and no other.
func TestMetrics(t *testing.T) {
	sink := new(metricSink)
	useSink(t, sink)
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(7, labelled)
		defer c.stop()
		c.await(settles, func() bool { return c.agree(7) })
		if err := c.members[6].Leave(5 * time.Second); err != nil {
			t.Fatal(err)
		}
		c.members[6].Shutdown()
		c.members[5].Shutdown() // crashes
		c.await(settles, func() bool { return c.agree(5, 5, 6) })
		c.network.Pause(simAddr(4)) // is suspected, refutes, and doubts its own health
		time.Sleep(4 * time.Second)
		c.network.Resume(simAddr(4))
		time.Sleep(2 * time.Minute)
		scores := sink.of("gauge memberlist.health.score cluster=blue")
		if slices.Max(scores) < 1 || scores[len(scores)-1] != 0 {
			t.Errorf("health.score %v, want it to rise and to be 0 again in the end", scores)
		}
		if alive := sink.of("gauge memberlist.node.instances cluster=blue node_state=alive"); alive[len(alive)-1] != 5 {
			t.Errorf("%v members are alive in the end, want 5", alive[len(alive)-1])
		}
		c.network.Partition([]netip.AddrPort{simAddr(0)}) // its suspicions get no confirmations
		time.Sleep(time.Minute)
	})

	var want []string
	for _, m := range []struct{ kind, keys string }{
		{"counter", "udp.sent udp.received tcp.accept tcp.connect tcp.sent msg.alive msg.suspect msg.dead " +
			"degraded.probe degraded.timeout"},
		{"gauge", "health.score isolated size.local"},
		{"sample", "size.remote queue.broadcasts probeNode gossip pushPullNode"},
	} {
		for key := range strings.FieldsSeq(m.keys) {
			want = append(want, m.kind+" memberlist."+key+" cluster=blue")
		}
	}
	for _, state := range []string{"alive", "suspect", "dead", "left"} {
		want = append(want, "gauge memberlist.node.instances cluster=blue node_state="+state)
	}
	slices.Sort(want)
	isDrop := func(line string) bool { return strings.Contains(line, "memberlist.dropped.") }
	if got := slices.DeleteFunc(sink.lines(), isDrop); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}

	// The values have the documented units: bytes, milliseconds, members.
	if sent, received := sink.sum("counter memberlist.udp.sent cluster=blue"),
		sink.sum("counter memberlist.udp.received cluster=blue"); received < 1000 || sent < received {
		t.Errorf("udp.sent %v bytes, udp.received %v", sent, received)
	}
	if got := sink.of("sample memberlist.probeNode cluster=blue"); !slices.Contains(got, 2) {
		t.Errorf("no probe took 2 ms, which is one round trip: %v", got)
	}
	accepted, connected := sink.sum("counter memberlist.tcp.accept cluster=blue"),
		sink.sum("counter memberlist.tcp.connect cluster=blue")
	if accepted == 0 || connected < accepted {
		t.Errorf("tcp.connect %v, tcp.accept %v", connected, accepted)
	}
	// Each push/pull sends the state of both sides, and each notes the size of the other's.
	local, remote := sink.of("gauge memberlist.size.local cluster=blue"), sink.of("sample memberlist.size.remote cluster=blue")
	if slices.Min(local) < 40 || slices.Max(local) < slices.Max(remote) || slices.Min(remote) < 40 {
		t.Errorf("size.local %v, size.remote %v", local, remote)
	}
}

// TestMetricsOfDrops sends messages of each kind that is dropped, and counts the drops.
func TestMetricsOfDrops(t *testing.T) {
	ping := []byte{byte(wire.TypePing)}
	for _, tt := range []struct {
		key    string
		change func(*memberlist.Config)
		from   netip.AddrPort // an allowed one, if none
		packet []byte
		times  int
		want   float32
	}{
		{key: "label", change: func(c *memberlist.Config) { c.Label = "blue" }, packet: ping, times: 1, want: 1},
		{key: "decrypt", change: encrypted, packet: ping, times: 1, want: 1},
		{key: "checksum", packet: []byte{byte(wire.TypeChecksum), 0, 0, 0, 0, byte(wire.TypeUser)}, times: 1, want: 1},
		{key: "decode", packet: []byte{99}, times: 1, want: 1},
		{key: "cidr", change: func(c *memberlist.Config) { c.CIDRsAllowed, _ = memberlist.ParseCIDRs([]string{"10.0.0.0/8"}) },
			from: netip.MustParseAddrPort("192.0.2.1:7946"), packet: ping, times: 1, want: 1},
		{key: "queue_full", change: func(c *memberlist.Config) { // one is with the delegate, two wait
			c.HandoffQueueDepth = 2
			c.Delegate = new(blockedDelegate)
		}, packet: []byte{byte(wire.TypeUser)}, times: 10, want: 7},
		{key: "oversize", packet: compressed(t, bytes.Repeat([]byte{1}, 1<<20)), times: 1, want: 1},
		{key: "overload", times: 512 + 3, want: 3},
	} {
		t.Run(tt.key, func(t *testing.T) {
			sink := new(metricSink)
			useSink(t, sink)
			synctest.Test(t, func(t *testing.T) {
				c := newSimCluster(t)
				release := make(chan struct{})
				defer c.stop()
				defer close(release)
				c.add(func(config *memberlist.Config) {
					labelled(config)
					if tt.change != nil {
						tt.change(config)
					}
					if d, ok := config.Delegate.(*blockedDelegate); ok {
						d.blocked = release
					}
				})
				if !tt.from.IsValid() {
					tt.from = simAddr(66)
				}
				from, err := c.network.Listen(tt.from)
				if err != nil {
					t.Fatal(err)
				}
				for range tt.times {
					if tt.packet == nil {
						conn, err := from.Dial(t.Context(), simAddr(0))
						if err != nil {
							t.Fatal(err)
						}
						defer conn.Close()
						continue
					}
					if err := from.Send(tt.packet, simAddr(0)); err != nil {
						t.Fatal(err)
					}
					time.Sleep(5 * time.Millisecond)
				}
				time.Sleep(10 * time.Millisecond)
				if got := sink.sum("counter memberlist.dropped." + tt.key + " cluster=blue"); got != tt.want {
					t.Errorf("%v drops, want %v; there are %v", got, tt.want, sink.lines())
				}
			})
		})
	}
}

// blockedDelegate takes a message only once it is no longer blocked.
type blockedDelegate struct {
	testDelegate
	blocked <-chan struct{}
}

func (d *blockedDelegate) NotifyMsg([]byte) { <-d.blocked }

// TestBytesOfPacketsAreReportedAtShutdown: a shutdown reports the bytes to the metrics that no timer has reported.
func TestBytesOfPacketsAreReportedAtShutdown(t *testing.T) {
	sink := new(metricSink)
	useSink(t, sink)
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t)
		m := c.add(labelled)
		if err := m.SendBestEffort(m.LocalNode(), []byte("hello")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		const sent = "counter memberlist.udp.sent cluster=blue"
		if got := sink.sum(sent); got != 0 {
			t.Errorf("%v bytes are told at once", got)
		}
		c.stop()
		if got, want := sink.sum(sent), float32(m.Stats().BytesSent); got != want || got == 0 {
			t.Errorf("%v bytes are told of %v", got, want)
		}
	})
}
