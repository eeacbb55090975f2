package main

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

// reports are the reports of some trials.
func reports(t *testing.T) map[string]*report {
	settingsOf := func(args string) *settings {
		s, err := parseFlags(strings.Fields(args), io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	ms := func(times ...int) (d []time.Duration) {
		for _, ms := range times {
			d = append(d, time.Duration(ms)*time.Millisecond)
		}
		return d
	}
	plain := []*trial{
		{crashes: []crash{{ms(8100, 8200, 9000)}}, update: 600 * time.Millisecond, start: 1234 * time.Millisecond,
			load: load{packets: traffic{2, 3}, bytes: traffic{90, 120}, streamBytes: traffic{12345, 23456}}},
		{crashes: []crash{{ms(9100, 9200, 12000)}}, update: 700 * time.Millisecond, start: 1034 * time.Millisecond,
			load: load{packets: traffic{4, 5}, bytes: traffic{110, 110}, streamBytes: traffic{12345, 13456}}},
	}
	hard := []*trial{
		{crashes: []crash{{append(ms(101_000), never)}, {[]time.Duration{never, never}}}, update: never, start: never,
			load: load{packets: traffic{20, 30}, bytes: traffic{9000, 12_345_678}, streamBytes: traffic{0, 0}}, falseDeaths: 3, slowDeaths: 77},
	}
	early := []*trial{
		{crashes: []crash{{[]time.Duration{before, before, before}}}, update: time.Second, start: time.Minute},
		{crashes: []crash{{append([]time.Duration{before}, ms(9000, 9500)...)}}, update: time.Second, start: time.Minute},
		{crashes: []crash{{[]time.Duration{before, before, never}}}, update: 2500 * time.Microsecond, start: time.Minute},
	}
	return map[string]*report{
		"early": summarize(settingsOf("-n 4 -seeds 3 -loss 99.9"), early),
		"plain": summarize(settingsOf("-n 4 -seeds 2"), plain),
		"hard":  summarize(settingsOf("-n 5 -seeds 2 -crash 2 -slow 1 -loss 2.5 -jitter 9ms -distribution pareto -preset wan -suspicion-mult 4 -gossip-interval 0"), hard),
		"zones": summarize(settingsOf("-n 6 -seeds 1 -crash 0 -zones 3 -zone-latency 5ms -zone-loss 1 -zoneless"), []*trial{{update: time.Second,
			start: time.Minute, load: load{bytesAcross: traffic{70, 90}, streamBytesAcross: traffic{7, 9}}}}),
		"no crash": summarize(settingsOf("-n 4 -seeds 1 -crash 0 -jitter 0"), []*trial{{update: time.Second, start: time.Minute}}),
	}
}

func TestGoldens(t *testing.T) {
	for name, r := range reports(t) {
		for ext, write := range map[string]func(io.Writer) error{".txt": r.writeTable, ".json": r.writeJSON} {
			t.Run(name+ext, func(t *testing.T) {
				var got bytes.Buffer
				if err := write(&got); err != nil {
					t.Fatal(err)
				}
				file := filepath.Join("testdata", strings.ReplaceAll(name, " ", "-")+ext)
				if *update {
					if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got.Bytes(), want) {
					t.Errorf("not as %s; run with -update if this is right:\n%s", file, &got)
				}
				for line := range strings.Lines(got.String()) {
					if len(line) > 110 && ext == ".txt" && !strings.Contains(line, "configuration") {
						t.Errorf("a long line: %s", line)
					}
				}
			})
		}
	}
}

func TestPercentile(t *testing.T) {
	hundred := make(spread, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	for _, tt := range []struct {
		d    spread
		p    float64
		want time.Duration
	}{
		{hundred, 50, 50}, {hundred, 99, 99}, {hundred, 100, 100}, {hundred, 0, 1}, {spread{7}, 1, 7}, {spread{7}, 99, 7},
		{spread{1, 2, 3}, 50, 2}, {spread{1, never}, 50, 1}, {spread{1, never}, 51, never}, {nil, 50, never},
		{spread{before, before}, 100, never}, {spread{before, before, 3, 4}, 50, 3}, {spread{before, never}, 1, never},
	} {
		if got := tt.d.percentile(tt.p); got != tt.want {
			t.Errorf("%v%% of %d: %v, want %v", tt.p, len(tt.d), got, tt.want)
		}
	}
	if n := (spread{1, 2, never, never}).happened(); n != 2 {
		t.Errorf("%d happened, want 2", n)
	}
	if d := (spread{before, 0, 1, never, never}); d.early() != 1 || d.happened() != 2 || d.late() != 2 {
		t.Errorf("%d before, %d happened, %d never", d.early(), d.happened(), d.late())
	}
}

// TestTimes: members that know, that forget, and that are not waited for.
func TestTimes(t *testing.T) {
	k := newTimes(4)
	k.note(0, 5)
	k.note(0, 6) // no change
	k.dismiss(3)
	k.note(3, 7)
	k.note(1, 9)
	k.forget(1)
	k.forget(2)
	if k.left != 2 || k.allSince(0) != never {
		t.Errorf("%d left, %v", k.left, k.allSince(0))
	}
	k.note(2, 8)
	k.note(1, 10)
	if got := k.eachSince(6); k.left != 0 || !slices.Equal(got, []time.Duration{before, 2, 4}) || k.allSince(6) != 4 {
		t.Errorf("%d left, %v, %v", k.left, got, k.allSince(6))
	}
}

// TestDistribution: a curve of many durations has a bounded number of points, and ends at the last one.
func TestDistribution(t *testing.T) {
	d := make(spread, 10_000)
	for i := range d {
		d[i] = time.Duration(i) * time.Millisecond
	}
	d = append(d, slices.Repeat(spread{never}, 10_000)...)
	points := d.distribution()
	if last := points[len(points)-1]; len(points) > most+10 || last.X != 9.999 || last.Y != 50 {
		t.Errorf("%d points up to %v", len(points), last)
	}
}

// TestProgressLine: the line is updated now and then, and cleared.
func TestProgressLine(t *testing.T) {
	var out bytes.Buffer
	l := newLine(&out, 8)
	l.show(0, 61)
	l.show(1, 62) // too soon
	l.mu.next = time.Time{}
	l.begin = l.begin.Add(-10 * time.Second)
	l.show(2, 3600)
	l.close()
	if got, want := out.String(), "\r\x1b[K0 of 8 seeds, 1m1s simulated\r\x1b[K2 of 8 seeds, 1h0m0s simulated, about 30s left\r\x1b[K"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestLogLines: without a terminal a long run prints a line now and then, at growing intervals, and a short one
// prints none.
func TestLogLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		r := newLogLines(&out, 8)
		for second := range int64(301) {
			r.show(int(second/40), 60*second)
			time.Sleep(time.Second)
		}
		r.close()
		want := "simulate: 0 of 8 seeds, 5m0s simulated\n" +
			"simulate: 0 of 8 seeds, 10m0s simulated\n" +
			"simulate: 0 of 8 seeds, 20m0s simulated\n" +
			"simulate: 1 of 8 seeds, 40m0s simulated, about 4m40s left\n" +
			"simulate: 2 of 8 seeds, 1h20m0s simulated, about 4m0s left\n" +
			"simulate: 3 of 8 seeds, 2h20m0s simulated, about 3m53s left\n" +
			"simulate: 5 of 8 seeds, 3h20m0s simulated, about 2m0s left\n" +
			"simulate: 6 of 8 seeds, 4h20m0s simulated, about 1m27s left\n"
		if got := out.String(); got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
	})
}

// TestWorkers: large clusters do not run side by side.
func TestWorkers(t *testing.T) {
	s, err := parseFlags([]string{"-n", "5000"}, io.Discard)
	if err != nil || s.workers != 1 {
		t.Errorf("%d workers, %v", s.workers, err)
	}
	if s, err = parseFlags([]string{"-n", "5000", "-workers", "3"}, io.Discard); err != nil || s.workers != 3 {
		t.Errorf("%d workers, %v", s.workers, err)
	}
}
