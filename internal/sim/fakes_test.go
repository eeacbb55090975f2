package sim

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/race"
	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// TestFakeMembers: while a stranger announces 100,000 members that do not exist, news of a member and its crash reach all in at
// most twice the time that they take otherwise, and a minute later no fake is left anywhere.
func TestFakeMembers(t *testing.T) {
	const n, fakes, perTick = 16, 100_000, 20
	measure := func(seed uint64, flood bool) (news, crash time.Duration, most, left int) {
		const begin, newsAt, crashAt = time.Second, 20 * time.Second, 30 * time.Second
		s := New(Config{N: n, Seed: seed, Unchecked: true, Faults: []Fault{
			{Kind: Meta, At: newsAt, Nodes: []int{3}}, {Kind: Crash, At: crashAt, Nodes: []int{5}}}})
		sent := 0
		for s.Now() < begin+time.Minute+fakes/perTick*10*time.Millisecond {
			if err := s.RunUntil(s.Now() + 10*time.Millisecond); err != nil {
				t.Fatal(err)
			}
			if flood && s.Now() >= begin && sent < fakes {
				for range perTick {
					s.announceFake(sent)
					sent++
				}
			}
			if news == 0 && s.Now() > newsAt && s.allHold(nodeName(3), func(m swim.Member) bool { return m.Incarnation > 1 }) {
				news = s.Now() - newsAt
			}
			if crash == 0 && s.Now() > crashAt && s.allHold(nodeName(5), func(m swim.Member) bool { return m.State.IsDown() }) {
				crash = s.Now() - crashAt
			}
			if sent%1000 == 0 {
				left = s.fakes()
				most = max(most, left)
			}
		}
		return news, crash, most, s.fakes()
	}
	seeds := uint64(3)
	if race.Enabled {
		seeds = 1
	}
	for seed := range seeds {
		news, crash, _, _ := measure(seed, false)
		floodNews, floodCrash, most, left := measure(seed, true)
		t.Logf("seed %d: news after %v, without the flood after %v; a crash after %v, without after %v; up to %d fakes, %d a minute later",
			seed, floodNews, news, floodCrash, crash, most, left)
		if floodNews == 0 || floodNews > 2*news || floodCrash == 0 || floodCrash > 2*crash || left > 0 {
			t.Errorf("seed %d: want at most twice the time, and no fake", seed)
		}
	}
}

// announceFake sends each node an alive message about a member at an address without a node, from there.
func (s *Sim) announceFake(i int) {
	addr := address(int32(s.cfg.N)+1, 0)
	fake := &wire.Alive{Incarnation: 1, Node: fmt.Sprint("fake", i), Addr: addr.Addr().AsSlice(), Port: addr.Port(), Vsn: versions[:]}
	message := fake.Append(nil)
	for i := range s.nodes {
		if n := &s.nodes[i]; n.up {
			turn := s.beginTurn(n)
			s.step(n, turn, swim.Endpoint{AddrPort: addr}, message)
			s.endTurn(n, turn)
		}
	}
}

// allHold reports whether something holds of a member wherever another node has it.
func (s *Sim) allHold(name string, holds func(swim.Member) bool) bool {
	for i := range s.nodes {
		if n := &s.nodes[i]; n.up {
			if m, ok := n.core.Member(name); ok && n.name != name && !holds(m) {
				return false
			}
		}
	}
	return true
}

// fakes returns the number of fakes that the node with the most has as members.
func (s *Sim) fakes() int {
	most := 0
	for i := range s.nodes {
		fakes := 0
		if !s.nodes[i].up {
			continue
		}
		for _, m := range s.nodes[i].core.Members(nil) {
			if strings.HasPrefix(m.Name, "fake") && !m.State.IsDown() {
				fakes++
			}
		}
		most = max(most, fakes)
	}
	return most
}
