package memberlist

import "github.com/e3431adc/memberlist/internal/wire"

// compression compresses what becomes shorter by that. Its memory is used again. The zero value is ready for use.
type compression struct {
	compressor *wire.Compressor // nil until something is to be compressed: it is large
	compressed []byte
}

// shorten returns a message as it is sent: compressed if that is shorter. It is valid until the next call.
func (c *compression) shorten(message []byte) []byte {
	if len(message) <= wire.MaxIncompressible {
		return message
	}
	if c.compressor == nil {
		c.compressor = new(wire.Compressor)
	}
	compressed, shorter := c.compressor.AppendShorter(c.compressed[:0], message)
	c.compressed = compressed
	if shorter {
		return compressed
	}
	return message
}
