package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// progress shows the progress of the runs. It is safe for concurrent use.
type progress interface {
	show(seeds int, virtualSeconds int64)
	close()
}

const (
	redraw       = 200 * time.Millisecond // between two updates of a terminal's line
	firstReport  = 5 * time.Second        // until the first line without a terminal; the interval grows
	seldomReport = time.Minute            // the longest interval
)

// course is common to both kinds of progress.
type course struct {
	out   io.Writer
	seeds int
	begin time.Time

	mu struct {
		sync.Mutex
		next time.Time // time of the next output
	}
}

// text describes the progress.
func (c *course) text(now time.Time, done int, virtualSeconds int64) string {
	left := ""
	if done > 0 {
		spent := now.Sub(c.begin)
		left = fmt.Sprintf(", about %v left", (spent / time.Duration(done) * time.Duration(c.seeds-done)).Round(time.Second))
	}
	return fmt.Sprintf("%d of %d seeds, %v simulated%s", done, c.seeds, time.Duration(virtualSeconds)*time.Second, left)
}

// line overwrites one line of a terminal, a few times a second.
type line struct{ course }

func newLine(out io.Writer, seeds int) *line {
	return &line{course{out: out, seeds: seeds, begin: time.Now()}}
}

func (l *line) show(done int, virtualSeconds int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if now.Before(l.mu.next) {
		return
	}
	l.mu.next = now.Add(redraw)
	fmt.Fprint(l.out, "\r\x1b[K", l.text(now, done, virtualSeconds))
}

// close clears the line.
func (l *line) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprint(l.out, "\r\x1b[K")
}

// logLines writes a line now and then, for a log or a file; none in a short run.
type logLines struct{ course }

func newLogLines(out io.Writer, seeds int) *logLines {
	l := &logLines{course{out: out, seeds: seeds, begin: time.Now()}}
	l.mu.next = l.begin.Add(firstReport)
	return l
}

func (l *logLines) show(done int, virtualSeconds int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if now.Before(l.mu.next) {
		return
	}
	l.mu.next = now.Add(min(now.Sub(l.begin), seldomReport))
	fmt.Fprintln(l.out, "simulate:", l.text(now, done, virtualSeconds))
}

func (l *logLines) close() {}
