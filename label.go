package memberlist

import (
	"fmt"
	"io"
	"net"
	"slices"

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

// heardLabel is a label under which packets and streams are heard.
type heardLabel struct {
	text  string
	bytes []byte        // the same, as authenticated data
	usage *usageCounter // nil: not counted
}

// heardLabels returns the labels that a configuration accepts, its own first.
func heardLabels(c *Config) []heardLabel {
	heard := []heardLabel{{text: c.Label, bytes: []byte(c.Label)}}
	if c.SkipInboundLabelCheck {
		return heard
	}
	for _, text := range c.AcceptLabels {
		if !slices.ContainsFunc(heard, func(h heardLabel) bool { return h.text == text }) {
			heard = append(heard, heardLabel{text: text, bytes: []byte(text)})
		}
	}
	if len(heard) > 1 {
		for i := range heard {
			heard[i].usage = new(usageCounter)
		}
	}
	return heard
}

// checkLabel finds the label that came with a packet or stream, nil for none, among those that are heard. With
// SkipInboundLabelCheck none stands for this member's own, which the transport may have removed; and a member that has none of
// its own takes any, with which the sender has authenticated what it sealed. The label may be a view into the packet.
//
// Compat: the reference refuses every label with SkipInboundLabelCheck.
func (m *Memberlist) checkLabel(label []byte) (*heardLabel, error) {
	if m.config.SkipInboundLabelCheck {
		switch {
		case len(label) == 0:
			return &m.labels[0], nil
		case m.config.Label == "":
			return &heardLabel{text: string(label), bytes: label}, nil
		}
	}
	for i := range m.labels {
		if string(label) == m.labels[i].text {
			return &m.labels[i], nil
		}
	}
	return nil, fmt.Errorf("%w: %q", ErrLabelMismatch, label)
}

// LabelUsage says what has been heard under a label.
type LabelUsage struct {
	Label string
	Usage
}

// LabelUsage returns an entry for Config.Label and each of Config.AcceptLabels; none if that is empty or of no effect. An old
// label under which nobody is heard any more, for longer than Config.PushPullInterval and a round of probes takes, need
// not be accepted any longer.
func (m *Memberlist) LabelUsage() []LabelUsage {
	var uses []LabelUsage
	for i := range m.labels {
		if h := &m.labels[i]; h.usage != nil {
			uses = append(uses, LabelUsage{Label: h.text, Usage: h.usage.snapshot()})
		}
	}
	return uses
}
