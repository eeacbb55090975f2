package tcptransport

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"time"
)

// MaxPacket is the largest packet, in bytes.
const MaxPacket = 1 << 20

const (
	frameHeader = 4        // bytes
	largeFrame  = 64 << 10 // bytes from which a packet needs a part of the budget
	largeBudget = 64 << 20 // bytes of large packets that are being read at a time
	readBuffer  = 2048     // bytes, of a connection
)

// Errors of frames.
var (
	errFrame  = errors.New("length of a packet is out of range")
	errBudget = errors.New("too many large packets at once")
)

// appendFrame appends a packet with its length.
func appendFrame(b, packet []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(packet)))
	return append(b, packet...)
}

// deadliner is the part of a connection that a frameReader uses besides reading.
type deadliner interface{ SetReadDeadline(time.Time) error }

// frameReader reads packets from a connection.
type frameReader struct {
	r      *bufio.Reader
	conn   deadliner
	idle   time.Duration // between packets
	within time.Duration // from the first byte of a frame to its last
	large  *atomic.Int64 // bytes of large packets that are being read, of all connections

	deadline time.Time // that is set
	hurried  bool      // it is the one for the rest of the current frame
}

func newFrameReader(r io.Reader, conn deadliner, t *Transport) *frameReader {
	return &frameReader{r: bufio.NewReaderSize(r, readBuffer), conn: conn, idle: 2 * t.config.IdleTimeout,
		within: t.config.WriteTimeout, large: &t.largeBytes}
}

// next returns the next packet, in memory of its own.
func (f *frameReader) next() ([]byte, error) {
	f.hurried = false
	if err := f.await(); err != nil {
		return nil, err
	}
	if f.r.Buffered() < frameHeader {
		f.hurry()
	}
	header, err := f.r.Peek(frameHeader)
	if err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(header)
	if n == 0 || n > MaxPacket {
		return nil, fmt.Errorf("%w: %d bytes", errFrame, n)
	}
	if _, err := f.r.Discard(frameHeader); err != nil {
		return nil, err
	}
	if f.r.Buffered() < int(n) {
		f.hurry()
	}
	if n <= largeFrame {
		packet := make([]byte, n)
		_, err := io.ReadFull(f.r, packet)
		return packet, err
	}
	return f.readLarge(int(n))
}

// readLarge reads a packet in memory that grows with it.
func (f *frameReader) readLarge(n int) ([]byte, error) {
	defer f.large.Add(-int64(n))
	if f.large.Add(int64(n)) > largeBudget {
		return nil, errBudget
	}
	packet := make([]byte, 0, largeFrame)
	for len(packet) < n {
		packet = slices.Grow(packet, min(n-len(packet), max(largeFrame, len(packet))))
		at := len(packet)
		packet = packet[:min(n, cap(packet))]
		if _, err := io.ReadFull(f.r, packet[at:]); err != nil {
			return nil, err
		}
	}
	return packet, nil
}

// await waits for the first byte of a frame.
func (f *frameReader) await() error {
	if f.r.Buffered() > 0 {
		return nil
	}
	if now := time.Now(); f.deadline.Sub(now) < f.idle/2 {
		f.setDeadline(now.Add(f.idle))
	}
	_, err := f.r.Peek(1)
	return err
}

// hurry limits the time in which the rest of a frame has to arrive. The first call for a frame counts.
func (f *frameReader) hurry() {
	if !f.hurried {
		f.hurried = true
		f.setDeadline(time.Now().Add(f.within))
	}
}

func (f *frameReader) setDeadline(at time.Time) {
	f.deadline = at
	_ = f.conn.SetReadDeadline(at) // it fails for a closed connection, and then so does the read
}
