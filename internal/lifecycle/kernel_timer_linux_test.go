package lifecycle

import (
	"testing"
	"time"
)

// awaitRun fails the test if nothing comes.
func awaitRun(t *testing.T, runs <-chan int) int {
	t.Helper()
	select {
	case n := <-runs:
		return n
	case <-time.After(time.Minute):
		t.Fatal("no run")
		return 0
	}
}

// TestKernelTimer: it goes off once for each time that it is set, and what Reset and Stop return is true while it is set.
func TestKernelTimer(t *testing.T) {
	runs := make(chan int, 10)
	n := 0
	timer := openKernelTimer(func() { n++; runs <- n })
	if timer == nil {
		t.Fatal("no timer")
	}
	for i := 1; i <= 3; i++ {
		if timer.Reset(time.Hour) {
			t.Error("it was set before it was")
		}
		if !timer.Reset(0) {
			t.Error("it was not set")
		}
		if got := awaitRun(t, runs); got != i {
			t.Errorf("run %d, want %d", got, i)
		}
	}
	timer.Reset(time.Hour)
	timer.unset()
	if timer.Reset(time.Hour) {
		t.Error("it is set though it was unset")
	}
	if !timer.Stop() || len(runs) > 0 {
		t.Errorf("it was not set when it was stopped, or has gone off %d times more", len(runs))
	}
	timer.Reset(0)
	<-timer.mu.reader // closed: no run will come
	if len(runs) > 0 {
		t.Error("it goes off after Stop")
	}
}

// TestKernelTimerLongRun: while a run is in a long callback the next ones begin; then one goroutine waits for the timer again.
// Stop, which a run may call, waits for no run.
func TestKernelTimerLongRun(t *testing.T) {
	runs, goOn := make(chan int, 10), make(chan bool)
	n := 0
	var timer *kernelTimer
	timer = openKernelTimer(func() {
		n++
		runs <- n
		switch n {
		case 1:
			timer.beginCallback()
			<-goOn
			timer.endCallback()
			runs <- -1
		case 4:
			timer.Stop()
			runs <- -4
		}
	})
	if timer == nil {
		t.Fatal("no timer")
	}
	for _, want := range []int{1, 2, 3} {
		timer.Reset(1)
		if got := awaitRun(t, runs); got != want {
			t.Errorf("run %d, want %d", got, want)
		}
	}
	goOn <- true
	if got := awaitRun(t, runs); got != -1 {
		t.Errorf("run %d, want the end of the first", got)
	}
	timer.Reset(1)
	for _, want := range []int{4, -4} {
		if got := awaitRun(t, runs); got != want {
			t.Errorf("run %d, want %d", got, want)
		}
	}
	<-timer.mu.reader
	if timer.Stop() {
		t.Error("it was set when it was stopped again")
	}
}
