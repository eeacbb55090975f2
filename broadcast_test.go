package memberlist

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/e3431adc/memberlist/internal/race"
)

// plainBroadcast is a Broadcast that invalidates those with the same key, and counts its Finished calls.
type plainBroadcast struct {
	key      string
	message  string
	finished atomic.Int32
	then     func() // called by Finished
}

func (b *plainBroadcast) Invalidates(other Broadcast) bool {
	o, ok := other.(*plainBroadcast)
	return ok && o.key == b.key
}

func (b *plainBroadcast) Message() []byte { return []byte(b.message) }

func (b *plainBroadcast) Finished() {
	b.finished.Add(1)
	if b.then != nil {
		b.then()
	}
}

// jealous is embedded in the broadcasts with a name or that are unique: its Invalidates, which must not be called for them, invalidates
// everything.
type jealous struct {
	t *testing.T
	*plainBroadcast
}

func (b jealous) Invalidates(Broadcast) bool {
	b.t.Error("asked whether it invalidates another")
	return true
}

type namedBroadcast struct{ jealous }

func (b namedBroadcast) Name() string { return b.key }

type uniqueBroadcast struct{ jealous }

func (uniqueBroadcast) UniqueBroadcast() {}

// unnamedBroadcast has a Name method that returns no name.
type unnamedBroadcast struct{ *plainBroadcast }

func (unnamedBroadcast) Name() string { return "" }

// testQueue returns a queue that sends each broadcast the given number of times.
func testQueue(transmits int) *TransmitLimitedQueue {
	return &TransmitLimitedQueue{NumNodes: func() int { return 9 }, RetransmitMult: transmits}
}

// drained returns all that a queue sends in one call.
func drained(q *TransmitLimitedQueue) string {
	q.RetransmitMult = 0
	return joined(q.GetBroadcasts(0, 1<<20))
}

func joined(messages [][]byte) string {
	var all []string
	for _, m := range messages {
		all = append(all, string(m))
	}
	return strings.Join(all, " ")
}

func TestTransmitLimitedQueueNeverUsed(t *testing.T) {
	var q TransmitLimitedQueue
	q.Prune(0)
	q.Prune(10)
	q.Reset()
	if got := q.NumQueued(); got != 0 {
		t.Errorf("NumQueued: got %d", got)
	}
	if got := q.GetBroadcasts(0, 100); got != nil {
		t.Errorf("GetBroadcasts: got %q", got)
	}
	b := &plainBroadcast{message: "once"}
	q.QueueBroadcast(b)
	if got := joined(q.GetBroadcasts(0, 100)); got != "once" {
		t.Errorf("GetBroadcasts: got %q", got)
	}
	if got := b.finished.Load(); got != 1 || q.NumQueued() != 0 {
		t.Errorf("finished %d times, %d queued", got, q.NumQueued())
	}
}

func TestTransmitLimitedQueueReplaces(t *testing.T) {
	type kind struct {
		name string
		make func(b *plainBroadcast) Broadcast
	}
	plain := kind{"plain", func(b *plainBroadcast) Broadcast { return b }}
	named := kind{"named", func(b *plainBroadcast) Broadcast { return namedBroadcast{jealous{t, b}} }}
	unique := kind{"unique", func(b *plainBroadcast) Broadcast { return uniqueBroadcast{jealous{t, b}} }}
	unnamed := kind{"unnamed", func(b *plainBroadcast) Broadcast { return unnamedBroadcast{b} }}

	tests := []struct {
		first, second kind
		key           string // of the second; the first's is "x"
		replaced      bool
	}{
		{named, named, "x", true},
		{named, named, "y", false},
		{unique, unique, "x", false},
		{plain, plain, "x", true},
		{plain, plain, "y", false},
		{plain, named, "x", false},
		{plain, unique, "x", false},
		{named, plain, "x", false},
		{named, unique, "x", false},
		{unique, plain, "x", false},
		{unique, named, "x", false},
		{plain, unnamed, "x", true},
		{unnamed, plain, "x", false},
		{unnamed, unnamed, "x", false},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s then %s %s", tt.first.name, tt.second.name, tt.key), func(t *testing.T) {
			q := testQueue(3)
			first, second := &plainBroadcast{key: "x", message: "first"}, &plainBroadcast{key: tt.key, message: "second"}
			q.QueueBroadcast(tt.first.make(first))
			q.QueueBroadcast(tt.second.make(second))
			want := "second first"
			if tt.replaced {
				want = "second"
			}
			if got := first.finished.Load() == 1; got != tt.replaced {
				t.Errorf("replaced: got %v, want %v", got, tt.replaced)
			}
			if got := second.finished.Load(); got != 0 {
				t.Errorf("the second was finished %d times", got)
			}
			if got := drained(q); got != want {
				t.Errorf("queued: got %q, want %q", got, want)
			}
		})
	}
}

