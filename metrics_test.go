package memberlist

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestMetricKeysHaveNoSpareRoom(t *testing.T) {
	// The metrics library appends to keys: with spare room, two goroutines would write to the same memory.
	for _, key := range append(counterKeys[:],
		keyUDPSent, keyUDPReceived, keyHealthScore, keyNodeInstances, keyIsolated, keySizeLocal, keySizeRemote,
		keyQueueBroadcasts, keyProbeNode, keyGossip, keyPushPullNode,
	) {
		name := strings.Join(key, ".")
		if cap(key) != len(key) {
			t.Errorf("%s has room for more", name)
		}
		if key[0] != "memberlist" {
			t.Errorf("%s is not under memberlist", name)
		}
	}
}

func TestMetricsGoToTheLibrary(t *testing.T) {
	labels := []MetricLabel{{Name: "a", Value: "b"}}
	incrCounter(counterKeys[keyMsgAlive], 1, labels)
	setGauge(keyHealthScore, 1, labels)
	addSample(keySizeRemote, 1, labels)
	measureSince(keyGossip, time.Now(), nil)
}

func TestWithLabelCopies(t *testing.T) {
	labels := make([]MetricLabel, 1, 4)
	labels[0] = MetricLabel{Name: "a", Value: "1"}
	x := withLabel(labels, "x", "1")
	y := withLabel(labels, "y", "2")
	if want := []MetricLabel{{Name: "a", Value: "1"}, {Name: "x", Value: "1"}}; !slices.Equal(x, want) {
		t.Errorf("got %v, want %v", x, want)
	}
	if y[1].Name != "y" || len(labels) != 1 {
		t.Errorf("got %v of %v", y, labels)
	}
}
