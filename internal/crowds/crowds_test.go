//go:build unix

package crowds

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestMain(m *testing.M) {
	if ServeStopper() {
		return
	}
	os.Exit(m.Run())
}

func main(t *testing.T, library Library, args ...string) (status int, out string) {
	t.Helper()
	var buf bytes.Buffer
	status = Main(flag.NewFlagSet("crowd", flag.ContinueOnError), args, func() Library { return library }, &buf, &buf)
	return status, buf.String()
}

// TestCrowd: a few members of this library join, get a quarter of the time, are stopped, and keep to the bounds.
func TestCrowd(t *testing.T) {
	status, out := main(t, Ours{}, "-members", "8", "-rest", "1ms", "-quarter", "250ms", "-stop", "300ms")
	if status != 0 {
		t.Errorf("status %d", status)
	}
	for _, part := range []string{"joined: all know all after", "a quarter", "stopped: all know all after", "0 failures"} {
		if !strings.Contains(out, part) {
			t.Errorf("no %q in:\n%s", part, out)
		}
	}
	if status, out := main(t, Ours{}, "-members", "many"); status != 2 {
		t.Errorf("status %d for a bad flag: %s", status, out)
	}
	if status, out := main(t, &library{err: errors.New("no sockets")}); status != 2 || !strings.Contains(out, "no sockets") {
		t.Errorf("status %d for members that cannot start: %s", status, out)
	}
}

// library makes members that know known members, of which some are suspect, and declare one failure each after a time.
type library struct {
	err            error
	known, suspect int
	fails          time.Duration // 0: never
	wrongFor       int           // the number of runs, of two members, in which they know one less

	running, created atomic.Int64
}

func (*library) Name() string { return "a library" }

func (l *library) Create(_ string, failed func()) (Member, error) {
	if l.err != nil {
		return nil, l.err
	}
	if l.fails > 0 {
		time.AfterFunc(l.fails, failed)
	}
	l.running.Add(1)
	l.created.Add(1)
	return l, nil
}

func (*library) Addr() netip.AddrPort      { return netip.AddrPort{} }
func (*library) Join(netip.AddrPort) error { return nil }

func (l *library) Status() Status {
	if int(l.created.Load()) <= 2*l.wrongFor {
		return Status{Known: l.known - 1}
	}
	return Status{Known: l.known, Suspect: l.suspect}
}

func (l *library) Shutdown() error {
	l.running.Add(-1)
	return nil
}

// TestBounds: a crowd exceeds a bound if members do not know all, or suspect some, when the CPU time is up, or declare failures; not
// because much time passes in which the process gets none.
func TestBounds(t *testing.T) {
	for _, c := range []struct {
		name    string
		library *library
		cores   float64 // that the process gets
		want    string  // in the error; empty: none
	}{
		{name: "all well", library: &library{known: 10}, cores: 2},
		{name: "some are unknown", library: &library{known: 9}, cores: 2, want: "not all know all after 30.0 s"},
		{name: "and the process gets little time", library: &library{known: 9}, cores: 0.1, want: "not all know all after 600.0 s"},
		{name: "suspicions", library: &library{known: 10, suspect: 1}, cores: 2, want: "not all know all"},
		{name: "failures", library: &library{known: 10, fails: time.Second}, cores: 2, want: "10 members failed"},
		{name: "failures after the rest", library: &library{known: 10, fails: 2 * time.Minute}, cores: 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				cpu := func() time.Duration { return time.Duration(c.cores * float64(time.Since(begin))) }
				crowd := crowd{library: c.library, size: 10, joiners: 3, within: 30 * time.Second, rest: time.Minute, out: io.Discard, cpu: cpu}
				err := crowd.run()
				if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, errExceeded) || !strings.Contains(err.Error(), c.want)) {
					t.Errorf("%v, want %q", err, c.want)
				}
				if n := c.library.running.Load(); n != 0 {
					t.Errorf("%d members are left", n)
				}
			})
		})
	}
}

// TestAgain: a crowd that exceeds a bound is run again, as often as asked, until it does not.
func TestAgain(t *testing.T) {
	args := []string{"-members", "2", "-rest", "1ms", "-within", "0"}
	for again, want := range map[string]int{"0": 1, "1": 1, "2": 0, "9": 0} {
		l := &library{known: 2, wrongFor: 2}
		if status, out := main(t, l, append(args, "-again", again)...); status != want {
			t.Errorf("-again %s: status %d, want %d: %s", again, status, want, out)
		}
	}
}

// TestPace: a pace is the same after it was passed to the process that imposes it.
func TestPace(t *testing.T) {
	want := pace{75 * time.Millisecond, 25 * time.Millisecond, time.Minute}
	if got, err := parsePace("75ms 25ms 1m0s"); got != want || err != nil {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
	for _, bad := range []string{"", "1s 1s", "1s 1s 1s 1s", "1s 1s x"} {
		if _, err := parsePace(bad); err == nil {
			t.Errorf("no error for %q", bad)
		}
	}
}
