package clustertest

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"

	"github.com/e3431adc/memberlist"
)

// TestStatsAreTheMetrics: every counter has the value of its metric, in a cluster with faults and with dropped messages.
func TestStatsAreTheMetrics(t *testing.T) {
	sink := new(metricSink)
	useSink(t, sink)
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t)
		defer c.stop()
		m := c.add(func(config *memberlist.Config) {
			labelled(config)
			config.CIDRsAllowed, _ = memberlist.ParseCIDRs([]string{"10.0.0.0/24"})
			config.Label = "blue"
		})
		c.grow(5, func(config *memberlist.Config) { config.Label = "blue" })
		c.await(settles, func() bool { return c.agree(6) })
		if err := c.members[4].Leave(time.Minute); err != nil {
			t.Fatal(err)
		}
		c.members[5].Shutdown()
		c.await(settles, func() bool { return c.agree(4, 4, 5) })
		if got, want := m.Stats().Members, (memberlist.Members{Alive: 4, Dead: 1, Left: 1}); got != want {
			t.Errorf("members %+v, want %+v", got, want)
		}
		for i, from := range []int{66, 66, 300} {
			end := c.outsider(from + 100*i%200)
			end.Send([]byte{byte(wire.TypeLabel), 3, 'r', 'e', 'd', byte(wire.TypePing)}, simAddr(0))
			end.Send([]byte{byte(wire.TypeLabel), 4, 'b', 'l', 'u', 'e', 99}, simAddr(0))
		}
		if err := m.SendBestEffort(m.LocalNode(), make([]byte, 100_000)); err == nil {
			t.Error("100,000 bytes were sent in a packet") // they compress well, but expand to too much
		}
		time.Sleep(time.Second)
		m.Shutdown() // which reports the bytes that no metric has yet
		s := m.Stats()
		for name, want := range map[string]uint64{
			"udp.sent":            s.BytesSent,
			"udp.received":        s.BytesReceived,
			"tcp.accept":          s.StreamsAccepted,
			"tcp.connect":         s.StreamsDialed,
			"tcp.sent":            s.StreamBytesSent,
			"msg.alive":           s.Alive,
			"msg.suspect":         s.Suspected,
			"msg.dead":            s.Dead,
			"degraded.probe":      s.DegradedProbes,
			"degraded.timeout":    s.DegradedTimeouts,
			"dropped.label":       s.Dropped.Label,
			"dropped.decode":      s.Dropped.Decode,
			"dropped.oversize":    s.Dropped.Oversize,
			"dropped.cidr":        s.Dropped.CIDR,
			"dropped.decrypt":     s.Dropped.Decrypt,
			"dropped.checksum":    s.Dropped.Checksum,
			"dropped.queue_full":  s.Dropped.QueueFull,
			"dropped.overload":    s.Dropped.Overload,
			"dropped.stranger":    s.Dropped.Stranger,
			"dropped.unconfirmed": s.Dropped.Unconfirmed,
		} {
			if got := uint64(sink.sum("counter memberlist." + name + " cluster=blue")); got != want {
				t.Errorf("%s is %d as a metric and %d in Stats", name, got, want)
			}
		}
		for name, n := range map[string]uint64{
			"PacketsSent": s.PacketsSent, "PacketsReceived": s.PacketsReceived, "BytesSent": s.BytesSent,
			"StreamsAccepted": s.StreamsAccepted, "Alive": s.Alive, "Suspected": s.Suspected, "Dead": s.Dead,
			"Dropped.Label": s.Dropped.Label, "Dropped.Decode": s.Dropped.Decode, "Dropped.Oversize": s.Dropped.Oversize,
		} {
			if n == 0 {
				t.Errorf("%s is 0", name)
			}
		}
		if s.BytesSent < s.PacketsSent || s.BytesSent > 1400*s.PacketsSent {
			t.Errorf("%d bytes in %d packets", s.BytesSent, s.PacketsSent)
		}
	})
}

// TestStatsOfQueues: Stats shows the messages that are queued and the streams that are open.
func TestStatsOfQueues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		c := newSimCluster(t)
		defer c.stop()
		defer close(release)
		m := c.add(func(config *memberlist.Config) { config.Delegate = &blockedDelegate{blocked: release} })
		end := c.outsider(66)
		for range 4 {
			end.Send([]byte{byte(wire.TypeUser)}, simAddr(0))
		}
		for range 3 {
			if _, err := end.Dial(t.Context(), simAddr(0)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(10 * time.Millisecond)
		c.hearOfGhosts(0, 30, 1, nil)
		s := m.Stats()
		if s.UserMessages != 3 || s.StreamsOpen != 3 || s.Broadcasts != 31 || s.BroadcastBytes < 31*50 || s.Members.Alive != 31 {
			t.Errorf("got %+v, want 3 user messages, 3 streams, 31 broadcasts, 31 members", s)
		}
	})
}
