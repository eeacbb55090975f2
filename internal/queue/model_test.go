package queue

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// model is a simple queue to compare with: a slice, sorted on demand.
type model struct {
	messages []modelMessage
	id       uint64
}

type modelMessage struct {
	transmits int
	id        uint64
	name      string
	kind      Kind
	message   []byte
	value     uint64
}

func (x modelMessage) urgency() int {
	if x.kind == Urgent {
		return 1
	}
	return 0
}

func (m *model) sort() {
	slices.SortFunc(m.messages, func(a, b modelMessage) int {
		return cmp.Or(
			cmp.Compare(b.urgency(), a.urgency()),
			cmp.Compare(a.transmits, b.transmits),
			cmp.Compare(len(b.message), len(a.message)),
			cmp.Compare(b.id, a.id),
		)
	})
}

// remove drops the messages for which doomed reports true and returns their values in the queue's order.
func (m *model) remove(doomed func(modelMessage) bool) []uint64 {
	m.sort()
	var values []uint64
	m.messages = slices.DeleteFunc(m.messages, func(x modelMessage) bool {
		if doomed(x) {
			values = append(values, x.value)
			return true
		}
		return false
	})
	return values
}

func (m *model) push(name string, kind Kind, message []byte, value uint64) []uint64 {
	replaced := m.remove(func(x modelMessage) bool { return kind.named() && x.kind.named() && x.name == name })
	m.id++
	m.messages = append(m.messages, modelMessage{id: m.id, name: name, kind: kind, message: message, value: value})
	return replaced
}

func (m *model) take(overhead, limit, transmitLimit int) (messages [][]byte, finished []uint64) {
	m.sort()
	used := 0
	for i := 0; i < len(m.messages); i++ {
		x := &m.messages[i]
		if limit-used-overhead <= 0 || len(x.message) > limit-used-overhead {
			continue
		}
		used += overhead + len(x.message)
		messages = append(messages, x.message)
		x.transmits++
		if x.transmits >= transmitLimit {
			finished = append(finished, x.value)
		}
	}
	m.remove(func(x modelMessage) bool { return slices.Contains(finished, x.value) })
	return messages, finished
}

func (m *model) prune(maxLen int) []uint64 {
	m.sort()
	var values []uint64
	for len(m.messages) > max(maxLen, 0) {
		last := len(m.messages) - 1
		values = append(values, m.messages[last].value)
		m.messages = m.messages[:last]
	}
	return values
}

func (m *model) bound(maxLen, maxBytes int) []uint64 {
	m.sort()
	length, bytes := len(m.messages), 0
	for _, x := range m.messages {
		bytes += len(x.message)
	}
	var values []uint64
	for i := len(m.messages) - 1; i >= 0 && (length > maxLen || bytes > maxBytes); i-- {
		if x := m.messages[i]; x.id != m.id {
			length, bytes = length-1, bytes-len(x.message)
			values = append(values, x.value)
			m.messages = slices.Delete(m.messages, i, i+1)
		}
	}
	return values
}

// history is a source of small numbers: an operation and its arguments.
type history struct{ data []byte }

func (h *history) next(n int) int {
	if len(h.data) == 0 {
		return 0
	}
	b := h.data[0]
	h.data = h.data[1:]
	return int(b) % n
}

