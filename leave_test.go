package memberlist

import (
	"bytes"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// TestRecentBroadcasts: each broadcast is listed once, the latest first, for a limited time, and all of them fit into
// a packet.
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
	if got := texts(r.list(now.Add(recentFor + 1))); got != "" {
		t.Errorf("later: %q", got)
	}
	if got := texts(appendFitting(messages("x"), messages("longer", "a", "b"), 2*(wire.CompoundPartOverhead+1))); got != "x a b" {
		t.Errorf("%q fit, want those of one byte", got)
	}
}

// TestExchangeComesAfterMessages: the push/pull of a leave does not overtake messages that arrived before it either.
func TestExchangeComesAfterMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := new(MockNetwork)
		var mu sync.Mutex
		var calls []string
		first := newMember(t, network, "a", callback{func(name string) {
			switch name {
			case "NotifyMsg", "NotifyJoin", "NotifyLeave":
				if name == "NotifyMsg" {
					time.Sleep(50 * time.Millisecond)
				}
				mu.Lock()
				defer mu.Unlock()
				calls = append(calls, name)
			}
		}}.install)
		m := newMember(t, network, "b", nil)
		joinMember(t, m, first)
		time.Sleep(time.Second)
		if err := m.SendBestEffort(first.LocalNode(), []byte("before")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // it has arrived
		turn := m.begin()
		turn.core.Leave(0)
		turn.core.End() // the leave is sent in the push/pull only
		m.mu.Unlock()
		if err := m.pushPulls.do(t.Context(), first.LocalNode().FullAddress(), exchangePeriodic); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if n := first.NumMembers(); n != 1 {
			t.Errorf("%d members, want 1", n)
		}
		mu.Lock()
		defer mu.Unlock()
		if want := []string{"NotifyJoin", "NotifyJoin", "NotifyMsg", "NotifyLeave"}; !slices.Equal(calls, want) {
			t.Errorf("calls %q, want %q", calls, want)
		}
	})
}
