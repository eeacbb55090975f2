package memberlist

import (
	"fmt"
	"net"

	"github.com/e3431adc/memberlist/internal/metrics"
	"github.com/e3431adc/memberlist/internal/wire"
)

// streamWriter is what a message for a stream is put together in. It is used
// again: a net.Conn does not keep what it writes.
type streamWriter struct {
	compressed []byte
	out        []byte
}

// writeStream writes a message to a stream: compressed if that is shorter,
// sealed if there are keys, together with the stream's label. The header is what
// comes before all else.
func (m *Memberlist) writeStream(conn net.Conn, label string, header, message []byte) error {
	w := m.streamWriters.get()
	defer m.streamWriters.put(w)
	if m.config.EnableCompression {
		message = m.compressors.shorten(&w.compressed, message)
	}
	out := message
	if c := m.sealer(); c != nil {
		if sealed := wire.SealedSize(m.config.sealVersion(), len(message)); sealed > wire.MaxSealedFrame {
			return fmt.Errorf("%w: %d bytes, the limit of a stream is %d", ErrMessageTooLarge, sealed, wire.MaxSealedFrame)
		}
		out = wire.AppendSealedFrame(append(w.out[:0], header...), c, m.config.sealVersion(), newNonce(), label, message)
		w.out = out
	} else if len(header) > 0 {
		out = append(append(w.out[:0], header...), message...)
		w.out = out
	}
	m.metrics.Add(metrics.TCPSent, len(out))
	_, err := conn.Write(out)
	return err
}

// answerError tells the peer what is wrong; it may not be there to hear it.
func (m *Memberlist) answerError(c *session, err error) error {
	return m.writeStream(c.conn, c.label.text, nil, (&wire.Err{Error: refusalText(err)}).Append(nil))
}
