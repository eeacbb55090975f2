package lifecycle

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestTimer: the timer runs once, at the time that was noted last, be that later or earlier than the one before; and nothing is left
// of it when the group has been closed and the timer stopped, whether or not it ever ran.
func TestTimer(t *testing.T) {
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
					var group Group
					group.Init()
					var timer Timer
					timer.Init(&group, func() { got = append(got, time.Since(start)) }, false)
					if before {
						timer.Note(time.Now().Add(time.Minute))
						timer.Set()
						time.Sleep(time.Hour)
						synctest.Wait()
						got = nil
					}
					start = time.Now()
					time.Sleep(tt.at)
					for _, at := range tt.notes {
						timer.Note(start.Add(at))
						timer.Set()
					}
					time.Sleep(time.Minute)
					group.Close()
					timer.Stop()
					group.Wait()
					timer.Note(time.Now())
					timer.Set() // does nothing any more
					time.Sleep(2 * time.Hour)
					synctest.Wait()
					if !slices.Equal(got, tt.want) {
						t.Errorf("runs at %v, want %v", got, tt.want)
					}
				})
			})
		}
	}
}

// TestSlowRunDelaysNoOther: each run is on a goroutine of its own, and Wait waits for all of them.
func TestSlowRunDelaysNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var timer Timer
		var group Group
		group.Init()
		start := time.Now()
		var mu sync.Mutex
		var began, ended []time.Duration
		note := func(times *[]time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			*times = append(*times, time.Since(start))
		}
		timer.Init(&group, func() {
			note(&began)
			timer.Note(time.Now().Add(time.Second))
			timer.Set()
			time.Sleep(time.Minute)
			note(&ended)
		}, false)
		timer.Note(start.Add(time.Second))
		timer.Set()
		time.Sleep(3*time.Second + time.Millisecond)
		group.Close()
		timer.Stop()
		group.Wait()
		if want := []time.Duration{time.Second, 2 * time.Second, 3 * time.Second}; !slices.Equal(began, want) {
			t.Errorf("runs begin at %v, want %v", began, want)
		}
		if len(ended) != len(began) {
			t.Errorf("%d of %d runs have ended", len(ended), len(began))
		}
	})
}

// TestTimerDoesNotRunInAClosedGroup: also if it has not been stopped.
func TestTimerDoesNotRunInAClosedGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var group Group
		group.Init()
		var timer Timer
		timer.Init(&group, func() { t.Error("it runs") }, false)
		timer.Note(time.Now().Add(time.Second))
		timer.Set()
		group.Close()
		group.Wait() // for the run, which does nothing
		timer.Stop()
	})
}
