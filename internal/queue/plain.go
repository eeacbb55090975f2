package queue

import "slices"

// maxFree is for how many plain messages memory is kept when none is queued.
const maxFree = 1024

// plainList finds the plain messages of a queue by age. A new one is compared with all of them, so they are copied in bulk.
// A removed message leaves its ID behind, so that the IDs stay sorted; when half of them are of removed messages, all those go.
type plainList[V any] struct {
	ids     []uint64           // of their pushes
	items   []*Item[queued[V]] // nil: removed
	values  []V                // the zero V: removed
	removed int
}

// CopyPlain copies the IDs and values of plain messages, as many as there is room for in both, the oldest first, from those
// on that were pushed after the one with the given ID (0: all of them). It returns how many. Later pushes have higher IDs. A
// message that has been removed may be among them: its value is the zero V.
func (q *Queue[V]) CopyPlain(ids []uint64, values []V, after uint64) int {
	i := q.plain.search(after + 1)
	return min(copy(ids, q.plain.ids[i:]), copy(values, q.plain.values[i:]))
}

// RemovePlain drops the plain messages with the given IDs that are still queued, in the order of the IDs given, and only then
// finishes with them.
func (q *Queue[V]) RemovePlain(ids []uint64, finished func(V)) {
	var removed []V
	for _, id := range ids {
		i := q.plain.search(id)
		if i == len(q.plain.ids) || q.plain.ids[i] != id || q.plain.items[i] == nil {
			continue
		}
		removed = append(removed, q.plain.values[i])
		q.drop(q.plain.items[i], nil)
	}
	finishAll(removed, finished)
}

// search returns where the message with an ID is, or the next one.
func (l *plainList[V]) search(id uint64) int {
	i, _ := slices.BinarySearch(l.ids, id)
	return i
}

func (l *plainList[V]) add(i *Item[queued[V]]) {
	l.ids, l.items, l.values = append(l.ids, i.ID()), append(l.items, i), append(l.values, i.Value.value)
}

func (l *plainList[V]) remove(id uint64) {
	i := l.search(id)
	l.items[i] = nil
	clear(l.values[i : i+1])
	l.removed++
	switch {
	case l.removed == len(l.ids) && cap(l.ids) > maxFree:
		*l = plainList[V]{}
	case l.removed > len(l.ids)/2:
		l.compact()
	}
}

// compact leaves the removed messages out.
func (l *plainList[V]) compact() {
	n := 0
	for i, item := range l.items {
		if item != nil {
			l.ids[n], l.items[n], l.values[n] = l.ids[i], item, l.values[i]
			n++
		}
	}
	clear(l.items[n:])
	clear(l.values[n:])
	l.ids, l.items, l.values, l.removed = l.ids[:n], l.items[:n], l.values[:n], 0
}
