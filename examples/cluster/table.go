package main

import (
	"fmt"
	"strings"
	"time"
)

// A table has a line for each observer: what it sees of each member, and its counters. All fits into 80 columns and
// 24 lines: up to maxWords members have the states in words, up to maxLetters in letters; of more there are only numbers,
// and only the first maxRows lines.
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

// counted are the states that a line of numbers has.
var counted = [...]cell{cellAlive, cellSuspect, cellDead, cellLeft}

// table gives the lines of the table.
func table(s snapshot, color bool) []string {
	if len(s.rows) == 0 {
		return nil
	}
	members := len(s.rows[0].cells)
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
			short(r.probes), milliseconds(r.rtt), r.sent, r.received))
	}
	legend := "each line: what that member sees; sent and received in packets/bytes"
	if members > maxWords && members <= maxLetters {
		legend = "A alive, S suspect, D dead, L left, x down; sent and received in packets/bytes"
	}
	return append(lines, paint(cellUnknown, legend))
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

func (f flow) String() string { return short(f.packets) + "/" + short(f.bytes) }

// short gives a number in at most five characters.
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

// maxObservers is how many observers of one change a line names.
const maxObservers = 6

// changes says what is different in the later of two snapshots, a line for all observers who see the same. What members
// see of themselves is no news.
func changes(before, after snapshot) []string {
	var lines []string
	for subject := range after.rows {
		for state := cellAlive; state <= cellLeft; state++ {
			lines = appendChange(lines, after, subject, state.String(), func(i int) bool {
				return after.rows[i].cells[subject] == state && before.cell(i, subject) != state
			})
		}
		for _, meta := range newMetas(before, after, subject) {
			lines = appendChange(lines, after, subject, fmt.Sprintf("with metadata %q", meta), func(i int) bool {
				old := before.meta(i, subject)
				return after.rows[i].metas[subject] == meta && old != meta && old != ""
			})
		}
	}
	return lines
}

func (s *snapshot) cell(observer, subject int) cell {
	if observer >= len(s.rows) {
		return cellUnknown
	}
	return s.rows[observer].cells[subject]
}

func (s *snapshot) meta(observer, subject int) string {
	if observer >= len(s.rows) {
		return ""
	}
	return s.rows[observer].metas[subject]
}

// newMetas gives the different metadata of a member that somebody sees who saw other metadata before. Seeing any for the
// first time is part of seeing the member.
func newMetas(before, after snapshot, subject int) []string {
	var metas []string
	seen := make(map[string]bool)
	for i, r := range after.rows {
		meta, old := r.metas[subject], before.meta(i, subject)
		if meta != "" && old != "" && meta != old && !seen[meta] {
			seen[meta] = true
			metas = append(metas, meta)
		}
	}
	return metas
}

// appendChange adds a line with all observers to whom a change applies, if there are any.
func appendChange(lines []string, s snapshot, subject int, what string, applies func(observer int) bool) []string {
	var observers []string
	others := 0
	for i, r := range s.rows {
		if i == subject || r.down {
			continue
		}
		others++
		if applies(i) {
			observers = append(observers, r.name)
		}
	}
	verb := "see"
	switch n := len(observers); {
	case n == 0:
		return lines
	case n == 1:
		verb = "sees"
	case n == others:
		observers = []string{"all others"}
	case n > maxObservers:
		observers = append(observers[:maxObservers], fmt.Sprintf("and %d more", n-maxObservers))
	}
	return append(lines, fmt.Sprintf("%s %s %s %s", strings.Join(observers, " "), verb, s.rows[subject].name, what))
}