func TestTransmitLimitedQueueOrder(t *testing.T) {
	q := testQueue(3)
	for _, m := range []string{"aa1", "b1", "cccc1", "aa2", "aa3"} {
		q.QueueBroadcast(&plainBroadcast{key: m, message: m})
	}
	steps := []struct {
		overhead, limit int
		want            string
	}{
		{2, 3, ""},
		{2, 20, "cccc1 aa3 aa2"},             // 7 + 5 + 5, which leaves 3, too few
		{2, 20, "aa1 b1 cccc1"},              // unsent ones first, and together they fill it: 5 + 4 + 7
		{0, 1 << 20, "aa3 aa2 aa1 b1 cccc1"}, // the last one was sent twice
		{0, 1 << 20, "aa3 aa2 aa1 b1"},       // the last one had been sent three times
		{0, 1 << 20, ""},
	}
	for i, s := range steps {
		got := q.GetBroadcasts(s.overhead, s.limit)
		if joined(got) != s.want {
			t.Errorf("step %d: got %q, want %q", i, joined(got), s.want)
		}
		if s.want == "" && got != nil {
			t.Errorf("step %d: got an empty slice, want nil", i)
		}
	}
}

func TestTransmitLimit(t *testing.T) {
	for _, tt := range []struct{ mult, nodes, want int }{
		{4, 1, 4}, {4, 9, 4}, {4, 10, 8}, {4, 99, 8}, {4, 100, 12}, {0, 100, 1}, {4, 0, 1},
	} {
		q := &TransmitLimitedQueue{NumNodes: func() int { return tt.nodes }, RetransmitMult: tt.mult}
		b := &plainBroadcast{message: "x"}
		q.QueueBroadcast(b)
		sent := 0
		for q.NumQueued() > 0 && sent < 100 {
			sent += len(q.GetBroadcasts(0, 10))
		}
		if sent != tt.want || b.finished.Load() != 1 {
			t.Errorf("%d times log of %d: sent %d times, want %d; finished %d times",
				tt.mult, tt.nodes, sent, tt.want, b.finished.Load())
		}
	}
}

func TestTransmitLimitedQueuePruneAndReset(t *testing.T) {
	q := testQueue(3)
	var all []*plainBroadcast
	for i := range 5 {
		b := &plainBroadcast{key: fmt.Sprint(i), message: fmt.Sprint(i)}
		all = append(all, b)
		q.QueueBroadcast(b)
	}
	finished := func() (counts []int32) {
		for _, b := range all {
			counts = append(counts, b.finished.Load())
		}
		return counts
	}
	q.GetBroadcasts(0, 2) // 4 and 3: they go first
	q.Prune(5)
	q.Prune(2)
	if got, want := finished(), []int32{1, 0, 0, 1, 1}; !slices.Equal(got, want) {
		t.Errorf("pruned: finished %d, want %d", got, want)
	}
	q.Reset()
	if got, want := finished(), []int32{1, 1, 1, 1, 1}; !slices.Equal(got, want) || q.NumQueued() != 0 {
		t.Errorf("reset: finished %d, want %d; %d are left", got, want, q.NumQueued())
	}
}

// TestTransmitLimitedQueueBounds: the broadcasts above a bound are dropped in the order of Prune, finished and
// counted; the new one stays.
func TestTransmitLimitedQueueBounds(t *testing.T) {
	for _, tt := range []struct {
		name               string
		maxItems, maxBytes int
		messages           string
		want               string // the remaining ones, in the order in which they are sent
		dropped            uint64
	}{
		{"no bounds", 0, 0, "aaaa bb c", "aaaa bb c", 0},
		{"within the bounds", 3, 7, "aaaa bb c", "aaaa bb c", 0},
		{"items", 2, 0, "aaaa bb ccc", "aaaa ccc", 1},
		{"the new one is the smallest", 2, 0, "aaaa bb c", "aaaa c", 1},
		{"one item", 1, 0, "a b c", "c", 2},
		{"bytes", 0, 6, "aaaa bb c", "aaaa c", 1},
		{"bytes of several", 0, 6, "a b c d e ffff", "ffff e d", 3},
		{"too large alone", 0, 3, "a bbbb c", "c a", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := testQueue(1)
			q.MaxItems, q.MaxBytes = tt.maxItems, tt.maxBytes
			finished := 0
			for i, text := range strings.Fields(tt.messages) {
				q.QueueBroadcast(&plainBroadcast{key: fmt.Sprint(i), message: text, then: func() { finished++ }})
			}
			if got := q.NumDropped(); got != tt.dropped || finished != int(tt.dropped) {
				t.Errorf("%d dropped, %d finished, want %d", got, finished, tt.dropped)
			}
			if got := drained(q); got != tt.want {
				t.Errorf("left are %s, want %s", got, tt.want)
			}
		})
	}
}

