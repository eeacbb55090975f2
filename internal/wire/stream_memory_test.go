package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// reserve is called before memory is allocated, as bytes arrive: declared lengths do not count.
func TestStreamReserve(t *testing.T) {
	announce := []byte{0x81, 0xa5, 'E', 'r', 'r', 'o', 'r', 0xda, 0xff, 0x00} // declares 65280 bytes
	var asked int
	reserve := func(n int) error {
		if n <= 0 {
			t.Errorf("asked for %d", n)
		}
		asked += n
		return nil
	}
	if err := NewStreamReader(bytes.NewReader(announce), reserve).ReadMessage(new(Err)); !errors.Is(err, ErrTruncated) {
		t.Error(err)
	}
	if asked > streamBuffer {
		t.Errorf("asked for %d bytes though %d arrived", asked, len(announce))
	}
	frame := binary.BigEndian.AppendUint32(nil, MaxSealedFrame)
	asked = 0
	if _, err := NewStreamReader(bytes.NewReader(frame), reserve).OpenFrame(nil, ""); !errors.Is(err, ErrTruncated) {
		t.Error(err)
	}
	if asked > streamBuffer {
		t.Errorf("asked for %d bytes though %d arrived", asked, len(frame))
	}
}

// While a buffer grows there are two, of which one is returned.
func TestStreamReserveOfGrowth(t *testing.T) {
	const size = 10 << 20
	content := bytes.Repeat([]byte{1}, size)
	var c Compressor
	for _, tt := range []struct {
		name   string
		stream []byte
		read   func(s *StreamReader) error
		most   int // at any time
		after  int
	}{
		{"bytes", content, func(s *StreamReader) error {
			_, err := s.ReadN(size, size)
			return err
		}, 18 << 20, size},
		{"inflated bytes", c.Append(nil, content), func(s *StreamReader) error {
			s.ReadType()
			if err := s.Decompress(); err != nil {
				return err
			}
			_, err := s.ReadN(size, size)
			return err
		}, 25 << 20, 17 << 20},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var used, most int
			s := NewStreamReader(bytes.NewReader(tt.stream), func(n int) error {
				used += n
				most = max(most, used)
				return nil
			})
			if err := tt.read(s); err != nil {
				t.Fatal(err)
			}
			have := cap(s.buf) + cap(s.spare)
			if s.inflater != nil {
				have += inflaterSize
			}
			if used != have {
				t.Errorf("%d bytes are reserved, there are %d", used, have)
			}
			if most > tt.most || most < tt.most/2 || used > tt.after {
				t.Errorf("up to %d bytes were reserved, and %d after, want about %d and %d", most, used, tt.most, tt.after)
			}
		})
	}
}

// Wherever the budget ends, the read ends with its error.
func TestStreamBudget(t *testing.T) {
	full := errors.New("no more memory")
	c := testCipher(t, 16, 1)
	inner := compressMessage(t, pushPull(100, strings.Repeat("u", 30000)))
	frame := AppendSealedFrame(nil, c, SealVersion1, &testNonce, "", inner)
	read := func(budget int) (int, error) {
		left, least := budget, budget
		s := NewStreamReader(bytes.NewReader(frame[1:]), func(n int) error {
			if n > left {
				return full
			}
			left -= n
			least = min(least, left)
			return nil
		})
		if _, err := s.OpenFrame([]*Cipher{c}, ""); err != nil {
			return 0, err
		}
		if _, err := s.ReadType(); err != nil {
			return 0, err
		}
		if err := s.Decompress(); err != nil {
			return 0, err
		}
		_, _, err := readPushPull(s)
		return budget - least, err
	}
	needed, err := read(1 << 30)
	if err != nil {
		t.Fatal(err)
	}
	for budget := 0; budget < needed; budget += 997 {
		if _, err := read(budget); !errors.Is(err, full) {
			t.Fatalf("with %d of %d bytes: %v", budget, needed, err)
		}
	}
	if _, err := read(needed); err != nil {
		t.Error(err)
	}
}

// Declared bytes cost nothing before they arrive.
func TestReadStatesMemory(t *testing.T) {
	in := pushPull(100, "")
	asked := 0
	s := NewStreamReader(bytes.NewReader(in), func(n int) error { asked += n; return nil })
	if _, err := s.ReadType(); err != nil {
		t.Fatal(err)
	}
	if err := s.ReadMessage(new(PushPullHeader)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ReadStates(MaxPushPullNodes); !errors.Is(err, ErrTruncated) {
		t.Fatal(err)
	}
	if limit := 2*len(in) + streamBuffer; asked > limit {
		t.Errorf("asked for %d bytes for 100 states in %d, more than %d", asked, len(in), limit)
	}
}

// Reading one stream after the other, with any layers, allocates nothing once warm.
func TestStreamAllocs(t *testing.T) {
	c := testCipher(t, 16, 1)
	in := AppendSealedFrame(nil, c, SealVersion1, &testNonce, "label", compressMessage(t, pushPull(10000, "")))
	s, r, ciphers := new(StreamReader), new(bytes.Reader), []*Cipher{c}
	var header PushPullHeader
	allocs := testing.AllocsPerRun(5, func() {
		r.Reset(in)
		s.Reset(r, nil)
		var err error
		step := func(next error) { err = errors.Join(err, next) }
		readType := func() { _, next := s.ReadType(); step(next) }
		readType()
		_, next := s.OpenFrame(ciphers, "label")
		step(next)
		readType()
		step(s.Decompress())
		readType()
		step(s.ReadMessage(&header))
		states, next := s.ReadStates(header.Nodes)
		step(next)
		if err != nil || states.Len() != 10000 {
			t.Fatal(states.Len(), err)
		}
	})
	if allocs > 1 { // the additional data of the frame
		t.Errorf("%v allocations for 10000 states", allocs)
	}
}

// A value of many small parts that arrives slowly costs no more work than one that arrives at once: this takes
// minutes if each byte restarts the scan.
func TestStreamTrickle(t *testing.T) {
	in := []byte{0x82, 0xa1, 'x', mpArray16, 0xf0, 0x00}
	in = append(in, bytes.Repeat([]byte{0x01}, 0xf000)...)
	in = append(in, 0xa5, 'E', 'r', 'r', 'o', 'r', 0xa2, 'n', 'o')
	var m Err
	if err := NewStreamReader(iotest.OneByteReader(bytes.NewReader(in)), nil).ReadMessage(&m); err != nil || m.Error != "no" {
		t.Error(m, err)
	}
}

// The buffer of a reader of small messages stays small, however long the stream.
func TestStreamBufferStaysSmall(t *testing.T) {
	state := testState(1).Append(nil)
	s := NewStreamReader(bytes.NewReader(slices.Repeat(state, 20000)), nil)
	for range 20000 {
		var m PushNodeState
		if err := s.ReadMessage(&m); err != nil {
			t.Fatal(err)
		}
	}
	if cap(s.buf) > 2*streamBuffer {
		t.Errorf("the buffer is %d bytes", cap(s.buf))
	}
}

// Opening a large frame takes its size twice, sealed and opened, and what doubling costs.
func TestOpenFrameMemory(t *testing.T) {
	c := testCipher(t, 16, 1)
	const size = 4 << 20
	frame := AppendSealedFrame(nil, c, SealVersion1, &testNonce, "", make([]byte, size))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s := NewStreamReader(bytes.NewReader(frame[1:]), nil)
	_, err := s.OpenFrame([]*Cipher{c}, "")
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 5*size {
		t.Errorf("allocated %d bytes for a frame of %d", got, size)
	}
	if b, err := s.ReadN(size, size); len(b) != size || err != nil {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}
