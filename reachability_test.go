package memberlist

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestPathStatsAreForgotten: statistics of members that are gone take no memory: there never are more than members.
func TestPathStatsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := new(MockNetwork)
		m := newMember(t, network, "a", nil)
		joinMember(t, newMember(t, network, "b", nil), m)
		for _, name := range []string{"c", "d", "e", "f"} {
			gone := newMember(t, network, name, nil)
			joinMember(t, gone, m)
			time.Sleep(time.Minute)
			gone.Shutdown()
			time.Sleep(5 * time.Minute) // until it is forgotten
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		if n := len(m.mu.contacts); n == 0 || n > 3 {
			t.Errorf("statistics of %d members, there never were more than 3", n)
		}
	})
}
