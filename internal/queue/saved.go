package queue

// Saved is an item of a saved order.
type Saved[V any] struct {
	Value V
	ID    uint64
	Size  int
	Tier  uint32
}

// Save returns the items in order, and the ID of the last push.
func (o *Order[V]) Save() (items []Saved[V], last uint64) {
	items = make([]Saved[V], 0, o.len)
	for i := range o.all {
		items = append(items, Saved[V]{i.Value, i.id, i.Size(), i.class.tier()})
	}
	return items, o.id
}

// Restore makes an empty order one that was saved, and calls each with every item.
func (o *Order[V]) Restore(items []Saved[V], last uint64, each func(*Item[V])) {
	for _, s := range items {
		i := o.newItem()
		i.Value, i.id = s.Value, s.ID
		o.insert(i, rank(s.Tier, max(s.Size, 0)))
		each(i)
	}
	o.id = last
}
