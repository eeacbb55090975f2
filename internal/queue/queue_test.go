package queue

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// message makes a message of n bytes that starts with its label.
func message(label string, n int) []byte {
	return []byte(label + strings.Repeat(".", n-len(label)))
}

// labels returns the messages without their padding.
func labels(messages [][]byte) string {
	var all []string
	for _, m := range messages {
		all = append(all, strings.TrimRight(string(m), "."))
	}
	return strings.Join(all, " ")
}

// order empties a queue and returns the labels of its messages in order.
func order(q *Queue[string]) string {
	return labels(q.Take(nil, 0, math.MaxInt, 1, nil))
}

func TestOrder(t *testing.T) {
	type push struct {
		label string
		size  int
	}
	tests := []struct {
		name   string
		pushes []push
		want   string
	}{
		{"empty", nil, ""},
		{"largest first", []push{{"a", 10}, {"b", 30}, {"c", 20}}, "b c a"},
		{"newest first among equals", []push{{"a", 10}, {"b", 10}, {"c", 10}}, "c b a"},
		{"size before age", []push{{"a", 11}, {"b", 10}}, "a b"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var q Queue[string]
			for _, p := range tt.pushes {
				q.Push("", Unique, message(p.label, p.size), p.label, nil)
			}
			if got := order(&q); got != tt.want {
				t.Errorf("order: got %q, want %q", got, tt.want)
			}
			if q.Len() != 0 || q.Bytes() != 0 {
				t.Errorf("after: got %d messages of %d bytes, want none", q.Len(), q.Bytes())
			}
		})
	}
}

func TestFewerTransmitsGoFirst(t *testing.T) {
	q := New[string]()
	q.Push("", Unique, message("big", 90), "big", nil)
	q.Take(nil, 0, 100, 10, nil)
	q.Push("", Unique, message("small", 5), "small", nil)
	if got, want := labels(q.Take(nil, 0, 100, 10, nil)), "small big"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := labels(q.Take(nil, 0, 94, 10, nil)), "small"; got != want {
		t.Errorf("without room for both: got %q, want %q", got, want)
	}
}

func TestTakeFits(t *testing.T) {
	tests := []struct {
		name            string
		overhead, limit int
		want            string
	}{
		{"all", 2, 66, "thirty twenty ten"},
		{"one byte short", 2, 65, "thirty twenty"},
		{"skips messages that are too large", 2, 33, "thirty"},
		{"smaller ones fill the rest", 2, 44, "thirty ten"},
		{"only the smallest", 2, 12, "ten"},
		{"none", 2, 11, ""},
		{"no room", 2, 2, ""},
		{"negative", 2, -5, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := New[string]()
			q.Push("", Unique, message("ten", 10), "", nil)
			q.Push("", Unique, message("twenty", 20), "", nil)
			q.Push("", Unique, message("thirty", 30), "", nil)
			got := q.Take(nil, tt.overhead, tt.limit, 10, nil)
			if labels(got) != tt.want {
				t.Errorf("got %q, want %q", labels(got), tt.want)
			}
			if got == nil != (tt.want == "") {
				t.Errorf("got nil: %v", got == nil)
			}
			if q.Len() != 3 || q.Bytes() != 60 {
				t.Errorf("after: got %d messages of %d bytes, want 3 of 60", q.Len(), q.Bytes())
			}
		})
	}
}

func TestTakeOncePerCall(t *testing.T) {
	q := New[string]()
	q.Push("", Unique, message("a", 10), "a", nil)
	if got := labels(q.Take(nil, 0, 1000, 10, nil)); got != "a" {
		t.Errorf("got %q, want it once", got)
	}
}

func TestTakeAppends(t *testing.T) {
	q := New[string]()
	q.Push("", Unique, message("b", 10), "b", nil)
	if got := labels(q.Take([][]byte{[]byte("a")}, 0, 1000, 10, nil)); got != "a b" {
		t.Errorf("got %q, want %q", got, "a b")
	}
}

