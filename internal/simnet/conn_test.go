package simnet

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestDial(t *testing.T) {
	bubble("at once", t, func(t *testing.T) {
		_, e := hosts(t, 2)
		start := time.Now()
		near, far := connect(t, e[0], e[1])
		took(t, start, 0)
		if got, want := near.RemoteAddr().(*net.TCPAddr).AddrPort(), addr(2); got != want {
			t.Errorf("dialled: got %v, want %v", got, want)
		}
		if got, want := far.LocalAddr().String(), addr(2).String(); got != want {
			t.Errorf("accepted: got %v, want %v", got, want)
		}
		if got, want := far.RemoteAddr().String(), near.LocalAddr().String(); got != want {
			t.Errorf("from: got %v, want %v", got, want)
		}
		from := near.LocalAddr().(*net.TCPAddr).AddrPort()
		if from.Addr() != addr(1).Addr() || from.Port() < firstEphemeral {
			t.Errorf("from: got %v", from)
		}
		_, err := e[0].Dial(t.Context(), addr(9))
		wantError(t, "nobody there", err, ErrRefused)
		var op *net.OpError
		if !errors.As(err, &op) || op.Op != "dial" || op.Net != "tcp" {
			t.Errorf("got %#v", err)
		}
	})
	bubble("a round trip", t, func(t *testing.T) {
		n, e := hosts(t, 2)
		n.SetLink(addr(1), addr(2), Link{Latency: 3 * time.Second})
		n.SetLink(addr(2), addr(1), Link{Latency: time.Second})
		start := time.Now()
		connect(t, e[0], e[1])
		took(t, start, 4*time.Second)

		ctx := within(t, 2*time.Second)
		_, err := e[0].Dial(ctx, addr(2))
		wantError(t, "on the way there", err, context.DeadlineExceeded)
		took(t, start, 6*time.Second)

		ctx = within(t, 3500*time.Millisecond)
		_, err = e[0].Dial(ctx, addr(2))
		wantError(t, "on the way back", err, context.DeadlineExceeded)
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("%v is no timeout", err)
		}
		far := <-e[1].Streams()
		if _, err := far.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("accepted what was given up: got %v, want EOF", err)
		}
	})
	bubble("link down", t, func(t *testing.T) {
		n, e := hosts(t, 2)
		n.SetLink(addr(2), addr(1), Link{StreamsDown: true})
		ctx, start := within(t, 7*time.Second), time.Now()
		_, err := e[0].Dial(ctx, addr(2))
		wantError(t, "dial", err, context.DeadlineExceeded)
		took(t, start, 7*time.Second)
		_, err = e[0].Dial(ctx, addr(2))
		wantError(t, "too late already", err, context.DeadlineExceeded)

		time.AfterFunc(time.Second, func() { n.SetDefault(Link{}) }) // changes nothing
		time.AfterFunc(2*time.Second, func() { n.ClearLinks() })
		start = time.Now()
		if _, err := e[0].Dial(t.Context(), addr(2)); err != nil {
			t.Error(err)
		}
		took(t, start, 2*time.Second)
	})
	bubble("closed meanwhile", t, func(t *testing.T) {
		n, e := hosts(t, 2)
		for _, link := range []Link{{Latency: time.Hour}, {StreamsDown: true}} {
			n.SetDefault(link)
			from := listen(t, n, addr(3))
			time.AfterFunc(time.Second, func() { from.Close() })
			start := time.Now()
			_, err := from.Dial(t.Context(), e[1].Addr())
			wantError(t, "dial", err, net.ErrClosed)
			took(t, start, time.Second)
		}
	})
	bubble("backlog full", t, func(t *testing.T) {
		_, e := hosts(t, 3)
		for range backlog {
			if _, err := e[0].Dial(t.Context(), addr(2)); err != nil {
				t.Fatal(err)
			}
		}
		start := time.Now()
		_, err := e[0].Dial(within(t, time.Second), addr(2))
		wantError(t, "dial", err, context.DeadlineExceeded)
		took(t, start, time.Second)

		time.AfterFunc(time.Second, func() { <-e[1].Streams() })
		if _, err := e[0].Dial(t.Context(), addr(2)); err != nil {
			t.Error(err)
		}
		took(t, start, 2*time.Second)

		time.AfterFunc(time.Second, func() { e[0].Close() })
		_, err = e[0].Dial(t.Context(), addr(2))
		wantError(t, "who dials is closed", err, net.ErrClosed)
		took(t, start, 3*time.Second)

		for len(e[1].Streams()) < backlog {
			if _, err := e[2].Dial(t.Context(), addr(2)); err != nil {
				t.Fatal(err)
			}
		}
		time.AfterFunc(time.Second, func() { e[1].Close() })
		_, err = e[2].Dial(t.Context(), addr(2))
		wantError(t, "who accepts is closed", err, ErrRefused)
		took(t, start, 4*time.Second)
	})
}

