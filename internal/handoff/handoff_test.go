package handoff

import (
	"bytes"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist/internal/walls"
	"github.com/e3431adc/memberlist/internal/wire"
)

func TestWalls(t *testing.T) {
	walls.Walls{
		Imports: []string{"internal/swim", "internal/wire", "iter", "slices", "sync", "sync/atomic", "time"},
		Only:    map[string][]string{"internal/swim": {"Endpoint"}, "internal/wire": {"Type"}},
		Never:   walls.Impure,
		Total:   true,
	}.Check(t, ".")
}

// takeOne takes a batch that must be the only one.
func takeOne(t *testing.T, q *Queue) (b *Batch, messages []Message) {
	t.Helper()
	batches := q.Take(nil)
	if len(batches) != 1 {
		t.Fatalf("%d batches taken, want 1", len(batches))
	}
	return batches[0], slices.Collect(batches[0].Messages())
}

// TestBounds: a queue is bounded by messages and by bytes, but one message always has room; messages that have begun
// make room.
func TestBounds(t *testing.T) {
	for _, tt := range []struct {
		name         string
		depth, limit int
		sizes        []int
		waiting      int
	}{
		{"all", 3, 100, []int{10, 10, 10}, 3},
		{"too many", 3, 100, []int{10, 10, 10, 10, 10}, 3},
		{"too many bytes", 10, 100, []int{40, 40, 40}, 2},
		{"just enough bytes", 10, 100, []int{50, 50, 1}, 2},
		{"empty ones", 10, 100, []int{100, 0, 0}, 3},
		{"too large, but alone", 10, 100, []int{500, 1}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := New(tt.depth, tt.limit)
			var in Batch
			for range 3 { // each time as the first time: messages that have begun have made room
				for _, n := range tt.sizes {
					in.Add(wire.TypeUser, make([]byte, n))
				}
				if refused := q.Offer(&in); refused != len(tt.sizes)-tt.waiting || q.Waiting() != tt.waiting {
					t.Errorf("%d refused, %d wait, want %d to wait", refused, q.Waiting(), tt.waiting)
				}
				if in.Len() != 0 {
					t.Errorf("%d messages are left in the batch", in.Len())
				}
				b, messages := takeOne(t, q)
				if len(messages) != tt.waiting || q.Waiting() != tt.waiting {
					t.Fatalf("%d messages taken, %d wait, want %d", len(messages), q.Waiting(), tt.waiting)
				}
				for i, m := range messages {
					if len(m.Body) != tt.sizes[i] || m.Kind != wire.TypeUser || m.Batch != b {
						t.Errorf("message %d is a %v of %d bytes, want %d", i, m.Kind, len(m.Body), tt.sizes[i])
					}
				}
				q.Began(messages...)
				q.Release(b)
				if q.Waiting() != 0 {
					t.Errorf("%d wait after they have begun", q.Waiting())
				}
			}
		})
	}
}

// TestFullQueue: a full queue refuses whole batches at once, without waiting.
func TestFullQueue(t *testing.T) {
	const depth = 5
	q := New(depth, 100)
	var in Batch
	for i := range 2 * depth {
		in.Add(wire.TypeUser, nil)
		if refused, want := q.Offer(&in), i/depth; refused != want {
			t.Errorf("batch %d: %d refused, want %d", i, refused, want)
		}
	}
	if q.Put() != depth {
		t.Errorf("%d put, want %d", q.Put(), depth)
	}
}

// TestOrder: batches and the messages in them keep their order.
func TestOrder(t *testing.T) {
	q := New(100, 1<<20)
	var in Batch
	var taken []*Batch
	put, got := 0, 0
	for round := range 200 {
		for range 1 + round%5 {
			in.After = uint64(put)
			for range 1 + put%3 {
				in.Add(wire.TypeUser, []byte{byte(put), byte(put >> 8)})
				put++
			}
			if refused := q.Offer(&in); refused != 0 {
				t.Fatalf("%d refused", refused)
			}
		}
		if round%2 == 0 {
			continue
		}
		for taken = q.Take(taken); len(taken) > 0; taken = q.Take(taken) {
			for _, b := range taken {
				if b.After != uint64(got) {
					t.Fatalf("After is %d, want %d", b.After, got)
				}
				messages := slices.Collect(b.Messages())
				for _, m := range messages {
					if want := []byte{byte(got), byte(got >> 8)}; !bytes.Equal(m.Body, want) {
						t.Fatalf("got message %x, want %x", m.Body, want)
					}
					got++
				}
				q.Began(messages...)
				q.Done(len(messages))
				q.Release(b)
			}
		}
	}
	if got < 500 || q.Handled() != uint64(got) || q.Put() != uint64(put) {
		t.Errorf("%d messages taken, %d handled, %d put of %d", got, q.Handled(), q.Put(), put)
	}
}

