package lifecycle

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestMutex(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Group
		g.Init()
		m := g.NewMutex()
		if !m.TryLock() || m.TryLock() {
			t.Error("TryLock does not exclude")
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := m.Lock(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Lock returned %v, want the context's error", err)
		}
		go func() {
			time.Sleep(time.Second)
			m.Unlock()
		}()
		start := time.Now()
		if err := m.Lock(t.Context()); err != nil || time.Since(start) != time.Second {
			t.Errorf("Lock returned %v after %v, want to wait for Unlock", err, time.Since(start))
		}
		go func() {
			time.Sleep(time.Second)
			g.Close()
		}()
		if err := m.Lock(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("Lock returned %v, want ErrClosed", err)
		}
	})
}
