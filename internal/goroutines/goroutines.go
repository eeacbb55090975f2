// Package goroutines lets tests check that no goroutine is left behind.
package goroutines

import (
	"runtime"
	"testing"
	"time"
)

// Await waits until at most want goroutines exist: those that have ended their work may be about to return. It fails the test,
// with all stacks, if that takes longer than a time.
func Await(t *testing.T, want int, within time.Duration) {
	t.Helper()
	for deadline := time.Now().Add(within); runtime.NumGoroutine() > want; runtime.Gosched() {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, want %d:\n%s", runtime.NumGoroutine(), want, stacks[:runtime.Stack(stacks, true)])
		}
	}
}
