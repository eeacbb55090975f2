package clustertest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist"
)

// outcomeLog is a ConflictOutcomeDelegate that records its calls.
type outcomeLog struct {
	mu    sync.Mutex
	calls []string
}

func (j *outcomeLog) note(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.calls = append(j.calls, fmt.Sprintf(format, args...))
}

func (j *outcomeLog) NotifyConflict(existing, other *memberlist.Node) {
	j.note("conflict %s %s", existing.Address(), other.Address())
}

func (j *outcomeLog) NotifyConflictOutcome(existing, other *memberlist.Node, outcome memberlist.ConflictOutcome) {
	j.note("outcome %d %s %s", outcome, existing.Address(), other.Address())
}

func (j *outcomeLog) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.calls)
}

var _ memberlist.ConflictOutcomeDelegate = (*outcomeLog)(nil)

// TestRescheduled: a process is killed and started again under its name at another address, before its failure is detected.
// It is a member again within seconds; the other members get a leave and a join event, and the outcome.
func TestRescheduled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := new(outcomeLog)
		c := newSimCluster(t).grow(5, func(c *memberlist.Config) { c.Conflict = j })
		defer c.stop()
		c.await(settles, func() bool { return c.agree(5) })
		subscription := c.members[0].Subscribe(256)
		defer subscription.Close()
		old := c.members[4]
		for range 3 { // it has been at a higher incarnation than one that begins
			if err := old.UpdateNode(5 * time.Second); err != nil {
				t.Fatal(err)
			}
		}
		old.Shutdown()
		again := c.add(func(c *memberlist.Config) { c.Name = "m4" })
		if n, err := again.Join([]string{simAddr(0).String()}); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		took := c.await(10*time.Second, func() bool {
			for i := range 4 {
				last := c.events[i].last()
				if last.Name != "m4" || last.Address() != simAddr(5).String() || c.members[i].NumMembers() != 5 {
					return false
				}
			}
			return true
		})
		t.Logf("a member for all after %v", took)
		var outcome memberlist.Event
		subscription.Close()
		for e := range subscription.Events() {
			if e.Kind == memberlist.EventConflictEnded {
				outcome = e
			}
		}
		if outcome.Outcome != memberlist.ConflictMoved || outcome.Member.Name != "m4" || outcome.Other == nil || outcome.Other.Address() != simAddr(5).String() {
			t.Errorf("a subscriber heard %+v", outcome)
		}
		for i := range 4 {
			if got := c.events[i].count("leave m4"); got != 1 {
				t.Errorf("member %d %d events that it left", i, got)
			}
		}
		if want := fmt.Sprintf("outcome %d %s %s", memberlist.ConflictMoved, simAddr(4), simAddr(5)); !slices.Contains(j.all(), want) {
			t.Errorf("calls %q, want %q too", j.all(), want)
		}
	})
}

// TestJoinOfOnlyANamesake: Join, unlike JoinContext, returns no error if the only member that it reaches has the same name.
func TestJoinOfOnlyANamesake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(1, nil)
		defer c.stop()
		second := c.add(func(c *memberlist.Config) { c.Name = "m0" })
		if n, err := second.Join(seedsAt(0)); n != 1 || err != nil {
			t.Errorf("Join: %d, %v", n, err)
		}
		if result, err := second.JoinContext(t.Context(), memberlist.JoinRequest{Seeds: seedsAt(0)}); !errors.Is(err, memberlist.ErrNameTaken) || result.Joined != 0 {
			t.Errorf("JoinContext: %+v, %v; want ErrNameTaken", result, err)
		}
	})
}

// TestTwoOfOneName: of two members of one name the first is kept for as long as it answers.
func TestTwoOfOneName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := new(outcomeLog)
		c := newSimCluster(t).grow(3, func(c *memberlist.Config) { c.Conflict = j })
		defer c.stop()
		c.await(settles, func() bool { return c.agree(3) })
		second := c.add(func(c *memberlist.Config) { c.Name = "m2" })
		if n, err := second.Join([]string{simAddr(0).String()}); n != 0 || !errors.Is(err, memberlist.ErrNameTaken) || !strings.Contains(err.Error(), simAddr(2).String()) {
			t.Errorf("joined %d, %v; want ErrNameTaken and where the other is", n, err)
		}
		if n, err := second.Join([]string{simAddr(0).String()}); n != 0 || !errors.Is(err, memberlist.ErrNameTaken) {
			t.Errorf("joined again %d, %v; want ErrNameTaken", n, err)
		}
		time.Sleep(5 * time.Second)
		if want := fmt.Sprintf("outcome %d %s %s", memberlist.ConflictKept, simAddr(2), simAddr(3)); !slices.Contains(j.all(), want) {
			t.Errorf("calls %q, want %q too", j.all(), want)
		}
		time.Sleep(5 * time.Minute)
		for i := range 2 {
			if got := c.events[i].count("leave m2"); got != 0 {
				t.Errorf("member %d %d events that it left", i, got)
			}
		}
	})
}
