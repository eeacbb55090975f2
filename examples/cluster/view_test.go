package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// snapshotOf makes a snapshot of one letter for each cell, as lettersBody writes them.
func snapshotOf(at time.Duration, views ...string) snapshot {
	s := snapshot{at: at, title: "3 members on 127.0.0.1"}
	for i, letters := range views {
		r := row{
			name:     memberName(i),
			probes:   int64(10 * i),
			rtt:      time.Duration(i) * 123 * time.Microsecond,
			sent:     flow{packets: int64(i * 70), bytes: int64(i * 5_000)},
			received: flow{packets: int64(i), bytes: int64(i * 500)},
			metas:    make([]string, len(letters)),
		}
		for j, letter := range letters {
			c := cell(strings.IndexRune("-ASDLx", letter))
			r.cells = append(r.cells, c)
			if c == cellAlive || c == cellSuspect {
				r.metas[j] = "role=worker"
			}
			r.down = r.down || c == cellDown
		}
		s.rows = append(s.rows, r)
	}
	return s
}

// lines makes one text of lines without the newline that a raw string begins with.
func lines(s string) string { return strings.TrimPrefix(s, "\n") }

func TestTable(t *testing.T) {
	tests := []struct {
		name  string
		s     snapshot
		color bool
		want  string
	}{
		{name: "nobody", s: snapshot{}, want: ""},
		{
			name: "words",
			s:    snapshotOf(0, "ASL", "-x-", "AD-"),
			want: lines(`
   n1      n2      n3      probes    rtt       sent   received
n1 alive   suspect left         0      -        0/0        0/0
n2 -       down    -           10 0.12ms    70/5.0k      1/500
n3 alive   dead    -           20 0.25ms  140/10.0k     2/1.0k
`),
		},
		{
			name: "letters",
			s:    snapshotOf(0, "AAAAAASDL-", "-x--------"),
			want: lines(`
    1 2 3 4 5 6 7 8 9 0 probes    rtt       sent   received
n1  A A A A A A S D L -      0      -        0/0        0/0
n2  - x - - - - - - - -     10 0.12ms    70/5.0k      1/500
`),
		},
		{
			name: "numbers",
			s:    snapshotOf(0, strings.Repeat("A", 90)+"SDL", strings.Repeat("-", 93)),
			want: lines(`
      alive suspect    dead    left probes    rtt       sent   received
n1       90       1       1       1      0      -        0/0        0/0
n2        0       0       0       0     10 0.12ms    70/5.0k      1/500
`),
		},
		{
			name:  "color",
			s:     snapshotOf(0, "ASD"),
			color: true,
			want: lines(`
   n1      n2      n3      probes    rtt       sent   received
n1<32> alive  <0><1;33> suspect<0><1;31> dead   <0>      0      -        0/0        0/0
`),
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got strings.Builder
			for _, line := range table(test.s, test.color) {
				got.WriteString(line + "\n")
			}
			if got := readable(got.String()); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

// readable replaces the color sequences by <parameters>.
func readable(s string) string {
	return regexp.MustCompile("\x1b\\[([0-9;]+)m").ReplaceAllString(s, "<$1>")
}

// TestTableFits: it fits a terminal of 80 columns and 24 lines, of which the prompt takes one.
func TestTableFits(t *testing.T) {
	for members := 3; members <= 99; members++ {
		views := make([]string, members)
		for i := range views {
			views[i] = strings.Repeat("S", members)
		}
		s := snapshotOf(0, views...)
		for i := range s.rows {
			r := &s.rows[i]
			r.probes, r.rtt = 999_499, 9999*time.Millisecond
			r.sent, r.received = flow{999_499, 99_949_999}, flow{9_999, 99_949}
		}
		all := append(table(s, false), legend(s))
		for _, line := range all {
			if n := utf8.RuneCountInString(line); n > 79 {
				t.Errorf("%d members: %d columns: %s", members, n, line)
			}
		}
		if len(all) > 21 {
			t.Errorf("%d members: %d lines", members, len(all))
		}
	}
}

func TestChanges(t *testing.T) {
	base := snapshotOf(0, "AAA", "AAA", "AAA")
	meta := snapshotOf(0, "AAA", "AAA", "AAA")
	meta.rows[0].metas[1], meta.rows[1].metas[1], meta.rows[2].metas[1] = "x", "x", "y"
	many := func(letters string) snapshot {
		views := make([]string, 9)
		for i := range views {
			views[i] = letters
		}
		return snapshotOf(0, views...)
	}
	tests := []struct {
		name          string
		before, after snapshot
		want          []string
	}{
		{"nothing", base, base, nil},
		{"first seen", snapshot{}, snapshotOf(0, "AA-", "AA-"), []string{"n2 sees n1 alive", "n1 sees n2 alive"}},
		{"several subjects", snapshotOf(0, "A--", "AAA", "AAA"), base, []string{"n1 sees n2 n3 alive"}},
		{"all others", base, snapshotOf(0, "ASA", "AAA", "ASA"), []string{"all others see n2 suspect"}},
		{"one is down", base, snapshotOf(0, "ADA", "-x-", "AAA"), []string{"n1 sees n2 dead"}},
		{"different states", base, snapshotOf(0, "ASA", "AAA", "ADA"), []string{"n1 sees n2 suspect", "n3 sees n2 dead"}},
		{"metadata", base, meta, []string{`n1 sees n2 with "x"`, `n3 sees n2 with "y"`}},
		{"all of many", many("AAAAAAAAA"), many("AAAAAAAAS"), []string{"all others see n9 suspect"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := strings.Join(changes(test.before, test.after), "\n")
			if want := strings.Join(test.want, "\n"); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestNames(t *testing.T) {
	all := strings.Fields("a b c d e f g h")
	for n, want := range map[int]string{1: "a", 6: "a b c d e f", 8: "a b c d e f and 2 more"} {
		if got := names(all[:n]); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestPlainView(t *testing.T) {
	var out bytes.Buffer
	v := &plainView{out: &out}
	v.say(0, "begins")
	v.show(snapshotOf(10*time.Millisecond, "AAA", "AAA", "AAA")) // too soon for lines
	v.show(snapshotOf(150*time.Millisecond, "AAA", "AAA", "ASA"))
	v.show(snapshotOf(160*time.Millisecond, "ADA", "-x-", "ADA"))
	v.say(170*time.Millisecond, "ends")
	v.checkpoint(snapshotOf(180*time.Millisecond, "ADA", "-x-", "ADA"))
	v.checkpoint(snapshotOf(190*time.Millisecond, "ALA"))
	v.close()
	want := lines(`
  0.00s  begins
  0.15s    all others see n1 n3 alive
  0.15s    n1 sees n2 alive
  0.15s    n3 sees n2 suspect
  0.16s    all others see n2 dead
  0.17s  ends

   n1      n2      n3      probes    rtt       sent   received
n1 alive   dead    alive        0      -        0/0        0/0
n2 -       down    -           10 0.12ms    70/5.0k      1/500
n3 alive   dead    alive       20 0.25ms  140/10.0k     2/1.0k
(each line is what that member sees; sent and received in packets/bytes)

   n1      n2      n3      probes    rtt       sent   received
n1 alive   left    alive        0      -        0/0        0/0

`)
	if got := out.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestTerminalView(t *testing.T) {
	var out bytes.Buffer
	v := &terminalView{out: &out}
	next := func(name, want string) {
		t.Helper()
		got := strings.ReplaceAll(out.String(), "\x1b", "^")
		out.Reset()
		if want := strings.ReplaceAll(lines(want), "<CR>", "\r"); got != want {
			t.Errorf("%s: got\n%q\nwant\n%q", name, got, want)
		}
	}
	v.say(0, "begins")
	next("no table yet", `
^[?7l  0.00s  begins^[K
^[J^[?7h`)
	v.show(snapshotOf(10*time.Millisecond, "AA"))
	next("first table", `
^[?7l^[K
   n1      n2      probes    rtt       sent   received^[K
n1 alive   alive        0      -        0/0        0/0^[K
each line is what that member sees; sent and received in packets/bytes^[K
3 members on 127.0.0.1, 0.0s^[K
^[J^[?7h`)
	v.show(snapshotOf(90*time.Millisecond, "AS"))
	next("too soon", "")
	v.say(100*time.Millisecond, "goes on")
	next("above the table, which is up to date", `
^[?7l<CR>^[5A  0.10s  goes on^[K
^[K
   n1      n2      probes    rtt       sent   received^[K
n1 alive   suspect      0      -        0/0        0/0^[K
each line is what that member sees; sent and received in packets/bytes^[K
3 members on 127.0.0.1, 0.1s^[K
^[J^[?7h`)
	v.show(snapshotOf(300*time.Millisecond, "AD", "AA"))
	next("in place", `
^[?7l<CR>^[5A^[K
   n1      n2      probes    rtt       sent   received^[K
n1 alive   dead         0      -        0/0        0/0^[K
n2 alive   alive       10 0.12ms    70/5.0k      1/500^[K
each line is what that member sees; sent and received in packets/bytes^[K
3 members on 127.0.0.1, 0.3s^[K
^[J^[?7h`)
}

func TestNumbers(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0", 999: "999", 1000: "1.0k", 99_949: "99.9k", 99_950: "100k", 999_499: "999k", 999_500: "1.0M", 123_456_789: "123M",
	} {
		if got := short(n); got != want {
			t.Errorf("short(%d): got %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0", 9_999: "9999", 10_000: "10k", 999_499: "999k", 1_000_000: "1M"} {
		if got := whole(n); got != want {
			t.Errorf("whole(%d): got %q, want %q", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{0: "-", 123 * time.Microsecond: "0.12ms", 12 * time.Millisecond: "12ms"} {
		if got := milliseconds(d); got != want {
			t.Errorf("milliseconds(%v): got %q, want %q", d, got, want)
		}
	}
}
