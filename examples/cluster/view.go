package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// view shows the story. One goroutine uses it.
type view interface {
	// say prints a step of the story.
	say(at time.Duration, line string)

	// show is called with the current views, many times a second.
	show(s snapshot)

	// checkpoint is called at the end of each step.
	checkpoint(s snapshot)

	// close prints everything that is still pending.
	close()
}

// newView returns a view that redraws in place on a terminal, and prints lines elsewhere.
func newView(f *os.File) view {
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 || os.Getenv("TERM") == "dumb" {
		return &plainView{out: f}
	}
	return &terminalView{out: f, color: os.Getenv("NO_COLOR") == ""}
}

// showInterval is the time between two redraws, and between two groups of change lines.
const showInterval = 100 * time.Millisecond

func storyLine(at time.Duration, line string) string {
	return fmt.Sprintf("%6.2fs  %s\n", at.Seconds(), line)
}

// plainView prints each change as a line, and the table at the end of each step.
type plainView struct {
	out     io.Writer
	printed snapshot // all of its changes have been printed
	latest  snapshot

	explained bool // the legend has been printed
	apart     bool // the last line is empty
}

func (v *plainView) say(at time.Duration, line string) {
	v.flush() // earlier changes
	io.WriteString(v.out, storyLine(at, line))
	v.apart = false
}

func (v *plainView) show(s snapshot) {
	v.latest = s
	if s.at-v.printed.at >= showInterval {
		v.flush()
	}
}

func (v *plainView) checkpoint(s snapshot) {
	v.latest = s
	v.flush()
	lines := table(s, false)
	if !v.explained {
		v.explained = true
		lines = append(lines, "("+legend(s)+")")
	}
	if !v.apart {
		v.apart = true
		lines[0] = "\n" + lines[0]
	}
	fmt.Fprintf(v.out, "%s\n\n", strings.Join(lines, "\n"))
}

func (v *plainView) close() { v.flush() }

func (v *plainView) flush() {
	for _, line := range changes(v.printed, v.latest) {
		v.apart = false
		io.WriteString(v.out, storyLine(v.latest.at, "  "+line))
	}
	v.printed = v.latest
}

// terminalView prints the steps as lines that can be scrolled back, and keeps the table below them.
type terminalView struct {
	out    io.Writer
	color  bool
	latest snapshot
	drawn  time.Duration // time of the last redraw
	lines  int           // of the table on the screen
}

func (v *terminalView) say(at time.Duration, line string) { v.draw(storyLine(at, line)) }

func (v *terminalView) show(s snapshot) {
	v.latest = s
	if v.lines == 0 || s.at-v.drawn >= showInterval {
		v.draw("")
	}
}

func (v *terminalView) checkpoint(s snapshot) {
	v.latest = s
	v.draw("")
}

func (v *terminalView) close() { v.draw("") }

// draw writes text where the table begins, and the table after it, in one write to avoid flicker. Each line clears
// the rest of the line that it overwrites. Wrapping is off meanwhile, since a wrapped line would be counted as one.
func (v *terminalView) draw(text string) {
	var b strings.Builder
	b.WriteString("\x1b[?7l")
	if v.lines > 0 {
		fmt.Fprintf(&b, "\r\x1b[%dA", v.lines)
	}
	b.WriteString(strings.ReplaceAll(text, "\n", "\x1b[K\n"))
	v.lines = 0
	if len(v.latest.rows) > 0 {
		lines := append([]string{""}, table(v.latest, v.color)...)
		lines = append(lines, legend(v.latest), fmt.Sprintf("%s, %.1fs", v.latest.title, v.latest.at.Seconds()))
		for _, line := range lines {
			b.WriteString(line + "\x1b[K\n")
		}
		v.lines = len(lines)
	}
	b.WriteString("\x1b[J\x1b[?7h")
	io.WriteString(v.out, b.String())
	v.drawn = v.latest.at
}