// sizedBroadcast records the call for a broadcast that is too large.
type sizedBroadcast struct {
	*plainBroadcast
	limit int
}

func (b *sizedBroadcast) TooLarge(limit int) {
	if b.finished.Load() != 0 {
		limit = -1 // too late
	}
	b.limit = limit
}

// TestTransmitLimitedQueueTooLarge: a broadcast that never fits is dropped and its owner told, at once if it exceeds
// MaxBytes, else after enough limits; one that fits sometimes stays.
func TestTransmitLimitedQueueTooLarge(t *testing.T) {
	q := testQueue(1 << 20)
	large := &sizedBroadcast{plainBroadcast: &plainBroadcast{key: "large", message: strings.Repeat("x", 101)}}
	fits := &sizedBroadcast{plainBroadcast: &plainBroadcast{key: "fits", message: strings.Repeat("x", 100)}}
	q.QueueBroadcast(large)
	q.QueueBroadcast(fits)
	for i := range 2 * callsToTell {
		if i == callsToTell/2 {
			q.GetBroadcasts(3, 103) // the only time with so much room
		}
		if told := large.limit != 0; told != (i >= callsToTell-1) {
			t.Fatalf("told after %d calls: %v", i, told)
		}
		q.GetBroadcasts(3, 50)
	}
	if large.limit != 100 || large.finished.Load() != 1 || q.NumDropped() != 1 {
		t.Errorf("told that the limit is %d, finished %d times, %d dropped, want 100, 1, 1",
			large.limit, large.finished.Load(), q.NumDropped())
	}
	if fits.limit != 0 || q.NumQueued() != 1 {
		t.Errorf("TooLarge(%d) was called for one that fits; %d are queued", fits.limit, q.NumQueued())
	}
	again := &sizedBroadcast{plainBroadcast: &plainBroadcast{key: "again", message: strings.Repeat("x", 101)}}
	q.QueueBroadcast(again)
	q.GetBroadcasts(3, 50)
	if again.limit != 100 {
		t.Errorf("TooLarge(%d) was called for a later one, want 100", again.limit)
	}

	q = testQueue(1)
	q.MaxBytes = 100
	large.limit = 0
	large.finished.Store(0)
	q.QueueBroadcast(large)
	if large.limit != 100 || large.finished.Load() != 1 || q.NumQueued() != 0 {
		t.Errorf("with MaxBytes: told %d, finished %d times, %d are queued", large.limit, large.finished.Load(), q.NumQueued())
	}
}

// TestTransmitLimitedQueueCallbacks: all callbacks may call the queue.
func TestTransmitLimitedQueueCallbacks(t *testing.T) {
	q := testQueue(1)
	q.NumNodes = func() int { return q.NumQueued() }
	calls := 0
	use := func() {
		calls++
		q.QueueBroadcast(namedBroadcast{jealous{t, &plainBroadcast{key: "again", message: "again"}}})
		q.NumQueued()
	}
	add := func() { q.QueueBroadcast(&plainBroadcast{key: "x", message: "x", then: use}) }
	for _, end := range []func(){add, func() { q.GetBroadcasts(0, 100) }, func() { q.Prune(0) }, q.Reset} {
		q.Reset()
		add()
		calls = 0
		end()
		if calls != 1 {
			t.Errorf("called %d times", calls)
		}
	}

	q.Reset()
	add()
	q.QueueBroadcast(nosy{&plainBroadcast{message: "nosy"}, q})
	if got := q.NumQueued(); got != 3 { // a nosy one, and those that x and it have queued
		t.Errorf("queued: got %d", got)
	}
}

// nosy calls the queue in Invalidates.
type nosy struct {
	*plainBroadcast
	q *TransmitLimitedQueue
}

func (b nosy) Invalidates(other Broadcast) bool {
	b.q.QueueBroadcast(uniqueBroadcast{jealous{nil, &plainBroadcast{message: "unique"}}})
	return true
}

