package tcptransport

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"
)

// noDeadline is a connection that is only read.
type noDeadline struct{}

func (noDeadline) SetReadDeadline(time.Time) error { return nil }

// frames returns a reader of frames in memory.
func frames(r io.Reader, large *atomic.Int64) *frameReader {
	t := &Transport{config: Config{}.withDefaults()}
	f := newFrameReader(r, noDeadline{}, t)
	f.large = large
	return f
}

func TestFrames(t *testing.T) {
	var b []byte
	sizes := []int{1, 3, 1400, readBuffer - frameHeader, readBuffer, largeFrame, largeFrame + 1, 300_000, MaxPacket, 5}
	for i, n := range sizes {
		b = appendFrame(b, bytes.Repeat([]byte{byte(i)}, n))
	}
	if want := []byte{0, 0, 0, 1, 0, 0, 0, 0, 3, 1, 1, 1}; !bytes.HasPrefix(b, want) {
		t.Errorf("got % x, want % x", b[:len(want)], want)
	}
	for name, r := range map[string]io.Reader{
		"whole":            bytes.NewReader(b),
		"halves":           iotest.HalfReader(bytes.NewReader(b)),
		"data with errors": iotest.DataErrReader(bytes.NewReader(b)),
	} {
		t.Run(name, func(t *testing.T) {
			var large atomic.Int64
			f := frames(r, &large)
			for i, n := range sizes {
				packet, err := f.next()
				if err != nil || len(packet) != n || packet[0] != byte(i) || packet[n-1] != byte(i) {
					t.Fatalf("packet %d: got %d bytes, %v, want %d", i, len(packet), err, n)
				}
			}
			if _, err := f.next(); err != io.EOF {
				t.Errorf("got error %v, want %v", err, io.EOF)
			}
			if large.Load() != 0 {
				t.Errorf("%d bytes of the budget are not returned", large.Load())
			}
		})
	}
}

func TestMalformedFrames(t *testing.T) {
	for _, n := range []uint32{0, MaxPacket + 1, 1 << 31, 1<<32 - 1} {
		b := append(binary.BigEndian.AppendUint32(nil, n), "some bytes"...)
		if _, err := frames(bytes.NewReader(b), new(atomic.Int64)).next(); !errors.Is(err, errFrame) {
			t.Errorf("length %d: got error %v, want %v", n, err, errFrame)
		}
	}
	whole := appendFrame(nil, make([]byte, 100))
	for n := 1; n < len(whole); n++ {
		_, err := frames(bytes.NewReader(whole[:n]), new(atomic.Int64)).next()
		if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d bytes: got error %v", n, err)
		}
	}
}

// TestFrameMemory: a length sizes no allocation beyond what has arrived, and large packets share a budget.
func TestFrameMemory(t *testing.T) {
	b := append(binary.BigEndian.AppendUint32(nil, MaxPacket), make([]byte, 10)...)
	var large atomic.Int64
	result := testing.Benchmark(func(b0 *testing.B) {
		for b0.Loop() {
			if _, err := frames(bytes.NewReader(b), &large).next(); err == nil {
				b0.Fatal("no error")
			}
		}
	})
	if got := result.AllocedBytesPerOp(); got > 3*largeFrame {
		t.Errorf("%d bytes are allocated for a packet of which 10 have arrived, want at most %d", got, 3*largeFrame)
	}
	large.Store(largeBudget - MaxPacket + 1)
	if _, err := frames(bytes.NewReader(b), &large).next(); !errors.Is(err, errBudget) {
		t.Errorf("got error %v, want %v", err, errBudget)
	}
	if got := large.Load(); got != largeBudget-MaxPacket+1 {
		t.Errorf("the budget is %d afterwards", got)
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(appendFrame(appendFrame(nil, []byte("a")), make([]byte, 3000)))
	f.Add(binary.BigEndian.AppendUint32(nil, MaxPacket))
	f.Add([]byte{0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := frames(iotest.OneByteReader(bytes.NewReader(b)), new(atomic.Int64))
		var again []byte
		for {
			packet, err := r.next()
			if err != nil {
				break
			}
			again = appendFrame(again, packet)
		}
		if !bytes.HasPrefix(b, again) {
			t.Errorf("got the packets of % x from % x", again, b)
		}
	})
}
