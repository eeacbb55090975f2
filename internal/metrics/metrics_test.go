package metrics

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/walls"
)

func TestWalls(t *testing.T) {
	walls.Walls{
		Imports: []string{walls.Standard, "github.com/armon/go-metrics", "github.com/hashicorp/go-metrics"},
	}.Check(t, ".")
}

func TestKeysHaveNoSpareCapacity(t *testing.T) {
	// The metrics library appends to keys: with spare capacity, two goroutines would write to the same memory.
	keys := slices.Concat(counterKeys[:], gaugeKeys[:], sampleKeys[:], [][]string{udpSentKey, udpReceivedKey})
	for i, key := range keys {
		name := strings.Join(key, ".")
		if cap(key) != len(key) {
			t.Errorf("%s has room for more", name)
		}
		if len(key) == 0 || key[0] != "memberlist" {
			t.Errorf("key %d, %q, is not under memberlist", i, name)
		}
	}
}

func TestSet(t *testing.T) {
	sink := new(sink)
	sink.use(t)
	labels := make([]Label, 1, 4)
	labels[0] = Label{Name: "a", Value: "1"}
	var s Set
	s.SetLabels(labels)
	s.Add(MsgAlive, 2)
	s.Add(MsgAlive, 1)
	s.SetGauge(Isolated, 1)
	for _, score := range []int{0, 3, 3, 0} {
		s.SetHealth(score)
	}
	s.SetInstances("alive", 4)
	s.SetInstances("dead", 5)
	s.AddSample(SizeRemote, 6)
	s.AddDuration(ProbeNode, 7*time.Millisecond)
	s.Sent.Add(8)
	s.Sent.Add(1)
	s.Received.Add(10)
	s.FlushTraffic()
	s.FlushTraffic()
	want := []string{
		"counter memberlist.msg.alive a=1 2",
		"counter memberlist.msg.alive a=1 1",
		"gauge memberlist.isolated a=1 1",
		"gauge memberlist.health.score a=1 3",
		"gauge memberlist.health.score a=1 0",
		"gauge memberlist.node.instances a=1 node_state=alive 4",
		"gauge memberlist.node.instances a=1 node_state=dead 5",
		"sample memberlist.size.remote a=1 6",
		"sample memberlist.probeNode a=1 7",
		"counter memberlist.udp.sent a=1 9",
		"counter memberlist.udp.received a=1 10",
	}
	if !slices.Equal(sink.lines, want) {
		t.Errorf("got  %q\nwant %q", sink.lines, want)
	}
	if n := s.Count(MsgAlive); n != 3 {
		t.Errorf("counted %d, want 3", n)
	}
	if extra := labels[:2][1]; extra != (Label{}) {
		t.Errorf("wrote %v behind the caller's labels", extra)
	}
}

func TestMeasureSince(t *testing.T) {
	sink := new(sink)
	sink.use(t)
	new(Set).MeasureSince(Gossip, time.Now())
	if len(sink.lines) != 1 || !strings.HasPrefix(sink.lines[0], "sample memberlist.gossip ") {
		t.Errorf("got %q", sink.lines)
	}
}
