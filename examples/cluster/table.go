package main

import (
	"fmt"
	"strings"
	"time"
)

// A table has a line for each observer: its view of each member, and its counters. It fits into 80 columns and 24
// lines: up to maxWords members have the states in words, up to maxLetters in letters; more are counted, and only the
// first maxRows lines are shown.
const (
	maxWords   = 5
	maxLetters = 18
	maxRows    = 16
)

// colors are the SGR parameters of each state.
var colors = [...]string{
	cellUnknown: "2", // faint
	cellAlive:   "32",
	cellSuspect: "1;33",
	cellDead:    "1;31",
	cellLeft:    "36",
	cellDown:    "2",
}

// counted are the states that are counted in a large cluster.
var counted = [...]cell{cellAlive, cellSuspect, cellDead, cellLeft}

// table returns the lines of the table.
func table(s snapshot, color bool) []string {
	if len(s.rows) == 0 {
		return nil
	}
	members := s.members()
	nameWidth := len(memberName(members - 1))
	paint := func(c cell, text string) string {
		if !color {
			return text
		}
		return "\x1b[" + colors[c] + "m" + text + "\x1b[0m"
	}
	head, body := wordsHead, wordsBody
	switch {
	case members > maxLetters:
		head, body = numbersHead, numbersBody
	case members > maxWords:
		head, body = lettersHead, lettersBody
	}
	lines := []string{fmt.Sprintf("%-*s%s %6s %6s %10s %10s", nameWidth, "", head(members), "probes", "rtt", "sent", "received")}
	for i, r := range s.rows {
		if i == maxRows && members > maxLetters {
			lines = append(lines, fmt.Sprintf("... and %d more", len(s.rows)-i))
			break
		}
		lines = append(lines, fmt.Sprintf("%-*s%s %6s %6s %10s %10s", nameWidth, r.name, body(r, paint),
			whole(r.probes), milliseconds(r.rtt), r.sent, r.received))
	}
	return lines
}

// legend explains the table.
func legend(s snapshot) string {
	const counters = "sent and received in packets/bytes"
	if members := s.members(); members > maxWords && members <= maxLetters {
		return "A alive, S suspect, D dead, L left, x down; " + counters
	}
	return "each line is what that member sees; " + counters
}

func wordsHead(members int) string {
	var b strings.Builder
	for i := range members {
		fmt.Fprintf(&b, " %-7s", memberName(i))
	}
	return b.String()
}

func wordsBody(r row, paint func(cell, string) string) string {
	var b strings.Builder
	for _, c := range r.cells {
		b.WriteString(paint(c, fmt.Sprintf(" %-7s", c)))
	}
	return b.String()
}

// lettersHead has the last digit of each member's number.
func lettersHead(members int) string {
	var b strings.Builder
	for i := range members {
		fmt.Fprintf(&b, " %d", (i+1)%10)
	}
	return b.String()
}

func lettersBody(r row, paint func(cell, string) string) string {
	const letters = "-ASDLx" // by cell
	var b strings.Builder
	for _, c := range r.cells {
		b.WriteString(paint(c, " "+letters[c:c+1]))
	}
	return b.String()
}

func numbersHead(int) string {
	var b strings.Builder
	for _, c := range counted {
		fmt.Fprintf(&b, " %7s", c)
	}
	return b.String()
}

func numbersBody(r row, paint func(cell, string) string) string {
	var b strings.Builder
	for _, want := range counted {
		n := 0
		for _, c := range r.cells {
			if c == want {
				n++
			}
		}
		text := fmt.Sprintf(" %7d", n)
		if n > 0 {
			text = paint(want, text)
		}
		b.WriteString(text)
	}
	return b.String()
}

func (f flow) String() string { return whole(f.packets) + "/" + short(f.bytes) }

// whole formats a number in at most four characters.
func whole(n int64) string {
	switch {
	case n < 10_000:
		return fmt.Sprint(n)
	case n < 999_500:
		return fmt.Sprintf("%.0fk", float64(n)/1e3)
	default:
		return fmt.Sprintf("%.0fM", float64(n)/1e6)
	}
}

// short formats a number in at most five characters.
func short(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprint(n)
	case n < 99_950:
		return fmt.Sprintf("%.1fk", float64(n)/1e3)
	case n < 999_500:
		return fmt.Sprintf("%.0fk", float64(n)/1e3)
	case n < 99_950_000:
		return fmt.Sprintf("%.1fM", float64(n)/1e6)
	default:
		return fmt.Sprintf("%.0fM", float64(n)/1e6)
	}
}

func milliseconds(d time.Duration) string {
	switch ms := float64(d) / float64(time.Millisecond); {
	case d == 0:
		return "-"
	case ms < 10:
		return fmt.Sprintf("%.2fms", ms)
	default:
		return fmt.Sprintf("%.0fms", ms)
	}
}