func TestStream(t *testing.T) {
	bubble("both ways", t, func(t *testing.T) {
		_, e := hosts(t, 2)
		near, far := connect(t, e[0], e[1])
		write(t, near, "hello")
		write(t, far, "and back")
		write(t, near, " world")
		readFull(t, far, "hello world")
		readFull(t, near, "and back")
	})
	bubble("latency", t, func(t *testing.T) {
		n, e := hosts(t, 2)
		near, far := connect(t, e[0], e[1])
		n.SetDefault(Link{Latency: time.Second})
		start := time.Now()
		write(t, near, "a")
		time.Sleep(100 * time.Millisecond)
		write(t, near, "b")
		near.Close()
		took(t, start, 100*time.Millisecond)
		readFull(t, far, "a")
		took(t, start, time.Second)
		readFull(t, far, "b")
		if _, err := far.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("got %v, want EOF", err)
		}
		took(t, start, 1100*time.Millisecond)
	})
	bubble("jitter keeps the order", t, func(t *testing.T) {
		n, e := hosts(t, 2)
		near, far := connect(t, e[0], e[1])
		n.SetDefault(Link{Jitter: time.Second})
		want := ""
		for c := 'a'; c <= 'z'; c++ {
			write(t, near, string(c))
			want += string(c)
		}
		n.SetDefault(Link{}) // later packets must not overtake
		write(t, near, "!")
		readFull(t, far, want+"!")
	})
	bubble("stalls and goes on", t, func(t *testing.T) {
		n, e := hosts(t, 2)
		near, far := connect(t, e[0], e[1])
		for _, fault := range []struct {
			name      string
			cut, mend func()
		}{
			{"link", func() { n.SetDefault(Link{StreamsDown: true}) }, func() { n.SetDefault(Link{}) }},
			{"host down", func() { n.Down(addr(1)) }, func() { n.Up(addr(1)) }},
			{"host paused", func() { n.Pause(addr(2)) }, func() { n.Resume(addr(2)) }},
		} {
			fault.cut()
			write(t, near, "a")
			n.SetLink(addr(3), addr(4), Link{}) // no help
			write(t, near, "b")
			far.SetReadDeadline(time.Now().Add(time.Second))
			_, err := far.Read(make([]byte, 1))
			wantError(t, fault.name, err, os.ErrDeadlineExceeded)
			fault.mend()
			far.SetReadDeadline(time.Time{})
			readFull(t, far, "ab")
		}
	})
	bubble("a host that goes down in mid-flight", t, func(t *testing.T) {
		n, e := hosts(t, 2)
		near, far := connect(t, e[0], e[1])
		n.SetDefault(Link{Latency: time.Second})
		start := time.Now()
		write(t, near, "a")
		n.Down(addr(2))
		time.AfterFunc(time.Minute, func() { n.Up(addr(2)) })
		readFull(t, far, "a")
		took(t, start, time.Minute)
	})
	bubble("the window", t, func(t *testing.T) {
		_, e := hosts(t, 2)
		near, far := connect(t, e[0], e[1])
		near.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := near.Write(make([]byte, window+10))
		wantError(t, "write", err, os.ErrDeadlineExceeded)
		if n != window {
			t.Errorf("wrote %d, want %d", n, window)
		}
		near.SetWriteDeadline(time.Time{})
		start := time.Now()
		time.AfterFunc(time.Second, func() { far.Read(make([]byte, 10)) })
		write(t, near, "0123456789")
		took(t, start, time.Second)
	})
	bubble("much data", t, func(t *testing.T) {
		n, e := hosts(t, 2)
		n.SetDefault(Link{Latency: time.Millisecond})
		near, far := connect(t, e[0], e[1])
		r := rand.New(rand.NewPCG(1, 2))
		want := make([]byte, 3*window+17)
		for i := range want {
			want[i] = byte(r.Uint32())
		}
		go func() {
			for rest := want; len(rest) > 0; {
				k := min(len(rest), 1+r.IntN(100_000))
				near.Write(rest[:k])
				rest = rest[k:]
			}
			near.Close()
		}()
		got, err := io.ReadAll(far)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("got %d bytes, %v, want %d", len(got), err, len(want))
		}
	})
	bubble("concurrent writes do not mix", t, func(t *testing.T) {
		_, e := hosts(t, 2)
		near, far := connect(t, e[0], e[1])
		var writers sync.WaitGroup
		const size = window // so that each but the first has to wait for room
		for c := range byte(3) {
			writers.Go(func() { near.Write(bytes.Repeat([]byte{c}, size)) })
		}
		for range 3 {
			b := make([]byte, size)
			if _, err := io.ReadFull(far, b); err != nil {
				t.Fatal(err)
			}
			if i := bytes.IndexFunc(b, func(r rune) bool { return byte(r) != b[0] }); i >= 0 {
				t.Fatalf("byte %d is another writer's", i)
			}
		}
		writers.Wait()
	})
}

