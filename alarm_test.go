package memberlist

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestAlarm: the alarm goes off at the time that was noted last, be that later or earlier than what was before, once; and
// nothing of it is left when the tasks have been closed, whether or not it ever went off.
func TestAlarm(t *testing.T) {
	for _, tt := range []struct {
		name  string
		at    time.Duration // when something is noted
		notes []time.Duration
		want  []time.Duration
	}{
		{"never set", 0, nil, nil},
		{"set once", 0, []time.Duration{time.Second}, []time.Duration{time.Second}},
		{"later", 0, []time.Duration{time.Second, 2 * time.Second}, []time.Duration{2 * time.Second}},
		{"earlier", 0, []time.Duration{2 * time.Second, time.Second}, []time.Duration{time.Second}},
		{"due already", time.Second, []time.Duration{time.Millisecond}, []time.Duration{time.Second}},
		{"closed before", 0, []time.Duration{time.Hour}, nil},
	} {
		for _, before := range []bool{false, true} {
			name := tt.name
			if before {
				name += ", not the first time"
			}
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var got []time.Duration
					var start time.Time
					tasks := newTasks()
					var alarm alarm
					alarm.init(tasks, func() { got = append(got, time.Since(start)) })
					if before {
						alarm.note(time.Now().Add(time.Minute))
						alarm.set()
						time.Sleep(time.Hour)
						synctest.Wait()
						got = nil
					}
					start = time.Now()
					time.Sleep(tt.at)
					for _, at := range tt.notes {
						alarm.note(start.Add(at))
						alarm.set()
					}
					time.Sleep(time.Minute)
					tasks.close()
					alarm.end()
					tasks.wait()
					alarm.note(time.Now())
					alarm.set() // does nothing any more
					time.Sleep(2 * time.Hour)
					synctest.Wait()
					if !slices.Equal(got, tt.want) {
						t.Errorf("goes off at %v, want %v", got, tt.want)
					}
				})
			})
		}
	}
}

// TestSlowRunHoldsUpNoOther: each run is on a goroutine of its own, and Shutdown waits for all of them.
func TestSlowRunHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var alarm alarm
		tasks := newTasks()
		start := time.Now()
		var mu sync.Mutex
		var began, ended []time.Duration
		note := func(times *[]time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			*times = append(*times, time.Since(start))
		}
		alarm.init(tasks, func() {
			note(&began)
			alarm.note(time.Now().Add(time.Second))
			alarm.set()
			time.Sleep(time.Minute)
			note(&ended)
		})
		alarm.note(start.Add(time.Second))
		alarm.set()
		time.Sleep(3*time.Second + time.Millisecond)
		tasks.close()
		alarm.end()
		tasks.wait()
		if want := []time.Duration{time.Second, 2 * time.Second, 3 * time.Second}; !slices.Equal(began, want) {
			t.Errorf("runs begin at %v, want %v", began, want)
		}
		if len(ended) != len(began) {
			t.Errorf("%d of %d runs have ended", len(ended), len(began))
		}
	})
}

// TestAloneSleeps: a member that knows nobody wakes up for its metrics alone, whatever loops and delegate it has; then it
// probes.
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
