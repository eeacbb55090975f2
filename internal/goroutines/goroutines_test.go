package goroutines

import (
	"runtime"
	"testing"
	"time"
)

// TestAwait: a goroutine that is about to end is waited for.
func TestAwait(t *testing.T) {
	before := runtime.NumGoroutine()
	end := make(chan struct{})
	go func() { <-end }()
	if got := runtime.NumGoroutine(); got != before+1 {
		t.Fatalf("%d goroutines, want %d", got, before+1)
	}
	close(end)
	Await(t, before, time.Minute)
	if got := runtime.NumGoroutine(); got != before {
		t.Errorf("%d goroutines are left, want %d", got, before)
	}
}
