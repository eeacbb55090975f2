package memberlist

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
)

// labelHeader returns the header of a label on the wire.
func labelHeader(label string) []byte {
	return append([]byte{244, byte(len(label))}, label...)
}

func TestLabelOfPacket(t *testing.T) {
	for _, tt := range []struct {
		name, packet, label string
	}{
		{"label", "body", "blue"},
		{"no label", "body", ""},
		{"no body", "", "blue"},
		{"nothing", "", ""},
		{"longest", "body", strings.Repeat("l", LabelMaxSize)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			labelled, err := AddLabelHeaderToPacket([]byte(tt.packet), tt.label)
			if err != nil {
				t.Fatal(err)
			}
			want := []byte(tt.packet)
			if tt.label != "" {
				want = append(labelHeader(tt.label), want...)
			}
			if !bytes.Equal(labelled, want) {
				t.Errorf("labelled: got %x, want %x", labelled, want)
			}
			packet, label, err := RemoveLabelHeaderFromPacket(labelled)
			if err != nil || string(packet) != tt.packet || label != tt.label {
				t.Errorf("got back %q, %q, %v", packet, label, err)
			}
		})
	}
}

func TestLabelTooLong(t *testing.T) {
	long := strings.Repeat("l", LabelMaxSize+1)
	if got, err := AddLabelHeaderToPacket([]byte("body"), long); got != nil || !errors.Is(err, ErrLabelTooLong) {
		t.Errorf("packet: got %q, %v, want %v", got, err, ErrLabelTooLong)
	}
	if err := AddLabelHeaderToStream(nil, long); !errors.Is(err, ErrLabelTooLong) {
		t.Errorf("stream: got %v, want %v", err, ErrLabelTooLong)
	}
}

// malformedHeaders returns a header for each possible error.
func malformedHeaders() map[string][]byte {
	headers := map[string][]byte{"empty label": {244, 0}, "empty label and body": {244, 0, 'b'}}
	whole := labelHeader("blue")
	for n := 1; n < len(whole); n++ {
		headers["first "+string(rune('0'+n))+" bytes"] = whole[:n]
	}
	return headers
}

func TestMalformedLabelOfPacket(t *testing.T) {
	for name, packet := range malformedHeaders() {
		t.Run(name, func(t *testing.T) {
			buf, label, err := RemoveLabelHeaderFromPacket(packet)
			if !errors.Is(err, ErrLabelMalformed) || buf != nil || label != "" {
				t.Errorf("got %x, %q, %v, want %v", buf, label, err, ErrLabelMalformed)
			}
		})
	}
}

// scriptConn is a connection on which given bytes are read, in given pieces.
type scriptConn struct {
	net.Conn
	pieces [][]byte
	err    error // after the pieces
	wrote  bytes.Buffer
}

func (c *scriptConn) Read(p []byte) (int, error) {
	if len(c.pieces) == 0 {
		return 0, c.err
	}
	n := copy(p, c.pieces[0])
	if c.pieces[0] = c.pieces[0][n:]; len(c.pieces[0]) == 0 {
		c.pieces = c.pieces[1:]
	}
	return n, nil
}

func (c *scriptConn) Write(p []byte) (int, error) { return c.wrote.Write(p) }

// Close must not be called: the test owns the connection.
func (c *scriptConn) Close() error { panic("closed by a function that does not own it") }

// inPieces returns a connection on which b arrives in pieces of n bytes.
func inPieces(b []byte, n int) *scriptConn {
	c := &scriptConn{err: io.EOF}
	for len(b) > 0 {
		n = min(n, len(b))
		c.pieces = append(c.pieces, b[:n])
		b = b[n:]
	}
	return c
}

func TestLabelOfStream(t *testing.T) {
	long := strings.Repeat("x", 5000)
	for _, tt := range []struct {
		name, label, body string
	}{
		{"label", "blue", "body"},
		{"no label", "", "body"},
		{"no body", "blue", ""},
		{"nothing", "", ""},
		{"longest", strings.Repeat("l", LabelMaxSize), long},
		{"one byte", "", "b"},
		{"long body", "", long},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out := &scriptConn{}
			if err := AddLabelHeaderToStream(out, tt.label); err != nil {
				t.Fatal(err)
			}
			if want := labelHeader(tt.label); tt.label != "" && !bytes.Equal(out.wrote.Bytes(), want) {
				t.Errorf("wrote %x, want %x", out.wrote.Bytes(), want)
			}
			for _, piece := range []int{1, 3, 1 << 20} {
				conn, label, err := RemoveLabelHeaderFromStream(inPieces(append(out.wrote.Bytes(), tt.body...), piece))
				if err != nil || label != tt.label {
					t.Fatalf("pieces of %d: got label %q, %v, want %q", piece, label, err, tt.label)
				}
				if body, err := io.ReadAll(conn); err != nil || string(body) != tt.body {
					t.Errorf("pieces of %d: read %d bytes on, %v, want %d", piece, len(body), err, len(tt.body))
				}
			}
		})
	}
}

func TestMalformedLabelOfStream(t *testing.T) {
	for name, header := range malformedHeaders() {
		t.Run(name, func(t *testing.T) {
			for _, piece := range []int{1, 1 << 20} {
				conn, label, err := RemoveLabelHeaderFromStream(inPieces(header, piece))
				if !errors.Is(err, ErrLabelMalformed) || conn != nil || label != "" {
					t.Errorf("got %v, %q, %v, want %v", conn, label, err, ErrLabelMalformed)
				}
			}
		})
	}
}

func TestLabelOfBrokenStream(t *testing.T) {
	broken := errors.New("broken")
	for _, n := range []int{0, 1, 4} {
		in := inPieces(labelHeader("blue")[:n], 1)
		in.err = broken
		if conn, _, err := RemoveLabelHeaderFromStream(in); !errors.Is(err, broken) || conn != nil {
			t.Errorf("broken after %d bytes: got %v, %v, want %v", n, conn, err, broken)
		}
	}
}
