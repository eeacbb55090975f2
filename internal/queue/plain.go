package queue

import "slices"

// maxFree is the number of plain messages for which an empty list keeps memory.
const maxFree = 1024

// plainList is the plain messages of a queue by age. A new message is compared with all of them, so they are copied
// in bulk. The ID of a removed message stays, to keep the IDs sorted, until half of the messages have been removed.
type plainList[V any] struct {
	ids     []uint64           // of their pushes
	items   []*Item[queued[V]] // nil: removed
	values  []V                // the zero V: removed
	removed int
}

// CopyPlain copies the IDs and values of plain messages, the oldest first, until ids or values is full, and returns
// their number. It begins after the message with the ID after, or with the first if that is 0. IDs ascend with each
// push. The value of a removed message is the zero V.
func (q *Queue[V]) CopyPlain(ids []uint64, values []V, after uint64) int {
	i := q.plain.search(after + 1)
	return min(copy(ids, q.plain.ids[i:]), copy(values, q.plain.values[i:]))
}

// RemovePlain drops the plain messages with the given IDs that are still queued, in the order of the IDs, and calls
// finished once all are dropped.
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

// search returns the index of the message with an ID, or of the next one.
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

// compact deletes the removed messages.
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
