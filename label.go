package memberlist

import (
	"fmt"
	"io"
	"net"

	"github.com/e3431adc/memberlist/internal/wire"
)

// LabelMaxSize is the most bytes that a label may have: see Config.Label.
const LabelMaxSize = 255

// labelHeaderSize is what comes before the bytes of a label: the type byte and the length.
const labelHeaderSize = 2

// AddLabelHeaderToPacket gives the packet with a label header before it, in a buffer of its own, or the packet itself if
// the label is empty. A label of more than LabelMaxSize bytes gives ErrLabelTooLong.
func AddLabelHeaderToPacket(buf []byte, label string) ([]byte, error) {
	if label == "" {
		return buf, nil
	}
	labelled, err := appendLabel(make([]byte, 0, labelHeaderSize+len(label)+len(buf)), label)
	if err != nil {
		return nil, err
	}
	return append(labelled, buf...), nil
}

// RemoveLabelHeaderFromPacket gives what follows the label header, and the label; a packet without a header is given as
// it is, with an empty label. A header that is cut off or empty gives ErrLabelMalformed.
func RemoveLabelHeaderFromPacket(buf []byte) (newBuf []byte, label string, err error) {
	cut, rest, err := wire.CutLabel(buf)
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", ErrLabelMalformed, err)
	}
	return rest, string(cut), nil
}

// AddLabelHeaderToStream writes a label header to the connection, unless the label is empty. A label of more than
// LabelMaxSize bytes gives ErrLabelTooLong.
func AddLabelHeaderToStream(conn net.Conn, label string) error {
	if label == "" {
		return nil
	}
	header, err := appendLabel(nil, label)
	if err != nil {
		return err
	}
	_, err = conn.Write(header)
	return err
}

// RemoveLabelHeaderFromStream reads the label header that a stream starts with and gives the label, empty if there is no
// header, together with a connection that goes on after it. It reads more than the header where that has arrived; the
// connection it gives has all of it. A header that is cut off or empty gives ErrLabelMalformed.
//
// It waits for the first bytes: set a deadline before. It never closes the connection.
func RemoveLabelHeaderFromStream(conn net.Conn) (net.Conn, string, error) {
	buf := make([]byte, labelHeaderSize+LabelMaxSize)
	n, err := io.ReadAtLeast(conn, buf, 1)
	if err == io.EOF {
		return conn, "", nil // closed before it said anything: whoever reads next finds out
	}
	if err == nil && wire.Type(buf[0]) == wire.TypeLabel {
		if n, err = readUpTo(conn, buf, n, labelHeaderSize); err == nil {
			n, err = readUpTo(conn, buf, n, labelHeaderSize+int(buf[1]))
		}
	}
	if err != nil {
		return nil, "", err
	}
	label, rest, err := wire.CutLabel(buf[:n])
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", ErrLabelMalformed, err)
	}
	return &replayConn{Conn: conn, unread: rest}, string(label), nil
}

// readUpTo reads until buf, which holds n bytes, holds at least want, and gives how many it holds then.
func readUpTo(conn net.Conn, buf []byte, n, want int) (int, error) {
	if n >= want {
		return n, nil
	}
	more, err := io.ReadAtLeast(conn, buf[n:], want-n)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = fmt.Errorf("%w: stream has been truncated", ErrLabelMalformed)
	}
	return n + more, err
}

// appendLabel appends the header, or gives ErrLabelTooLong for a label that no header can hold.
func appendLabel(dst []byte, label string) ([]byte, error) {
	if len(label) > LabelMaxSize {
		return nil, fmt.Errorf("%w: %d bytes, more than %d", ErrLabelTooLong, len(label), LabelMaxSize)
	}
	return wire.AppendLabel(dst, label)
}

// replayConn is a connection of which some bytes have been read already: Read gives those first.
type replayConn struct {
	net.Conn
	unread []byte
}

func (c *replayConn) Read(p []byte) (int, error) {
	if len(c.unread) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.unread)
	c.unread = c.unread[n:]
	if len(c.unread) == 0 {
		c.unread = nil
	}
	return n, nil
}
