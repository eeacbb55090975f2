package memberlist

import (
	"sync"
	"sync/atomic"
)

// spares are values that are used again. At most times one is in use: that one is kept, and those that are needed at the same
// time are kept for as long as that is often. The zero value has none.
type spares[T any] struct {
	kept atomic.Pointer[T]
	more sync.Pool // of *T
}

// take gives one, for put to take back.
func (s *spares[T]) take() *T {
	if kept := s.kept.Swap(nil); kept != nil {
		return kept
	}
	if more, ok := s.more.Get().(*T); ok {
		return more
	}
	return new(T)
}

func (s *spares[T]) put(v *T) {
	if !s.kept.CompareAndSwap(nil, v) {
		s.more.Put(v)
	}
}
