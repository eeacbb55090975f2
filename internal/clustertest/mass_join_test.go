package clustertest

import (
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist"
)

// TestMassJoin: many members of one host that join at once through one of them know all soon, and send little besides probes and gossip,
// though most news reaches them from members that they do not know yet.
func TestMassJoin(t *testing.T) {
	const (
		members = 200
		watched = 12 * time.Second
		most    = 140 // packets of a member in this time: probes, acks, beats, gossip, and pings of newcomers, which must answer
	)
	synctest.Test(t, func(t *testing.T) {
		var network memberlist.MockNetwork
		var all []*memberlist.Memberlist
		for i := range members {
			config := memberlist.DefaultLANConfig()
			config.Name, config.LogOutput = fmt.Sprintf("member-%d", i), io.Discard
			config.Transport = network.NewTransport(config.Name)
			m, err := memberlist.Create(config)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Shutdown()
			all = append(all, m)
		}
		var joins sync.WaitGroup
		for _, m := range all[1:] {
			joins.Go(func() {
				if _, err := m.Join([]string{all[0].LocalNode().Address()}); err != nil {
					t.Error(err)
				}
			})
		}
		joins.Wait()
		time.Sleep(watched)
		packets, refused, unknown := 0, 0, 0
		for _, m := range all {
			s := m.Stats()
			packets += int(s.PacketsSent)
			refused += int(s.Dropped.Unconfirmed)
			unknown += members - m.NumMembers()
		}
		t.Logf("%d packets a member, %d assertions refused, %d pairs unknown", packets/members, refused, unknown)
		if packets > most*members {
			t.Errorf("%d packets a member, want at most %d", packets/members, most)
		}
		if refused > members || unknown > 0 {
			t.Errorf("%d assertions were refused, %d pairs do not know of each other", refused, unknown)
		}
	})
}
