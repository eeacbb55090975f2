package lzw

import (
	"bytes"
	"compress/lzw"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// reference compresses with compress/lzw.
func reference(t testing.TB, src []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := lzw.NewWriter(&out, lzw.LSB, 8)
	if _, err := w.Write(src); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// decodeReference decompresses with compress/lzw. The error is nil at the end.
func decodeReference(src []byte) ([]byte, error) {
	return io.ReadAll(lzw.NewReader(bytes.NewReader(src), lzw.LSB, 8))
}

// decode decompresses with a new or a used decoder, into arrays that grow by room bytes.
func decode(d *Decoder, prefix string, src []byte, room int) ([]byte, error) {
	d.Reset(src)
	dst := []byte(prefix)
	dst = dst[:len(dst):len(dst)]
	for {
		out, err := d.Append(dst)
		if errors.Is(err, io.EOF) {
			return out[len(prefix):], nil
		}
		if err != nil {
			return out[len(prefix):], err
		}
		if len(out) < cap(out) {
			return nil, fmt.Errorf("stopped at %d of %d bytes without a reason", len(out), cap(out))
		}
		dst = make([]byte, len(out), len(out)+room)
		copy(dst, out)
	}
}

// noise returns n random bytes below limit: with 256, nearly every byte is a code of its own.
func noise(n int, limit uint32) []byte {
	r := rand.New(rand.NewPCG(1, uint64(limit)))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32N(limit))
	}
	return b
}

// inputs cross each boundary twice: of the code widths (254, 766 and 1790 codes added) and of the table (3838).
func inputs() map[string][]byte {
	in := map[string][]byte{
		"nothing":        nil,
		"one byte":       {0},
		"text":           []byte(strings.Repeat("the quick brown fox jumps over the lazy dog. ", 3000)),
		"much noise":     noise(100_000, 256),
		"zeros":          make([]byte, 3839*3840/2+1), // as much as one table can hold
		"much of little": noise(100_000, 3),
	}
	for _, boundary := range []int{2, 254, 255, 256, 257, 258, 766, 767, 1790, 1791, 3837, 3838, 3839, 2 * 3838} {
		for n := boundary - 2; n <= boundary+3; n++ {
			in[fmt.Sprintf("%d bytes of noise", n)] = noise(n, 256)
			if zeros := n * (n + 1) / 2; boundary < 1000 {
				in[fmt.Sprintf("%d codes of zeros", n)] = make([]byte, zeros)
				in[fmt.Sprintf("%d codes of zeros and one", n)] = append(make([]byte, zeros), 1)
			}
		}
	}
	return in
}

// TestEqual compares both directions with compress/lzw, with one Encoder and one Decoder for all inputs: no state may
// be left over.
func TestEqual(t *testing.T) {
	var e Encoder
	var d Decoder
	for name, src := range inputs() {
		want := reference(t, src)
		got := e.Append([]byte("before"), src)
		if !bytes.Equal(got, append([]byte("before"), want...)) {
			t.Errorf("%s: %d bytes differ from the reference's %d", name, len(got)-len("before"), len(want))
			continue
		}
		for _, room := range []int{len(src) + 1, len(src)/5 + 1} {
			back, err := decode(&d, "before", want, room)
			if err != nil || !bytes.Equal(back, src) {
				t.Errorf("%s: %d of %d bytes come back, %v", name, len(back), len(src), err)
			}
		}
	}
}

// TestWithin: AppendWithin gives up exactly when the result is longer than allowed, and leaves dst as it was.
func TestWithin(t *testing.T) {
	var e Encoder
	for _, n := range []int{0, 1, 5, 30, 300, 5000, 20000} {
		src := noise(n, 200)
		want := reference(t, src)
		for _, limit := range []int{-1, 0, 1, len(want) - 5, len(want) - 1, len(want), len(want) + 1, math.MaxInt} {
			for _, room := range []int{0, 1 << 16} {
				dst := append(make([]byte, 0, len("before")+room), "before"...)
				got, ok := e.AppendWithin(dst, src, limit)
				if ok != (len(want) <= limit) {
					t.Errorf("%d bytes to at most %d: %v, the result has %d", n, limit, ok, len(want))
				}
				if !ok {
					want = nil
				}
				if string(got) != "before"+string(want) {
					t.Errorf("%d bytes to at most %d: got %d bytes, want %d", n, limit, len(got), len("before")+len(want))
				}
				want = reference(t, src)
			}
		}
	}
}

// TestGivesUpEarly: incompressible input takes no memory beyond the limit.
func TestGivesUpEarly(t *testing.T) {
	var e Encoder
	src := noise(100_000, 256)
	dst := make([]byte, 0, 1000+3*wordSize)
	allocations := testing.AllocsPerRun(10, func() {
		if _, ok := e.AppendWithin(dst, src, 1000); ok {
			t.Fatal("much noise fits in 1000 bytes")
		}
	})
	if allocations > 0 {
		t.Errorf("%v allocations with room for all that is allowed", allocations)
	}
}