func TestTransmitLimitedQueueConcurrent(t *testing.T) {
	q := testQueue(2)
	var users sync.WaitGroup
	var all [8][]*plainBroadcast
	for i := range all {
		users.Go(func() {
			for j := range 100 {
				b := &plainBroadcast{key: fmt.Sprint(j % 7), message: fmt.Sprintf("%d from %d", j, i)}
				all[i] = append(all[i], b)
				switch j % 3 {
				case 0:
					q.QueueBroadcast(b)
				case 1:
					q.QueueBroadcast(namedBroadcast{jealous{t, b}})
				case 2:
					q.QueueBroadcast(uniqueBroadcast{jealous{t, b}})
				}
				q.GetBroadcasts(2, 100)
				q.Prune(40)
				q.NumQueued()
			}
		})
	}
	users.Wait()
	q.Reset()
	for i := range all {
		for j, b := range all[i] {
			if got := b.finished.Load(); got != 1 {
				t.Errorf("broadcast %d of %d: finished %d times", j, i, got)
			}
		}
	}
}

// TestTransmitLimitedQueueConcurrentInvalidation: a broadcast invalidates all earlier ones, even if many are queued
// at once.
func TestTransmitLimitedQueueConcurrentInvalidation(t *testing.T) {
	for range 50 {
		q := testQueue(3)
		var finished atomic.Int32
		var users sync.WaitGroup
		for range 8 {
			users.Go(func() {
				q.QueueBroadcast(&plainBroadcast{key: "x", then: func() { finished.Add(1) }})
			})
		}
		users.Wait()
		if q.NumQueued() != 1 || finished.Load() != 7 {
			t.Fatalf("%d are left, %d finished", q.NumQueued(), finished.Load())
		}
	}
}

func BenchmarkTransmitLimitedQueue(b *testing.B) {
	b.ReportAllocs()
	q := testQueue(1 << 20)
	all := make([]Broadcast, 10_000)
	for i := range all {
		all[i] = namedBroadcast{jealous{nil, &plainBroadcast{key: fmt.Sprint("node-", i), message: strings.Repeat("x", 40+i%80)}}}
		q.QueueBroadcast(all[i])
	}
	i := 0
	for b.Loop() {
		q.QueueBroadcast(all[i%len(all)])
		q.GetBroadcasts(2, 1400)
		i++
	}
}

// TestTransmitLimitedQueueAllocates: replacing a broadcast allocates nothing, and a packet only its list of messages.
func TestTransmitLimitedQueueAllocates(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates too")
	}
	q := testQueue(1 << 20)
	var news []Broadcast
	for i := range 1000 {
		news = append(news, namedBroadcast{jealous{nil, &plainBroadcast{key: fmt.Sprint("member ", i), message: "the same to all"}}})
		q.QueueBroadcast(news[i])
	}
	i := 0
	if got := testing.AllocsPerRun(1000, func() { q.QueueBroadcast(news[i%len(news)]); i++ }); got > 1 {
		t.Errorf("replacing: %v allocations, want 1, by Message", got)
	}
	if got := testing.AllocsPerRun(100, func() { q.GetBroadcasts(2, 1400) }); got > 2 {
		t.Errorf("filling a packet: %v allocations", got)
	}
}

// quietBroadcast is a plain Broadcast that allocates nothing once it has been made.
type quietBroadcast struct {
	key     int
	message []byte
}

func (b *quietBroadcast) Invalidates(other Broadcast) bool {
	o, ok := other.(*quietBroadcast)
	return ok && o.key == b.key
}

func (b *quietBroadcast) Message() []byte { return b.message }
func (b *quietBroadcast) Finished()       {}

// TestTransmitLimitedQueuePlainAllocates: comparing a plain broadcast with all queued ones allocates nothing, and
// replacing one little.
func TestTransmitLimitedQueuePlainAllocates(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates too")
	}
	news := make([]quietBroadcast, 2000)
	for i := range news {
		news[i] = quietBroadcast{key: i, message: []byte("the same to all")}
	}
	for _, tt := range []struct {
		name string
		keys int // number of distinct keys of the broadcasts that are queued one after the other
		most float64
	}{
		{"that replace none", 2000, 2}, // by Prune
		{"that replace one each", 1000, 4},
	} {
		q := testQueue(1 << 20)
		i := 0
		push := func() {
			q.QueueBroadcast(&news[i%tt.keys])
			q.Prune(1000)
			i++
		}
		for range 5000 {
			push()
		}
		if got := testing.AllocsPerRun(1000, push); got > tt.most || q.NumQueued() != 1000 {
			t.Errorf("%s: %v allocations, want at most %v; %d are queued", tt.name, got, tt.most, q.NumQueued())
		}
	}
}
