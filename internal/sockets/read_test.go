package sockets

import (
	"bytes"
	"context"
	"errors"
	"log"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist/internal/logging"
)

// failing stands in for a listener and a socket: each call takes the next of its results and notes the time.
type failing struct {
	results []error // nil: success
	after   error   // what comes after them
	calls   []time.Time
}

func (f *failing) next() error {
	f.calls = append(f.calls, time.Now())
	if len(f.results) == 0 {
		return f.after
	}
	err := f.results[0]
	f.results = f.results[1:]
	return err
}

func (f *failing) Accept() (net.Conn, error) {
	if err := f.next(); err != nil {
		return nil, err
	}
	return nil, nil
}

func (f *failing) read(b []byte) (int, netip.AddrPort, time.Time, error) {
	if err := f.next(); err != nil {
		return 0, netip.AddrPort{}, time.Time{}, err
	}
	return copy(b, "x"), netip.MustParseAddrPort("10.0.0.1:80"), time.Now(), nil
}

// pauses are the times between the calls.
func (f *failing) pauses() (pauses []time.Duration) {
	for i := 1; i < len(f.calls); i++ {
		pauses = append(pauses, f.calls[i].Sub(f.calls[i-1]))
	}
	return pauses
}

// newBare returns Sockets without sockets, and what they log.
func newBare() (*Sockets, *bytes.Buffer) {
	var out bytes.Buffer
	s := &Sockets{log: logging.New(log.New(&out, "", 0))}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, &out
}

// loops read a failing listener or socket, and count what they hand over.
var loops = map[string]func(s *Sockets, f *failing, handed *int){
	"accept": func(s *Sockets, f *failing, handed *int) {
		s.acceptLoop(f, func(net.Conn) bool { *handed++; return true })
	},
	"read": func(s *Sockets, f *failing, handed *int) {
		s.readLoop(f, func(*Packet) bool { *handed++; return true })
	},
}

func TestBackoff(t *testing.T) {
	for name, loop := range loops {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				broken := errors.New("too many open files")
				f := &failing{after: net.ErrClosed}
				f.results = append(slices.Repeat([]error{broken}, 10), nil, broken, broken)
				s, out := newBare()
				handed := 0
				loop(s, f, &handed) // ends with net.ErrClosed
				ms := time.Millisecond
				want := []time.Duration{
					5 * ms, 10 * ms, 20 * ms, 40 * ms, 80 * ms, 160 * ms, 320 * ms, 640 * ms, 1000 * ms, 1000 * ms,
					0, 5 * ms, 10 * ms,
				}
				if got := f.pauses(); !slices.Equal(got, want) {
					t.Errorf("got pauses %v\nwant %v", got, want)
				}
				if n := strings.Count(out.String(), "\n"); n != 1 {
					t.Errorf("%d lines within ten seconds, want one:\n%s", n, out)
				}
				if handed != 1 {
					t.Error("what succeeded in between was not handed on")
				}
			})
		})
	}
}

func TestCloseEndsBackoff(t *testing.T) {
	for name, loop := range loops {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, _ := newBare()
				f := &failing{after: errors.New("broken")}
				start := time.Now()
				s.readers.Go(func() { loop(s, f, new(int)) })
				time.Sleep(10*time.Second + time.Millisecond) // in the middle of a pause
				s.Close()
				if got, want := time.Since(start), 10*time.Second+time.Millisecond; got != want {
					t.Errorf("ended after %v, want %v", got, want)
				}
			})
		})
	}
}
