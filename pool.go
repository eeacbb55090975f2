package memberlist

import "sync"

// pool is a sync.Pool of one type. The zero value is empty and ready for use.
type pool[T any] struct{ values sync.Pool }

// get returns a value that was put, or a new one.
func (p *pool[T]) get() *T {
	if v, ok := p.values.Get().(*T); ok {
		return v
	}
	return new(T)
}

func (p *pool[T]) put(v *T) { p.values.Put(v) }
