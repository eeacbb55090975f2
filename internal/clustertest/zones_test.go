package clustertest

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist"
)

// zonesAt returns the zones of the members that m knows, by name.
func zonesAt(m *memberlist.Memberlist) map[string]string {
	zones := make(map[string]string)
	for info := range m.All() {
		zones[info.Name] = info.Zone
	}
	return zones
}

// TestZones: in a cluster of three zones, with members that have none and members that do as those of the reference, all that
// read zones know them, and news reaches all.
func TestZones(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t)
		defer c.stop()
		var meta news
		want := make(map[string]string)
		plain := func(i int) bool { return i%5 == 3 }
		for i := range 20 {
			c.grow(1, func(config *memberlist.Config) {
				if i%5 != 4 {
					config.Zone = fmt.Sprint("zone ", i%3)
				}
				if config.DisableExtensions = plain(i); !plain(i) {
					want[config.Name] = config.Zone
				} else {
					want[config.Name] = ""
				}
				if i == 7 {
					config.Delegate = meta.delegate()
				}
			})
		}
		c.await(settles, func() bool {
			for i, m := range c.members {
				if zones := zonesAt(m); !plain(i) && fmt.Sprint(zones) != fmt.Sprint(want) {
					return false
				}
			}
			return true
		})
		view, err := memberlist.Query(t.Context(), memberlist.QueryRequest{Address: simAddr(0).String(), Transport: c.configs[0].Transport})
		if err != nil {
			t.Fatal(err)
		}
		for _, info := range view.Members {
			if info.Zone != want[info.Name] {
				t.Errorf("%s is in %q by a query, want %q", info.Name, info.Zone, want[info.Name])
			}
		}
		if view.Checksum() != c.members[0].ViewChecksum() {
			t.Error("the checksum of a query is another one")
		}

		meta.set("news")
		if err := c.members[7].UpdateNode(time.Minute); err != nil {
			t.Fatal(err)
		}
		took := c.await(10*time.Second, func() bool {
			for _, m := range c.members {
				if info, _ := m.Member("m7"); string(info.Meta) != "news" {
					return false
				}
			}
			return true
		})
		t.Logf("news reached all after %v", took)
		c.members[4].Shutdown()
		c.members[9].Shutdown()
		c.await(time.Minute, func() bool { return c.agree(18, 4, 9) })
	})
}

// TestZoneOf: members are grouped by what the program finds in their metadata, now and when that changes.
func TestZoneOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t)
		defer c.stop()
		metas := make([]news, 8)
		for i := range metas {
			metas[i].set(fmt.Sprint("zone=", i%2))
			c.grow(1, func(config *memberlist.Config) {
				config.Delegate = metas[i].delegate()
				config.ZoneOf = func(n *memberlist.Node) string {
					_, zone, _ := strings.Cut(string(n.Meta), "zone=")
					return zone
				}
			})
		}
		know := func() bool {
			for _, m := range c.members {
				zones := zonesAt(m)
				for i := range metas {
					if zones[fmt.Sprint("m", i)] != strings.TrimPrefix(*metas[i].text.Load(), "zone=") {
						return false
					}
				}
			}
			return true
		}
		c.await(time.Minute, know)
		metas[3].set("zone=other")
		if err := c.members[3].UpdateNode(time.Minute); err != nil {
			t.Fatal(err)
		}
		c.await(10*time.Second, know)
	})
}

// TestBytesAcrossZones: members with zones count what leaves theirs, which is the smaller part; members without a zone count nothing.
func TestBytesAcrossZones(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t)
		defer c.stop()
		for i := range 24 {
			c.grow(1, func(config *memberlist.Config) { config.Zone = fmt.Sprint("zone ", i%2) })
		}
		time.Sleep(10 * time.Minute)
		var sent, across, streamsAcross uint64
		for _, m := range c.members {
			s := m.Stats()
			if s.BytesAcross > s.BytesSent {
				t.Errorf("%d of %d bytes across", s.BytesAcross, s.BytesSent)
			}
			sent, across, streamsAcross = sent+s.BytesSent, across+s.BytesAcross, streamsAcross+s.StreamBytesAcross
		}
		if across == 0 || across > sent/8 || streamsAcross == 0 {
			t.Errorf("%d of %d bytes of packets across, and %d on streams", across, sent, streamsAcross)
		}
		message := make([]byte, 1000)
		rand.Read(message) // it is not compressed
		before := c.members[0].Stats()
		for _, to := range c.members[1:3] { // m2 is in the zone of m0
			if err := c.members[0].SendBestEffort(to.LocalNode(), message); err != nil {
				t.Fatal(err)
			}
			if err := c.members[0].SendReliable(to.LocalNode(), message); err != nil {
				t.Fatal(err)
			}
		}
		after := c.members[0].Stats()
		if n := after.BytesAcross - before.BytesAcross; n < 1000 || n > 1500 {
			t.Errorf("%d bytes of user messages across", n)
		}
		if n := after.StreamBytesAcross - before.StreamBytesAcross; n < 1000 || n > 1500 {
			t.Errorf("%d bytes of user messages on streams across", n)
		}

		plain := newSimCluster(t).grow(3, nil)
		defer plain.stop()
		time.Sleep(time.Minute)
		if s := plain.members[0].Stats(); s.BytesAcross+s.StreamBytesAcross != 0 {
			t.Errorf("without a zone %+v", s)
		}
	})
}

// TestLostZoneIsReported: subscribers learn that a zone has no member left, and that it has one again.
func TestLostZoneIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t)
		defer c.stop()
		for i := range 8 {
			c.grow(1, func(config *memberlist.Config) { config.Zone = fmt.Sprint("zone ", min(i/3, 1)) })
		}
		c.await(time.Minute, func() bool { return c.agree(8) })
		sub := c.members[7].Subscribe(64)
		defer sub.Close()
		for _, i := range []int{0, 1, 2} {
			c.members[i].Shutdown()
		}
		next := func(wanted memberlist.EventKind) memberlist.Event {
			for {
				select {
				case e := <-sub.Events():
					if e.Kind == wanted {
						return e
					}
				case <-time.After(time.Minute):
					t.Fatalf("no event %v", wanted)
				}
			}
		}
		if e := next(memberlist.EventZoneLost); e.Member.Zone != "zone 0" || e.Member.State != memberlist.StateDead {
			t.Errorf("lost: %+v of %s", e.Member.Node, e.Member.Zone)
		}
		config := c.simConfig(1)
		config.Zone = "zone 0"
		again, err := memberlist.Create(config)
		if err != nil {
			t.Fatal(err)
		}
		defer again.Shutdown()
		if _, err := again.Join([]string{simAddr(7).String()}); err != nil {
			t.Fatal(err)
		}
		if e := next(memberlist.EventZoneFound); e.Member.Zone != "zone 0" || e.Member.Name != "m1" {
			t.Errorf("found: %s of %s", e.Member.Name, e.Member.Zone)
		}
	})
}
