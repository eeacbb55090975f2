//go:build unix

package statuspage

import (
	"bytes"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/internal/race"
)

// TestManyMembers renders 5,000 members in less than 300 ms.
func TestManyMembers(t *testing.T) {
	many := 5000
	if race.Enabled {
		many = 300 // only for races
	}
	synctest.Test(t, func(t *testing.T) {
		network := new(memberlist.MockNetwork)
		a := startMember(t, network, "a", "")
		h := Handler(a, Options{AllowForget: true})
		fill(t, network, a, many)
		var body *bytes.Buffer
		best := time.Duration(1 << 62)
		for range 5 {
			w := httptest.NewRecorder()
			best = min(best, stopwatch(func() { h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil)) }))
			body = w.Body
		}
		if n := strings.Count(body.String(), `<tr role="row" class="`); n != many+1 {
			t.Errorf("%d members are shown, want %d", n, many+1)
		}
		t.Logf("%d members: %v, %d bytes", many, best, body.Len())
		if best > 300*time.Millisecond && !race.Enabled {
			t.Errorf("rendered in %v", best)
		}
	})
}

// stopwatch returns the CPU time that f takes. The clock of a test in a bubble stands still.
func stopwatch(f func()) time.Duration {
	before := cpuTime()
	f()
	return cpuTime() - before
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