func TestCloseConn(t *testing.T) {
	bubble("the other side", t, func(t *testing.T) {
		_, e := hosts(t, 2)
		near, far := connect(t, e[0], e[1])
		write(t, near, "last words")
		near.Close()
		_, err := far.Write([]byte("x"))
		wantError(t, "write", err, ErrBroken)
		readFull(t, far, "last words")
		for range 2 {
			if _, err := far.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("read: got %v, want EOF", err)
			}
		}
	})
	bubble("this side", t, func(t *testing.T) {
		_, e := hosts(t, 2)
		near, far := connect(t, e[0], e[1])
		write(t, far, "unread")
		if err := near.Close(); err != nil {
			t.Error(err)
		}
		_, err := near.Read(make([]byte, 1))
		wantError(t, "read", err, net.ErrClosed)
		_, err = near.Write([]byte("x"))
		wantError(t, "write", err, net.ErrClosed)
		wantError(t, "close", near.Close(), net.ErrClosed)
		wantError(t, "deadline", near.SetDeadline(time.Now()), net.ErrClosed)
		wantError(t, "write deadline", near.SetWriteDeadline(time.Now()), net.ErrClosed)
	})
	bubble("those who wait", t, func(t *testing.T) {
		_, e := hosts(t, 2)
		near, far := connect(t, e[0], e[1])
		var waiting sync.WaitGroup
		for range 2 {
			waiting.Go(func() {
				_, err := near.Read(make([]byte, 1))
				wantError(t, "read", err, net.ErrClosed)
			})
			waiting.Go(func() {
				_, err := near.Write(make([]byte, 2*window))
				wantError(t, "write", err, net.ErrClosed)
			})
		}
		synctest.Wait()
		near.Close()
		waiting.Wait()
		far.Close()
	})
	bubble("a write that nobody will read", t, func(t *testing.T) {
		n, e := hosts(t, 2)
		near, far := connect(t, e[0], e[1])
		n.SetDefault(Link{Latency: time.Second})
		far.Close()
		start := time.Now()
		write(t, near, "into the void")
		_, err := near.Write(make([]byte, 2*window))
		wantError(t, "write", err, ErrBroken)
		took(t, start, time.Second)
	})
}

func TestDeadlines(t *testing.T) {
	past := time.Unix(1, 0)
	bubble("in the past", t, func(t *testing.T) {
		_, e := hosts(t, 2)
		near, far := connect(t, e[0], e[1])
		write(t, far, "there")
		near.SetDeadline(past)
		for range 2 {
			_, err := near.Read(make([]byte, 1))
			wantError(t, "read", err, os.ErrDeadlineExceeded)
			_, err = near.Write([]byte("x"))
			wantError(t, "write", err, os.ErrDeadlineExceeded)
			var timeout net.Error
			if !errors.As(err, &timeout) || !timeout.Timeout() {
				t.Errorf("%v is no timeout", err)
			}
		}
		near.SetDeadline(time.Time{})
		readFull(t, near, "there")
		write(t, near, "again")
	})
	bubble("in the future", t, func(t *testing.T) {
		_, e := hosts(t, 2)
		near, _ := connect(t, e[0], e[1])
		start := time.Now()
		near.SetReadDeadline(start.Add(time.Second))
		_, err := near.Read(make([]byte, 1))
		wantError(t, "read", err, os.ErrDeadlineExceeded)
		took(t, start, time.Second)
		write(t, near, "the write deadline is another")
	})
	bubble("moved while somebody waits", t, func(t *testing.T) {
		_, e := hosts(t, 2)
		near, _ := connect(t, e[0], e[1])
		start := time.Now()
		near.SetReadDeadline(start.Add(time.Hour))
		time.AfterFunc(time.Second, func() { near.SetReadDeadline(start.Add(time.Minute)) })
		_, err := near.Read(make([]byte, 1))
		wantError(t, "earlier", err, os.ErrDeadlineExceeded)
		took(t, start, time.Minute)

		near.SetReadDeadline(time.Now().Add(time.Second))
		time.AfterFunc(500*time.Millisecond, func() { near.SetReadDeadline(time.Time{}) })
		time.AfterFunc(time.Hour, func() { near.SetReadDeadline(past) })
		start = time.Now()
		_, err = near.Read(make([]byte, 1))
		wantError(t, "none, then past", err, os.ErrDeadlineExceeded)
		took(t, start, time.Hour)
	})
	bubble("nothing to do", t, func(t *testing.T) {
		_, e := hosts(t, 2)
		near, _ := connect(t, e[0], e[1])
		if n, err := near.Read(nil); n != 0 || err != nil {
			t.Errorf("read: got %d, %v", n, err)
		}
		if n, err := near.Write(nil); n != 0 || err != nil {
			t.Errorf("write: got %d, %v", n, err)
		}
	})
}

