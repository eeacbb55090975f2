package memberlist_test

import (
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist"
)

// A cluster in a test of your own: on a network in memory, in virtual time. The
// seconds that failure detection takes pass in milliseconds.
func Example_synctest() {
	var t *testing.T // that of your TestFailover(t *testing.T)
	synctest.Test(t, failover)
}

func failover(t *testing.T) {
	network := &memberlist.MockNetwork{}
	var members []*memberlist.Memberlist
	for i := range 5 {
		name := fmt.Sprintf("node%d", i)
		config := memberlist.DefaultLANConfig()
		config.Name = name
		config.Transport = network.NewTransport(name)
		config.LogOutput = io.Discard
		m, err := memberlist.Create(config)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Shutdown()
		members = append(members, m)
		if i > 0 {
			if _, err := m.Join([]string{members[0].LocalNode().FullAddress().Addr}); err != nil {
				t.Fatal(err)
			}
		}
	}

	for members[0].NumMembers() < 5 {
		time.Sleep(100 * time.Millisecond) // virtual
	}

	members[4].Shutdown() // a crash, without a leave
	start := time.Now()
	for members[0].NumMembers() == 5 {
		time.Sleep(100 * time.Millisecond)
	}
	t.Log("noticed after", time.Since(start))
}