// TestTakeEmptyMessage: an empty message is taken only if there is room for at least a byte more than the overhead.
func TestTakeEmptyMessage(t *testing.T) {
	q := New[string]()
	q.Push("", Unique, nil, "", nil)
	if got := q.Take(nil, 3, 3, 10, nil); len(got) != 0 {
		t.Errorf("no room: got %d messages", len(got))
	}
	if got := q.Take(nil, 3, 4, 10, nil); len(got) != 1 {
		t.Errorf("room: got %d messages, want 1", len(got))
	}
}

func TestTransmitLimitFinishes(t *testing.T) {
	for _, limit := range []int{-1, 0, 1, 2, 5} {
		q := New[string]()
		q.Push("a", Named, message("a", 10), "a", nil)
		sent, finished := 0, 0
		for q.Len() > 0 {
			sent += len(q.Take(nil, 0, 100, limit, func(string) { finished++ }))
		}
		if sent != max(limit, 1) || finished != 1 {
			t.Errorf("limit %d: sent %d times, finished %d times", limit, sent, finished)
		}
		if q.RemoveNamed("a", nil) {
			t.Errorf("limit %d: the name is still known", limit)
		}
	}
}

func TestKinds(t *testing.T) {
	q := New[string]()
	var finished []string
	finish := func(v string) { finished = append(finished, v) }
	for _, k := range kinds {
		q.Push("x", k.kind, message(k.name, 10), k.name, finish)
	}
	q.Push("x", Named, message("named2", 11), "named2", finish)
	q.Push("y", Named, message("other", 12), "other", finish)
	q.Push("x", Unique, message("unique2", 13), "unique2", finish)
	q.Push("x", Plain, message("plain2", 14), "plain2", finish)
	if want := []string{"named"}; !slices.Equal(finished, want) {
		t.Errorf("finished %q, want %q", finished, want)
	}
	if got, want := order(q), "plain2 unique2 other named2 plain unique"; got != want {
		t.Errorf("order: got %q, want %q", got, want)
	}
}

