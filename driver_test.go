package memberlist

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
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

// TestLatenessOfMessages: a member whose messages about members wait is late by the time for which they have waited, and no longer when
// that has passed.
func TestLatenessOfMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := new(MockNetwork)
		const slow = time.Second
		m := newMember(t, network, "a", func(c *Config) { c.Alive = slowAlive{slow} })
		end := outsider(t, network, 1)
		begin := time.Now()
		for range 3 {
			end.Send((&wire.Suspect{Incarnation: 1, Node: "b", From: "c"}).Append(nil), addrOf(m))
			end.Send((&wire.Alive{Incarnation: 1, Node: "b", Addr: []byte{10, 0, 0, 2}, Port: 1, Vsn: []byte{1, 5, 2, 0, 0, 0}}).Append(nil), addrOf(m))
		}
		for _, tt := range []struct{ at, want time.Duration }{
			{slow / 2, 0},
			{slow + slow/2, slow / 2}, // a message has waited for a second
			{2*slow + slow/2, slow + slow/2},
			{7 * slow, 0},
		} {
			time.Sleep(time.Until(begin.Add(tt.at)))
			synctest.Wait()
			if got := m.Stats().Lateness; got.Round(slow/10) != tt.want {
				t.Errorf("after %v it is late by %v, want %v", tt.at, got, tt.want)
			}
		}
	})
}

// slowAlive takes its time.
type slowAlive struct{ time time.Duration }

func (s slowAlive) NotifyAlive(n *Node) error {
	if n.Name == "b" {
		time.Sleep(s.time)
	}
	return nil
}

// TestClockOfReceiver: a packet that has waited for long makes the member late, if its time is that of a NetTransport. Round trips do
// not include short waits.
func TestClockOfReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		for _, tt := range []struct {
			name    string
			udp     *NetTransport
			arrived time.Time
			at      time.Time
			waited  time.Duration
		}{
			{"now", new(NetTransport), now, now, 0},
			{"short wait", new(NetTransport), now.Add(-100 * time.Millisecond), now.Add(-100 * time.Millisecond), 0},
			{"long wait", new(NetTransport), now.Add(-time.Second), now, time.Second},
			{"long wait elsewhere", nil, now.Add(-time.Second), now.Add(-time.Second), 0},
			{"no time", nil, time.Time{}, now, 0},
			{"in the future", nil, now.Add(time.Second), now, 0},
		} {
			r := &receiver{m: &Memberlist{config: DefaultLANConfig(), udp: tt.udp}}
			r.clock(tt.arrived)
			if !r.at.Equal(tt.at) || r.waited != tt.waited {
				t.Errorf("%s: at %v, waited %v; want %v, %v", tt.name, r.at.Sub(now), r.waited, tt.at.Sub(now), tt.waited)
			}
		}
	})
}
