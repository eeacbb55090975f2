package memberlist

import (
	"fmt"
	"io"
	"net"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// LabelMaxSize is the maximum size of a label in bytes: see Config.Label.
const LabelMaxSize = 255

// labelHeaderSize is the size in bytes of the type and the length before a label.
const labelHeaderSize = 2

// AddLabelHeaderToPacket returns the packet with a label header in a new buffer, or the packet itself if the label is
// empty. It returns ErrLabelTooLong for a label of more than LabelMaxSize bytes.
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

// RemoveLabelHeaderFromPacket returns the packet without its label header, and the label; a packet without a header
// is returned with an empty label. It returns ErrLabelMalformed if the header is truncated or its label empty.
func RemoveLabelHeaderFromPacket(buf []byte) (newBuf []byte, label string, err error) {
	cut, rest, err := wire.CutLabel(buf)
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", ErrLabelMalformed, err)
	}
	return rest, string(cut), nil
}

// AddLabelHeaderToStream writes a label header to the connection, unless the label is empty. It returns
// ErrLabelTooLong for a label of more than LabelMaxSize bytes.
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

// RemoveLabelHeaderFromStream reads the label header at the start of a stream and returns the label, empty if there
// is no header, and a connection for the rest, from which alone the stream may be read. It returns ErrLabelMalformed
// if the header is truncated or its label empty.
//
// It blocks until the first bytes arrive: set a deadline before. It never closes the connection.
func RemoveLabelHeaderFromStream(conn net.Conn) (net.Conn, string, error) {
	buf := make([]byte, labelHeaderSize+LabelMaxSize)
	n, err := io.ReadAtLeast(conn, buf, 1)
	if err == io.EOF {
		return conn, "", nil // closed without a byte: the next read returns the error
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

// readUpTo reads until buf, which holds n bytes, holds at least want, and returns the number that it holds.
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

// appendLabel appends the header, or returns ErrLabelTooLong.
func appendLabel(dst []byte, label string) ([]byte, error) {
	if len(label) > LabelMaxSize {
		return nil, fmt.Errorf("%w: %d bytes, more than %d", ErrLabelTooLong, len(label), LabelMaxSize)
	}
	return wire.AppendLabel(dst, label)
}

// replayConn is a connection whose Read first returns bytes that have been read already.
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

// LabelUsage has the traffic received under a label.
type LabelUsage struct {
	Label string
	Usage
}

// LabelUsage returns an entry for Config.Label and each of Config.AcceptLabels; none if AcceptLabels is empty or has
// no effect. An old label that has not been received for longer than Config.PushPullInterval and a round of probes
// can be removed from AcceptLabels.
func (m *Memberlist) LabelUsage() []LabelUsage {
	var usages []LabelUsage
	for _, l := range m.envelope.LabelUsage() {
		usages = append(usages, LabelUsage{Label: l.Label, Usage: Usage(l.Usage)})
	}
	return usages
}

// Usage has the traffic received under one key or label, so that you can see whether, and from where, it is still
// used.
type Usage struct {
	// Packets and Streams are the numbers received.
	Packets, Streams uint64

	// LastHeard is when one was received, at most a second before the last one; zero: never.
	LastHeard time.Time

	// LastFrom is its source, as "host:port"; the port of a stream is not the member's.
	LastFrom string
}