// TestReplaceStartsOver: a message that replaces another starts with no transmissions.
func TestReplaceStartsOver(t *testing.T) {
	q := New[string]()
	q.Push("x", Named, message("old", 10), "old", nil)
	q.Push("y", Named, message("other", 20), "other", nil)
	q.Take(nil, 0, 100, 10, nil)
	q.Push("x", Named, message("new", 10), "new", nil)
	if got, want := labels(q.Take(nil, 0, 100, 10, nil)), "new other"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestPlain(t *testing.T) {
	q := New[string]()
	for _, label := range []string{"a", "b", "c"} {
		q.Push("", Plain, message(label, 10), label, nil)
		q.Push(label, Named, message("named", 10), "named", nil)
	}
	copied := func(n int, after uint64) string {
		ids, values := make([]uint64, n), make([]string, n)
		n = q.CopyPlain(ids, values, after)
		return fmt.Sprintf("%d %q", ids[:n], values[:n])
	}
	for _, tt := range []struct {
		name  string
		n     int
		after uint64
		want  string
	}{
		{"all", 4, 0, `[1 3 5] ["a" "b" "c"]`},
		{"two of them", 2, 0, `[1 3] ["a" "b"]`},
		{"after b", 4, 3, `[5] ["c"]`},
		{"none", 4, 5, `[] []`},
	} {
		if got := copied(tt.n, tt.after); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
	q.RemovePlain([]uint64{3}, nil)
	if got, want := copied(4, 0), `[1 3 5] ["a" "" "c"]`; got != want {
		t.Errorf("without b: got %s, want %s", got, want)
	}
	var finished []string
	q.RemovePlain([]uint64{5, 4, 3, 1, 1, 7}, func(v string) { finished = append(finished, v) })
	if want := []string{"c", "a"}; !slices.Equal(finished, want) {
		t.Errorf("finished %q, want %q", finished, want)
	}
	if got, want := copied(4, 0), `[] []`; got != want {
		t.Errorf("without any: got %s, want %s", got, want)
	}
	if got, want := order(q), "named named named"; got != want {
		t.Errorf("left: got %q, want %q", got, want)
	}
}

func TestPrune(t *testing.T) {
	tests := []struct {
		name     string
		maxLen   int
		finished []string
		left     string
	}{
		{"none", 3, nil, "new big small"},
		{"most transmitted and smallest first", 2, []string{"small"}, "new big"},
		{"two", 1, []string{"small", "big"}, "new"},
		{"all", 0, []string{"small", "big", "new"}, ""},
		{"negative", -1, []string{"small", "big", "new"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := New[string]()
			q.Push("small", Named, message("small", 10), "small", nil)
			q.Push("", Plain, message("big", 90), "big", nil)
			q.Take(nil, 0, 1000, 10, nil)
			q.Push("", Unique, message("new", 5), "new", nil)
			var finished []string
			q.Prune(tt.maxLen, func(v string) { finished = append(finished, v) })
			if !slices.Equal(finished, tt.finished) {
				t.Errorf("finished %q, want %q", finished, tt.finished)
			}
			if got := order(q); got != tt.left {
				t.Errorf("left: got %q, want %q", got, tt.left)
			}
		})
	}
}

func TestNeverUsed(t *testing.T) {
	var q Queue[string]
	q.Prune(0, nil)
	q.Prune(10, nil)
	q.Reset(nil)
	q.RemovePlain(nil, nil)
	if q.Len() != 0 || q.Bytes() != 0 || q.RemoveNamed("x", nil) || q.Take(nil, 0, 100, 1, nil) != nil {
		t.Error("an unused queue is not empty")
	}
}

func TestReset(t *testing.T) {
	q := New[string]()
	q.Push("x", Named, message("a", 10), "a", nil)
	q.Push("", Plain, message("b", 20), "b", nil)
	var finished []string
	q.Reset(func(v string) { finished = append(finished, v) })
	if want := []string{"b", "a"}; !slices.Equal(finished, want) {
		t.Errorf("finished %q, want %q", finished, want)
	}
	if q.Len() != 0 || q.Bytes() != 0 || q.RemoveNamed("x", nil) {
		t.Error("something is left")
	}
	q.Push("x", Named, message("c", 10), "c", nil)
	if got := order(q); got != "c" {
		t.Errorf("used again: got %q, want c", got)
	}
}

// TestFinishedMayCallTheQueue: callbacks of all methods may call the queue.
func TestFinishedMayCallTheQueue(t *testing.T) {
	tests := []struct {
		name string
		call func(q *Queue[string], finished func(string))
	}{
		{"Push", func(q *Queue[string], f func(string)) { q.Push("x", Named, message("x2", 10), "x2", f) }},
		{"RemoveNamed", func(q *Queue[string], f func(string)) { q.RemoveNamed("x", f) }},
		{"RemovePlain", func(q *Queue[string], f func(string)) {
			q.RemovePlain([]uint64{2, 3}, f)
		}},
		{"Take", func(q *Queue[string], f func(string)) { q.Take(nil, 0, 1000, 1, f) }},
		{"Prune", func(q *Queue[string], f func(string)) { q.Prune(0, f) }},
		{"Reset", func(q *Queue[string], f func(string)) { q.Reset(f) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := New[string]()
			q.Push("x", Named, message("x", 10), "x", nil)
			q.Push("", Plain, message("plain", 20), "plain", nil)
			q.Push("", Plain, message("plain", 20), "plain", nil)
			calls := 0
			tt.call(q, func(string) {
				calls++
				q.Push("again", Named, message("again", 30), "again", nil)
				q.Push("", Plain, message("plain", 20), "plain", nil)
				q.Take(nil, 0, 31, 10, nil)
				if q.Len() < 2 {
					t.Errorf("len %d within the callback", q.Len())
				}
			})
			if calls == 0 {
				t.Fatal("never called")
			}
			n := len(q.Take(nil, 0, math.MaxInt, 1, nil))
			if n == 0 || q.Len() != 0 || q.Bytes() != 0 || len(q.named) != 0 || len(q.plain.ids) != 0 {
				t.Errorf("took %d, left %d messages, %d bytes, %d names", n, q.Len(), q.Bytes(), len(q.named))
			}
		})
	}
	t.Run("Prune after Reset", func(t *testing.T) {
		q := New[string]()
		q.Push("", Unique, nil, "a", nil)
		q.Push("", Unique, nil, "b", nil)
		q.Prune(0, func(string) { q.Reset(nil) })
		if q.Len() != 0 {
			t.Errorf("left %d", q.Len())
		}
	})
}

// TestMemoryIsGivenBack: the memory of a burst is released, and the memory that is kept refers to no message.
func TestMemoryIsGivenBack(t *testing.T) {
	for _, n := range []int{maxFree / 2, 3 * maxFree} {
		for _, k := range kinds {
			q := New[string]()
			for i := range n {
				q.Push(strconv.Itoa(i), k.kind, message("a", 10+i%500), "a", nil)
			}
			q.Take(nil, 0, 2000, 10, nil)
			q.Prune(0, nil)
			if slices.ContainsFunc(q.plain.values[:cap(q.plain.values)], func(v string) bool { return v != "" }) {
				t.Fatal("the list of plain messages keeps a value")
			}
			if slices.ContainsFunc(q.order.taken[:cap(q.order.taken)], func(r ranked[queued[string]]) bool { return r.item != nil }) {
				t.Fatal("the scratch memory of Take keeps an item")
			}
			if kept := cap(q.plain.ids); q.named != nil || kept > 2*maxFree {
				t.Errorf("%s: memory for %d plain messages and %d names is kept after %d", k.name, kept, len(q.named), n)
			}
			q.Push("b", k.kind, message("b", 10), "b", nil)
			if got := order(q); got != "b" {
				t.Errorf("used again: got %q, want b", got)
			}
		}
	}
}

func TestRank(t *testing.T) {
	if got, want := rank(0, 10), rank(0, 9); got >= want {
		t.Errorf("10 bytes rank %d, 9 bytes %d", got, want)
	}
	if got, want := rank(0, 0), rank(1, math.MaxInt); got >= want {
		t.Errorf("untransmitted %d, transmitted %d", got, want)
	}
	if got := (&class[int]{rank: rank(7, 100)}).tier(); got != 7 {
		t.Errorf("transmits: got %d, want 7", got)
	}
}

func TestTransmitLimit(t *testing.T) {
	for _, tt := range []struct{ mult, n, want int }{
		{3, -5, 0}, {3, 0, 0}, {3, 1, 3}, {3, 9, 3}, {3, 10, 6}, {3, 99, 6}, {3, 100, 9}, {4, 999, 12}, {0, 99, 0},
		{4, 10_000, 20},
	} {
		if got := TransmitLimit(tt.mult, tt.n); got != tt.want {
			t.Errorf("TransmitLimit(%d, %d): got %d, want %d", tt.mult, tt.n, got, tt.want)
		}
	}
}

// TestUrgent: an urgent message goes first, however small it is and however often it has been transmitted, until the
// transmit limit.
func TestUrgent(t *testing.T) {
	var q Queue[int]
	for i := range 10 {
		q.Push(strconv.Itoa(i), Named, make([]byte, 50), i, nil)
	}
	q.Push("me", Named, []byte("here"), 98, nil)
	replaced := 0
	q.Push("me", Urgent, []byte("gone"), 99, func(v int) { replaced = v })
	if q.Len() != 11 || replaced != 98 {
		t.Fatalf("%d queued, %d replaced", q.Len(), replaced)
	}
	finished := 0
	for i := range 3 {
		got := q.Take(nil, 2, 60, 3, func(v int) { finished = v })
		if len(got) != 2 || string(got[0]) != "gone" {
			t.Errorf("packet %d has %q", i, got)
		}
	}
	if finished != 99 || q.Len() != 10 {
		t.Errorf("finished %d, %d queued", finished, q.Len())
	}
	if got := q.Take(nil, 2, 60, 3, nil); len(got) != 1 || len(got[0]) != 50 {
		t.Errorf("then %q", got)
	}
}