// Readers, writers, deadlines and Close at once: for the race detector, in real time.
func TestConcurrentUse(t *testing.T) {
	n, e := hosts(t, 2)
	n.SetDefault(Link{Jitter: 10 * time.Microsecond})
	near, far := connect(t, e[0], e[1])
	var users sync.WaitGroup
	for _, c := range []net.Conn{near, far} {
		for range 3 {
			users.Go(func() { io.Copy(io.Discard, c) })
			users.Go(func() {
				for range 100 {
					c.Write(make([]byte, 1000))
				}
			})
			users.Go(func() {
				for range 100 {
					c.SetDeadline(time.Now().Add(time.Hour))
					c.LocalAddr()
					c.RemoteAddr()
				}
			})
		}
	}
	users.Go(func() {
		for range 100 {
			n.Down(addr(1))
			n.Up(addr(1))
			n.Stats()
		}
		near.Close()
		far.Close()
	})
	users.Wait()
}

// TestDialPaused: the kernel of a paused process completes as many dials as it has room for. What is written arrives once it goes on.
func TestDialPaused(t *testing.T) {
	bubble("the backlog", t, func(t *testing.T) {
		n, e := hosts(t, 2)
		n.Pause(addr(2))
		for range backlog {
			near, err := e[0].Dial(t.Context(), e[1].Addr())
			if err != nil {
				t.Fatal(err)
			}
			write(t, near, "a")
		}
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		_, err := e[0].Dial(ctx, e[1].Addr())
		wantError(t, "one more", err, context.DeadlineExceeded)
		start := time.Now()
		time.AfterFunc(time.Second, func() { n.Resume(addr(2)) })
		for range backlog {
			far := <-e[1].Streams()
			readFull(t, far, "a")
		}
		took(t, start, time.Second)
		connect(t, e[0], e[1])
	})
	bubble("one more waits", t, func(t *testing.T) {
		n, e := hosts(t, 2)
		n.Pause(addr(2))
		start := time.Now()
		time.AfterFunc(time.Second, func() { n.Resume(addr(2)) })
		for range backlog {
			if _, err := e[0].Dial(t.Context(), e[1].Addr()); err != nil {
				t.Fatal(err)
			}
		}
		took(t, start, 0)
		var accepted sync.WaitGroup
		accepted.Go(func() {
			for range backlog + 1 {
				<-e[1].Streams()
			}
		})
		if _, err := e[0].Dial(t.Context(), e[1].Addr()); err != nil {
			t.Fatal(err)
		}
		took(t, start, time.Second)
		accepted.Wait()
	})
	bubble("a paused process does not dial", t, func(t *testing.T) {
		n, e := hosts(t, 2)
		n.Pause(addr(1))
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		_, err := e[0].Dial(ctx, e[1].Addr())
		wantError(t, "dial", err, context.DeadlineExceeded)
	})
	bubble("it ends", t, func(t *testing.T) {
		n, e := hosts(t, 2)
		n.Pause(addr(2))
		near, err := e[0].Dial(t.Context(), e[1].Addr())
		if err != nil {
			t.Fatal(err)
		}
		e[1].Close()
		n.Resume(addr(2))
		_, err = near.Read(make([]byte, 1))
		wantError(t, "read", err, io.EOF)
		_, err = e[0].Dial(t.Context(), addr(2))
		wantError(t, "dial", err, ErrRefused)
	})
}
