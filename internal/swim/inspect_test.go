package swim

import "testing"

// TestSettle: nothing remains queued, and no waiter for it remains. All members but the plain ones are known to know the extensions.
func TestSettle(t *testing.T) {
	n := newNode(t, nil).withMembers(3)
	n.Announce(memberAddr(0), []byte("new"), testVersions, 9)
	n.take()
	if n.NumQueued() != 4 {
		t.Errorf("%d broadcasts are queued, want 4", n.NumQueued())
	}
	n.cfg.Extensions = true
	n.Settle([]string{"m2"})
	for name, want := range map[string]bool{"m1": true, "m2": false, "m3": true} {
		if got := n.table.named(name).extended(); got != want {
			t.Errorf("%s is known to know the extensions: %v, want %v", name, got, want)
		}
	}
	if out := n.take(); n.NumQueued() != 0 || len(out.Finished) != 1 || out.Finished[0] != 9 {
		t.Errorf("%d broadcasts are queued, notices %v are finished; want none, [9]", n.NumQueued(), out.Finished)
	}
}

// TestNumTimers: each loop has a timer, and so does a suspicion while it lasts.
func TestNumTimers(t *testing.T) {
	n := newNode(t, nil).withMembers(3)
	if n.NumTimers() != 0 {
		t.Errorf("%d timers before Start", n.NumTimers())
	}
	n.Start()
	n.suspect(1, 1, "m2")
	if n.NumTimers() != 4 {
		t.Errorf("%d timers with one suspect, want 4", n.NumTimers())
	}
	n.alive(aliveOf(1, 2))
	if n.NumTimers() != 3 {
		t.Errorf("%d timers without a suspect, want 3", n.NumTimers())
	}
}