// TestDecoderRoom: the end and every error are found with no room left, and nothing is written beyond the capacity.
func TestDecoderRoom(t *testing.T) {
	src := []byte(strings.Repeat("abcabcabcabcabd", 40))
	packed := reference(t, src)
	var d Decoder
	for room := 0; room <= len(src)+20; room++ {
		array := bytes.Repeat([]byte{0xee}, room+20)
		d.Reset(packed)
		out, err := d.Append(array[:0:room])
		if !bytes.Equal(out, src[:min(room, len(src))]) {
			t.Fatalf("room for %d: got %q", room, out)
		}
		if wantEnd := room >= len(src); wantEnd != errors.Is(err, io.EOF) || !wantEnd && err != nil {
			t.Fatalf("room for %d of %d bytes: %v", room, len(src), err)
		}
		if !bytes.Equal(array[room:], bytes.Repeat([]byte{0xee}, 20)) {
			t.Fatalf("room for %d: written beyond", room)
		}
		again, err2 := d.Append(out[:len(out):len(out)])
		if len(again) != len(out) || !errors.Is(err2, err) {
			t.Fatalf("room for %d: then %d bytes, %v; before %d, %v", room, len(again), err2, len(out), err)
		}
	}
}

// TestErrors compares the errors for malformed input with those of compress/lzw, every prefix of a good input
// included.
func TestErrors(t *testing.T) {
	text := reference(t, []byte(strings.Repeat("memberlist ", 100)))
	tests := map[string][]byte{
		"nothing":                  {},
		"a code of itself at once": {0x02, 0x01}, // 258 before any other
		"clear again and again":    bytes.Repeat([]byte{0x00, 0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80}, 9),
		"ones":                     bytes.Repeat([]byte{0xff}, 20),
		"no clear in front":        {0x41, 0x02, 0x02},
		"garbage after the end":    append(reference(t, []byte("some")), 1, 2, 3, 4, 5, 6, 7, 8, 9),
		"the table full, no clear": longWithoutClear(),
	}
	for n := range text {
		tests[fmt.Sprintf("%d of %d bytes", n, len(text))] = text[:n]
	}
	var d Decoder
	for name, src := range tests {
		assertDecodesEqually(t, &d, name, src)
	}
	if _, err := new(Decoder).Append(nil); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a decoder of nothing: %v", err)
	}
}

// longWithoutClear goes on after the table is full, which compress/lzw does not write but reads.
func longWithoutClear() []byte {
	w := codeWriter{end: 1 << 30, width: startWidth, last: endCode}
	r := rand.New(rand.NewPCG(3, 4))
	w.put(clearCode)
	next := uint32(endCode)
	for range 6000 {
		code := r.Uint32N(next + 1) // now and then the code that is being added
		if code == clearCode || code == endCode || next == endCode && code > 255 {
			code = 7
		}
		w.put(code)
		if next < numCodes-1 {
			next++
		}
		if next == 1<<w.width && w.width < maxWidth {
			w.width++
		}
	}
	w.put(endCode)
	out, _ := w.finish(0)
	return out
}

func assertDecodesEqually(t *testing.T, d *Decoder, name string, src []byte) {
	t.Helper()
	want, wantErr := decodeReference(src)
	for _, room := range []int{1, 7, 1 << 16} {
		got, err := decode(d, "before", src, room)
		if !bytes.Equal(got, want) || class(err) != class(wantErr) {
			t.Errorf("%s, %x, room for %d: got %d bytes, %v; want %d bytes, %v", name, src[:min(len(src), 40)], room,
				len(got), err, len(want), wantErr)
		}
	}
}

// class maps the errors of both packages to one name.
func class(err error) string {
	switch {
	case err == nil:
		return "none"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "cut off"
	case err.Error() == ErrCode.Error():
		return "invalid code"
	default:
		return err.Error()
	}
}

func FuzzEncode(f *testing.F) {
	for _, src := range inputs() {
		if len(src) <= 8192 {
			f.Add(src, 100)
		}
	}
	var e Encoder
	var d Decoder
	f.Fuzz(func(t *testing.T, src []byte, limit int) {
		want := reference(t, src)
		if got := e.Append(nil, src); !bytes.Equal(got, want) {
			t.Fatalf("%x becomes %x, want %x", src, got, want)
		}
		limit %= 2*len(want) + 1
		if got, ok := e.AppendWithin(nil, src, limit); ok != (len(want) <= limit) || ok && !bytes.Equal(got, want) {
			t.Fatalf("%x within %d becomes %x, %v, want %x", src, limit, got, ok, want)
		}
		if back, err := decode(&d, "", want, 100); err != nil || !bytes.Equal(back, src) {
			t.Fatalf("%x comes back as %x, %v", src, back, err)
		}
	})
}

func FuzzDecode(f *testing.F) {
	for _, src := range inputs() {
		if len(src) <= 8192 {
			f.Add(reference(f, src))
		}
	}
	f.Add(longWithoutClear())
	var d Decoder
	f.Fuzz(func(t *testing.T, src []byte) {
		// Callers limit the output of such a bomb; here it would only cost time.
		if len(src) > 1<<14 {
			return
		}
		assertDecodesEqually(t, &d, "fuzz", src)
	})
}

func TestAllocs(t *testing.T) {
	var e Encoder
	var d Decoder
	src := noise(1400, 20)
	packed := e.Append(nil, src)
	buf := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { buf = e.Append(buf[:0], src) }); n != 0 {
		t.Errorf("encoding: %v allocations", n)
	}
	dense, small := noise(100, 256), make([]byte, 0, 8)
	if n := testing.AllocsPerRun(100, func() { small, _ = e.AppendWithin(small[:0], dense, len(dense)-1) }); n != 0 {
		t.Errorf("giving up: %v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() {
		d.Reset(packed)
		buf, _ = d.Append(buf[:0])
	}); n != 0 {
		t.Errorf("decoding: %v allocations", n)
	}
}
