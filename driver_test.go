package memberlist

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestAloneSleeps: a member that knows no other wakes up for its metrics only. When it knows one, it probes.
func TestAloneSleeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := new(MockNetwork)
		first := newMember(t, network, "a", callback{func(string) {}}.install)
		sleeps := func() time.Duration {
			first.mu.Lock()
			defer first.mu.Unlock()
			return time.Until(first.mu.armed)
		}
		if got, want := sleeps(), first.config.QueueCheckInterval; got != want {
			t.Errorf("it wakes up after %v, want %v", got, want)
		}
		time.Sleep(time.Hour)
		joinMember(t, newMember(t, network, "b", nil), first)
		synctest.Wait()
		if got, most := sleeps(), first.config.GossipInterval; got > most {
			t.Errorf("with another member it wakes up after %v, want at most %v", got, most)
		}
	})
}
