package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// progress is told how far the runs are, by several goroutines.
type progress interface {
	show(seeds int, virtualSeconds int64)
	close()
}

// silent shows nothing: who reads the output later does not want it.
type silent struct{}

func (silent) show(int, int64) {}
func (silent) close()          {}

// line writes over one line of a terminal, a few times a second.
type line struct {
	out   io.Writer
	seeds int
	begin time.Time

	mu struct {
		sync.Mutex
		shown time.Time
	}
}

// redraw is the time between two states of the line.
const redraw = 200 * time.Millisecond

func newLine(out io.Writer, seeds int) *line { return &line{out: out, seeds: seeds, begin: time.Now()} }

func (l *line) show(done int, virtualSeconds int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if now.Sub(l.mu.shown) < redraw {
		return
	}
	l.mu.shown = now
	left := ""
	if done > 0 {
		spent := now.Sub(l.begin)
		left = fmt.Sprintf(", about %v left", (spent / time.Duration(done) * time.Duration(l.seeds-done)).Round(time.Second))
	}
	fmt.Fprintf(l.out, "\r\x1b[K%d of %d seeds, %v simulated%s", done, l.seeds, time.Duration(virtualSeconds)*time.Second, left)
}

// close takes the line away.
func (l *line) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprint(l.out, "\r\x1b[K")
}
