package memberlist

import "github.com/e3431adc/memberlist/internal/wire"

// compressors are those that packets and streams are compressed with: they are large.
type compressors struct{ pool[wire.Compressor] }

// shorten returns a message as it is sent: compressed if that is shorter, in memory of buf.
func (c *compressors) shorten(buf *[]byte, message []byte) []byte {
	if len(message) <= wire.MaxIncompressible {
		return message
	}
	compressor := c.get()
	compressed, shorter := compressor.AppendShorter((*buf)[:0], message)
	c.put(compressor)
	*buf = compressed
	if shorter {
		return compressed
	}
	return message
}
