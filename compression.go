package memberlist

import (
	"sync"
	"sync/atomic"

	"github.com/e3431adc/memberlist/internal/wire"
)

// compressors are those that packets and streams are compressed with. They are large: one is kept, and those that are needed
// at the same time are used again for as long as that is often. The zero value is ready for use.
type compressors struct {
	kept atomic.Pointer[wire.Compressor]
	more sync.Pool // of *wire.Compressor
}

// shorten returns a message as it is sent: compressed if that is shorter, in memory of buf.
func (c *compressors) shorten(buf *[]byte, message []byte) []byte {
	if len(message) <= wire.MaxIncompressible {
		return message
	}
	compressor := c.take()
	compressed, shorter := compressor.AppendShorter((*buf)[:0], message)
	if !c.kept.CompareAndSwap(nil, compressor) {
		c.more.Put(compressor)
	}
	*buf = compressed
	if shorter {
		return compressed
	}
	return message
}

func (c *compressors) take() *wire.Compressor {
	if kept := c.kept.Swap(nil); kept != nil {
		return kept
	}
	if more, ok := c.more.Get().(*wire.Compressor); ok {
		return more
	}
	return new(wire.Compressor)
}
