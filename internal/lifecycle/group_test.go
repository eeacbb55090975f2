package lifecycle

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist/internal/walls"
)

func TestWalls(t *testing.T) {
	walls.Walls{Imports: []string{walls.Standard}}.Check(t, ".")
}

// TestWaitLeavesOutCallbacks: Wait returns when all goroutines have ended but those in callbacks, and no callback begins after Close.
func TestWaitLeavesOutCallbacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Group
		g.Init()
		start := time.Now()
		inCallback := func(d time.Duration) func() {
			return func() {
				if !g.BeginCallback() {
					t.Error("no callback before Close")
				}
				time.Sleep(d)
				g.EndCallback()
			}
		}
		g.Go(inCallback(time.Hour))
		g.Go(inCallback(time.Second))
		g.Go(func() { <-g.Done(); time.Sleep(time.Minute) })
		if !g.Acquire() {
			t.Error("the group is closed")
		}
		synctest.Wait()
		if g.Closed() || g.Context().Err() != nil {
			t.Error("the group is closed")
		}
		if !g.Close() || g.Close() || !g.Closed() {
			t.Error("Close reports that another call was the first")
		}
		if g.Go(func() { t.Error("goroutine after Close") }) || g.BeginCallback() || g.Acquire() {
			t.Error("something begins after Close")
		}
		if g.Context().Err() == nil {
			t.Error("the context has not ended")
		}
		g.Release()
		g.Wait()
		if took := time.Since(start); took != time.Minute {
			t.Errorf("Wait took %v, want %v: the goroutine that is not in a callback", took, time.Minute)
		}
		time.Sleep(time.Hour) // the callbacks end
	})
}

// TestWaitForACallbackThatCloses: a callback may close the group and wait for it.
func TestWaitForACallbackThatCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Group
		g.Init()
		done := make(chan bool)
		g.Go(func() {
			g.BeginCallback()
			g.Close()
			g.Wait()
			g.EndCallback()
			close(done)
		})
		<-done
		g.Wait()
	})
}