// replay applies a history to a queue and to the model and fails when they differ.
func replay(t *testing.T, data []byte) {
	t.Helper()
	var q Queue[uint64]
	var m model
	h := &history{data}
	for step := 0; len(h.data) > 0; step++ {
		var got, want []uint64
		finished := func(v uint64) { got = append(got, v) }
		what := "?"
		switch op := h.next(18); op {
		case 0, 1, 2, 3, 4, 5, 6:
			kind := Kind(op % 4)
			name := fmt.Sprintf("n%d", h.next(8))
			value := m.id + 1
			message := binary.BigEndian.AppendUint64(make([]byte, h.next(40)), value)
			if h.next(8) == 0 {
				message = nil
			}
			what = fmt.Sprintf("push %s kind %d of %d bytes", name, kind, len(message))
			q.Push(name, kind, message, value, finished)
			want = m.push(name, kind, message, value)
		case 7, 8, 9, 10, 11:
			overhead, limit, transmitLimit := h.next(4), h.next(256), h.next(6)
			what = fmt.Sprintf("take overhead %d limit %d transmits %d", overhead, limit, transmitLimit)
			messages := q.Take(nil, overhead, limit, transmitLimit, finished)
			var wantMessages [][]byte
			wantMessages, want = m.take(overhead, limit, transmitLimit)
			if !slices.EqualFunc(messages, wantMessages, bytes.Equal) {
				t.Fatalf("step %d, %s: got %x, want %x", step, what, messages, wantMessages)
			}
		case 12:
			name := fmt.Sprintf("n%d", h.next(8))
			what = "remove " + name
			removed := q.RemoveNamed(name, finished)
			want = m.remove(func(x modelMessage) bool { return x.kind.named() && x.name == name })
			if removed != (len(want) > 0) {
				t.Fatalf("step %d, %s: got %v, want %v", step, what, removed, len(want) > 0)
			}
		case 13:
			mod := uint64(h.next(5) + 1)
			what = fmt.Sprintf("remove plain %% %d", mod)
			q.RemovePlain(plainIDs(&q, func(value uint64) bool { return value%mod == 0 }), finished)
			want = m.remove(func(x modelMessage) bool { return x.kind == Plain && x.value%mod == 0 })
			slices.Sort(got) // the queue drops them by age, the model by place
			slices.Sort(want)
		case 14:
			maxLen := h.next(32) - 1
			what = fmt.Sprintf("prune to %d", maxLen)
			q.Prune(maxLen, finished)
			want = m.prune(maxLen)
		case 15:
			if h.next(8) > 0 {
				continue
			}
			what = "reset"
			q.Reset(finished)
			want = m.remove(func(modelMessage) bool { return true })
		case 16:
			maxLen, maxBytes := h.next(16), 8*h.next(64)
			what = fmt.Sprintf("bound to %d and %d bytes", maxLen, maxBytes)
			dropped := q.Bound(maxLen, maxBytes, finished)
			want = m.bound(maxLen, maxBytes)
			if dropped != len(want) {
				t.Fatalf("step %d, %s: dropped %d, want %d", step, what, dropped, len(want))
			}
		case 17:
			n := h.next(64)
			what = fmt.Sprintf("remove longer than %d", n)
			q.RemoveLonger(n, finished)
			want = m.remove(func(x modelMessage) bool { return len(x.message) > n })
		}
		if !slices.Equal(got, want) {
			t.Fatalf("step %d, %s: finished %d, want %d", step, what, got, want)
		}
		check(t, step, what, &q, &m)
	}
}

// check compares a queue with the model, its indexes included.
func check(t *testing.T, step int, what string, q *Queue[uint64], m *model) {
	t.Helper()
	m.sort()
	var want []uint64
	wantBytes, named := 0, 0
	var plain []uint64
	for _, x := range m.messages {
		want = append(want, x.value)
		wantBytes += len(x.message)
		switch x.kind {
		case Named, Urgent:
			named++
		case Plain:
			plain = append(plain, x.id)
		}
	}
	var got []uint64
	for i := range q.order.all {
		got = append(got, i.Value.value)
	}
	gotPlain := plainIDs(q, func(uint64) bool { return true })
	slices.Sort(plain)
	switch {
	case !slices.Equal(got, want):
		t.Fatalf("step %d, %s: order %d, want %d", step, what, got, want)
	case q.Len() != len(want):
		t.Fatalf("step %d, %s: len %d, want %d", step, what, q.Len(), len(want))
	case q.Bytes() != wantBytes:
		t.Fatalf("step %d, %s: %d bytes, want %d", step, what, q.Bytes(), wantBytes)
	case len(q.named) != named:
		t.Fatalf("step %d, %s: %d named, want %d", step, what, len(q.named), named)
	case !slices.Equal(gotPlain, plain):
		t.Fatalf("step %d, %s: plain %d, want %d", step, what, gotPlain, plain)
	}
}

// plainIDs returns the IDs of the plain messages with a value for which match reports true, a few at a time.
func plainIDs(q *Queue[uint64], match func(value uint64) bool) (matching []uint64) {
	var ids, values [3]uint64
	for after := uint64(0); ; {
		n := q.CopyPlain(ids[:], values[:], after)
		if n == 0 {
			return matching
		}
		for i, value := range values[:n] {
			if value != 0 && match(value) {
				matching = append(matching, ids[i])
			}
		}
		after = ids[n-1]
	}
}

func TestModel(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 0))
		data := make([]byte, 1000)
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		replay(t, data)
	}
}

func FuzzModel(f *testing.F) {
	f.Add([]byte{0, 1, 20, 1, 2, 3, 10, 1, 7, 2, 100, 3, 7, 2, 100, 3})
	f.Add([]byte{1, 0, 30, 1, 1, 0, 5, 1, 9, 0, 40, 2, 14, 1, 15, 0, 13, 2})
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 4096 {
			t.Skip("long histories say no more than short ones")
		}
		replay(t, data)
	})
}