// TestReady: Ready has a value after a batch was put, and the memory of a burst is not kept.
func TestReady(t *testing.T) {
	q := New(1000, 1000)
	if len(q.Ready()) != 0 || len(q.Take(nil)) != 0 {
		t.Error("an empty queue is ready")
	}
	var in Batch
	var taken []*Batch
	for _, n := range []int{1, keepBatches, 1000} {
		for range n {
			in.Add(wire.TypeUser, nil)
			q.Offer(&in)
		}
		if len(q.Ready()) != 1 {
			t.Error("not ready")
		}
		<-q.Ready()
		if taken = q.Take(taken); len(taken) != n {
			t.Fatalf("%d batches taken, want %d", len(taken), n)
		}
		for _, b := range taken {
			q.Began(slices.Collect(b.Messages())...)
			q.Release(b)
		}
	}
	q.Take(taken)
	if kept := cap(q.mu.batches); kept != 0 {
		t.Errorf("a list of %d batches is kept", kept)
	}
}

// TestReverse: a reversed batch has its messages in the opposite order.
func TestReverse(t *testing.T) {
	var b Batch
	for i := range 3 {
		b.Add(wire.TypeUser, []byte{byte(i)})
	}
	b.Reverse()
	var got []byte
	for m := range b.Messages() {
		got = append(got, m.Body...)
	}
	if want := []byte{2, 1, 0}; !bytes.Equal(got, want) {
		t.Errorf("got %d, want %d", got, want)
	}
}

// TestLargeBatchIsNotKept: the memory of a large packet is not used again.
func TestLargeBatchIsNotKept(t *testing.T) {
	for _, size := range []int{keepBytes, 2 * keepBytes} {
		var b Batch
		b.Add(wire.TypeUser, make([]byte, size))
		b.After = 1
		b.reset()
		if kept := cap(b.bytes) > 0; kept != (size == keepBytes) || b.Len() != 0 || b.After != 0 {
			t.Errorf("after %d bytes: %d are kept, %d messages, After %d", size, cap(b.bytes), b.Len(), b.After)
		}
	}
}

// TestAwait: a wait ends when all messages before it have been handled, or earlier with false.
func TestAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(10, 100)
		if !q.Await(0, nil, nil) {
			t.Error("waited for no message")
		}
		var in Batch
		for range 3 {
			in.Add(wire.TypeUser, nil)
		}
		q.Offer(&in)
		var done sync.WaitGroup
		results := make([]bool, 4)
		stopping := make(chan struct{})
		for n := range results {
			done.Go(func() { results[n] = q.Await(uint64(n), nil, stopping) })
		}
		if q.Await(1, time.After(time.Second), nil) {
			t.Error("message 1 counts as handled")
		}
		q.Done(1)
		q.Done(1)
		synctest.Wait()
		close(stopping)
		done.Wait()
		if want := []bool{true, true, true, false}; !slices.Equal(results, want) {
			t.Errorf("got %v, want %v", results, want)
		}
		if q.waiters.Load() != 0 {
			t.Errorf("%d waiters are left", q.waiters.Load())
		}
	})
}

// TestConcurrentUse: one goroutine offers, one collects and some wait; each message is collected once, in its order.
func TestConcurrentUse(t *testing.T) {
	const messages = 10_000
	q := New(64, 1<<10)
	var done sync.WaitGroup
	done.Go(func() {
		var in Batch
		for n := uint64(0); n < messages; {
			in.Add(wire.TypeUser, []byte{byte(n), byte(n >> 8)})
			if refused := q.Offer(&in); refused == 0 {
				n++
			}
		}
	})
	for n := range uint64(10) {
		done.Go(func() {
			if !q.Await(n*messages/10, nil, nil) {
				t.Error("a wait failed")
			}
		})
	}
	var taken []*Batch
	for got := 0; got < messages; {
		<-q.Ready()
		taken = q.Take(taken)
		for _, b := range taken {
			for m := range b.Messages() {
				if want := []byte{byte(got), byte(got >> 8)}; !bytes.Equal(m.Body, want) {
					t.Fatalf("got %x, want %x", m.Body, want)
				}
				q.Began(m)
				q.Done(1)
				got++
			}
			q.Release(b)
		}
	}
	done.Wait()
	if q.Waiting() != 0 {
		t.Errorf("%d wait", q.Waiting())
	}
}
