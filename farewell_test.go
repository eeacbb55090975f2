package memberlist

import (
	"bytes"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// slowTale is a tellTale that takes its time over messages.
type slowTale struct {
	tellTale
	takes time.Duration
}

func (s *slowTale) NotifyMsg(b []byte) {
	time.Sleep(s.takes)
	s.tellTale.NotifyMsg(b)
}

// TestRecentBroadcasts: each is listed once, the latest first, for a time, and all of them fit into a packet.
func TestRecentBroadcasts(t *testing.T) {
	now := time.Now()
	texts := func(messages [][]byte) string { return string(bytes.Join(messages, []byte(" "))) }
	messages := func(texts ...string) (messages [][]byte) {
		for _, text := range texts {
			messages = append(messages, []byte(text))
		}
		return messages
	}
	r := recentBroadcasts{room: 5 * (wire.CompoundPartOverhead + 1)}
	for _, step := range []struct {
		after time.Duration
		sent  [][]byte
		want  string
	}{
		{0, nil, ""},
		{0, messages("b", "a"), "b a"},
		{time.Second, messages("c"), "c b a"},
		{time.Second, messages("a", "d"), "a d c b"},
		{0, messages("f", "e"), "f e a d c"},
		{recentFor - time.Second/2, nil, "f e a d"},
		{time.Second, nil, ""},
		{0, messages("larger than all"), ""},
		{0, messages("twice", "twice"), "twice"},
	} {
		now = now.Add(step.after)
		r.note(now, step.sent)
		if got := texts(r.list(now)); got != step.want {
			t.Errorf("after %q: %q, want %q", step.sent, got, step.want)
		}
	}
	if got := texts(appendFitting(messages("x"), messages("longer", "a", "b"), 2*(wire.CompoundPartOverhead+1))); got != "x a b" {
		t.Errorf("%q fit, want those of one byte", got)
	}
}

// TestExchangeComesAfterMessages: the exchange of states that a leave begins does not overtake what arrived before either.
func TestExchangeComesAfterMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t)
		defer c.stop()
		l := &slowTale{takes: 50 * time.Millisecond}
		first := c.add(func(config *Config) { config.Delegate, config.Events = l, l })
		c.grow(1, nil)
		m := c.members[1]
		if err := m.SendBestEffort(first.LocalNode(), []byte("before")); err != nil {
			t.Fatal(err)
		}
		turn := m.beginTurn()
		turn.core.Leave(turn.now, 0)
		turn.core.Take(nil) // it tells in the exchange only
		m.mu.Unlock()
		if err := m.pushPull(t.Context(), first.LocalNode().FullAddress(), exchangePeriodic); err != nil {
			t.Fatal(err)
		}
		c.await(time.Second, func() bool { return first.NumMembers() == 1 })
		synctest.Wait()
		if got, want := l.list(), []string{"join m0", "join m1", "message before", "leave m1"}; !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
	})
}
