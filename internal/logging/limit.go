package logging

import (
	"sync"
	"time"
)

const (
	// LimitInterval is the time in which the number of limited records with one key is bounded.
	LimitInterval = 10 * time.Second

	// limitKeys bounds how many keys are told apart. Keys are constants, so more are a mistake in the code; they share one
	// entry.
	limitKeys = 64
)

// limiter counts limited records by their key. Its zero value is ready for use.
type limiter struct {
	mu struct {
		sync.Mutex
		keys map[string]*limited
	}
}

type limited struct {
	began      time.Time // the interval
	written    int       // in it
	suppressed uint64    // since the last one that was written
}

// allow reports whether a record may be written now, at most most of them in each interval, and how many were suppressed since
// the last one.
func (l *limiter) allow(key string, now time.Time, most int) (suppressed uint64, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.keys == nil {
		l.mu.keys = make(map[string]*limited)
	}
	e := l.mu.keys[key]
	if e == nil {
		if len(l.mu.keys) >= limitKeys {
			key = ""
			e = l.mu.keys[key]
		}
		if e == nil {
			l.mu.keys[key] = &limited{began: now, written: 1}
			return 0, true
		}
	}
	if now.Sub(e.began) >= LimitInterval {
		e.began, e.written = now, 0
	}
	if e.written >= most {
		e.suppressed++
		return 0, false
	}
	e.written++
	suppressed, e.suppressed = e.suppressed, 0
	return suppressed, true
}
