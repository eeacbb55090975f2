package recorder

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"reflect"
	"testing"
	"time"
)

type inner struct {
	N    int64
	Text string
}

type everything struct {
	Bool    bool
	Int     int
	U8      uint8
	U32     uint32
	Text    string
	Bytes   []byte
	Meta    []byte
	Array   [3]byte
	Numbers []uint16
	Inner   inner
	To      *inner
	Map     map[string]inner
	At      time.Time
	Addr    netip.Addr
	Err     error
	left    int
}

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func codecOf[T any](t testing.TB, rules Rules) Encoding[T] {
	t.Helper()
	c, err := NewCodec(rules, reflect.TypeFor[T]())
	if err != nil {
		t.Fatal(err)
	}
	return EncodingOf[T](c)
}

func anyOne() everything {
	return everything{Bool: true, Int: -5, U8: 7, U32: 1 << 30, Text: "text", Bytes: []byte{1, 2}, Meta: []byte("metadata"), Array: [3]byte{3, 2, 1},
		Numbers: []uint16{1, 500}, Inner: inner{N: -1, Text: "x"}, To: &inner{N: 2}, Map: map[string]inner{"b": {N: 1}, "a": {N: 2}},
		At: start.Add(time.Second), Addr: netip.MustParseAddr("fe80::1%eth0"), Err: io.EOF, left: 9}
}

// TestCodec encodes and decodes a value with fields of all kinds, and each part of its bytes: that is an error.
func TestCodec(t *testing.T) {
	x := codecOf[everything](t, Rules{})
	v := anyOne()
	e := Encoder{Base: start}
	x.Append(&e, &v)
	var got everything
	if err := x.Read(NewDecoder(e.Buf, start, false), &got); err != nil {
		t.Fatal(err)
	}
	if got.Err == nil || got.Err.Error() != v.Err.Error() {
		t.Errorf("the error is %v", got.Err)
	}
	if got.Err = v.Err; !reflect.DeepEqual(got, v) {
		t.Errorf("got %+v\nwant %+v", got, v)
	}
	for n := range e.Buf {
		var part everything
		if err := x.Read(NewDecoder(e.Buf[:n], start, false), &part); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%d of %d bytes: %v", n, len(e.Buf), err)
		}
	}
	var zero, none everything
	e.Buf = nil
	x.Append(&e, &zero)
	if err := x.Read(NewDecoder(e.Buf, start, false), &none); err != nil || !reflect.DeepEqual(zero, none) {
		t.Errorf("%+v, %v", none, err)
	}
}

// TestCodecSkips: a field that is left out is zero afterwards. A type that has no encoding is an error.
func TestCodecSkips(t *testing.T) {
	x := codecOf[everything](t, Rules{Skip: map[reflect.Type][]string{reflect.TypeFor[everything](): {"left", "Text"}}})
	v := anyOne()
	e := Encoder{Base: start}
	x.Append(&e, &v)
	var got everything
	if err := x.Read(NewDecoder(e.Buf, start, false), &got); err != nil || got.left != 0 || got.Text != "" || got.Int != v.Int {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := NewCodec(Rules{}, reflect.TypeFor[struct{ F func() }]()); !errors.Is(err, ErrType) {
		t.Error(err)
	}
}

// TestDefer: parts of an encoding that are made later are at their places, each time.
func TestDefer(t *testing.T) {
	var e Encoder
	e.Defer(func(e *Encoder) { e.Text("a") })
	e.Text("b")
	e.Defer(func(*Encoder) {})
	e.Defer(func(e *Encoder) { e.Text("c") })
	e.Text("d")
	for range 2 {
		if got := string(e.Finish()); got != "\x01a\x01b\x01c\x01d" {
			t.Errorf("%q", got)
		}
	}
}

type node struct {
	Next *node
	In   *inner
	Own  inner
}

// TestReferences: pointers to one value are that afterwards, in a circle and into another value too.
func TestReferences(t *testing.T) {
	x := codecOf[node](t, Rules{References: true})
	other := &node{}
	v := node{Next: other, In: &other.Own}
	other.Next, other.In, other.Own.N = other, &other.Own, 5
	var e Encoder
	x.Append(&e, &v)
	if e.Err() != nil {
		t.Fatal(e.Err())
	}
	var got node
	if err := x.Read(NewDecoder(e.Buf, start, false), &got); err != nil {
		t.Fatal(err)
	}
	if o := got.Next; o == nil || o.Next != o || o.In != &o.Own || got.In != &o.Own || o.Own.N != 5 {
		t.Errorf("%+v", got)
	}
	for n := range e.Buf {
		if err := x.Read(NewDecoder(e.Buf[:n], start, false), new(node)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%d of %d bytes: %v", n, len(e.Buf), err)
		}
	}
}

// TestWithheld: metadata that is withheld is not in the bytes, and has the same length and checksum afterwards.
func TestWithheld(t *testing.T) {
	x := codecOf[everything](t, Rules{Withheld: []string{"meta"}})
	for n := range 300 {
		v := everything{Meta: bytes.Repeat([]byte{'m', byte(n), 0xff}, 100)[:n]}
		e := Encoder{Base: start, Withhold: true}
		x.Append(&e, &v)
		if n > 4 && bytes.Contains(e.Buf, v.Meta[:5]) {
			t.Errorf("%d bytes are in it", n)
		}
		var got everything
		if err := x.Read(NewDecoder(e.Buf, start, true), &got); err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if len(got.Meta) != n || Checksum(0, got.Meta) != Checksum(0, v.Meta) {
			t.Errorf("%d bytes: %q", n, got.Meta)
		}
	}
}

// TestFiller: there are bytes for each checksum from a length of four on, and none for a wrong one below.
func TestFiller(t *testing.T) {
	for _, sum := range []uint32{0, 1, 1 << 31, ^uint32(0), 0xdeadbeef} {
		for n := range 20 {
			if b, ok := filler(n, sum); n >= 4 && (!ok || len(b) != n || Checksum(0, b) != sum) {
				t.Errorf("%d bytes of %x: %x, %v", n, sum, b, ok)
			}
		}
	}
	if _, ok := filler(2, 0xdeadbeef); ok {
		t.Error("two bytes have any checksum")
	}
	// Many claims of metadata: what is made is bounded by the bytes that are read.
	var e Encoder
	for range 1000 {
		e.Uvarint(32<<10 + 1)
		e.Buf = append(e.Buf, 1, 2, 3, 4)
	}
	made, d := 0, NewDecoder(e.Buf, start, true)
	for d.Err() == nil {
		made += len(d.Metadata())
	}
	if most := leastFiller + maxFiller*len(e.Buf); made == 0 || made > most || !errors.Is(d.Err(), ErrCorrupt) {
		t.Errorf("%d bytes of at most %d, %v", made, most, d.Err())
	}
}

// TestRing: the bytes of at least one whole segment are kept, each segment with its checkpoint; a File does not change afterwards.
func TestRing(t *testing.T) {
	const size = 128
	r := NewRing(size)
	r.SetHeader([]byte("header"))
	var all []byte
	var began []int // the length of all at the beginning of each segment
	var early *File
	for i := range 1000 {
		b := r.Buffer()
		for range i % 40 { // now and then more than a segment's memory
			b, all = append(b, byte(i)), append(all, byte(i))
		}
		r.Commit(b)
		if i == 10 {
			early = r.File()
		}
		if r.Full() {
			checkpoint := binary.LittleEndian.AppendUint32(nil, uint32(len(all)))
			r.Begin(func() []byte { return checkpoint })
			began = append(began, len(all))
		}
		var got []byte
		f := r.File()
		for _, s := range f.Segments {
			got = append(got, s.Calls...)
		}
		if !bytes.HasSuffix(all, got) || len(got) < min(len(all), size/2) || len(f.Segments) > maxSegments || string(f.Header) != "header" {
			t.Fatalf("step %d: %d bytes of %d in %d segments", i, len(got), len(all), len(f.Segments))
		}
		if n := len(began); n > 0 && binary.LittleEndian.Uint32(f.Segments[len(f.Segments)-1].Checkpoint) != uint32(began[n-1]) {
			t.Fatalf("step %d: wrong checkpoint", i)
		}
	}
	if len(early.Segments) != 1 || !bytes.HasPrefix(all, early.Segments[0].Calls) || len(early.Segments[0].Checkpoint) > 0 {
		t.Errorf("the early file has changed: %+v", early)
	}
}

// TestRingWhileItIsWritten takes files while another goroutine appends.
func TestRingWhileItIsWritten(t *testing.T) {
	r, done := NewRing(256), make(chan struct{})
	go func() {
		defer close(done)
		for i := range 5000 {
			r.Commit(append(r.Buffer(), byte(i)))
			if r.Full() {
				r.Begin(func() []byte { return []byte{byte(i + 1)} })
			}
		}
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		for _, s := range r.File().Segments {
			first := byte(0)
			if len(s.Checkpoint) > 0 {
				first = s.Checkpoint[0]
			}
			for i, b := range s.Calls {
				if b != first+byte(i) {
					t.Fatalf("byte %d after checkpoint %d is %d", i, first, b)
				}
			}
		}
	}
}

func anyFile() *File {
	return &File{Header: []byte("header"), Segments: []Segment{{Calls: []byte("calls")}, {Checkpoint: []byte("state"), Calls: []byte("more")}}}
}

func fileBytes(t testing.TB, f *File) []byte {
	t.Helper()
	var b bytes.Buffer
	if n, err := f.WriteTo(&b); err != nil || n != int64(b.Len()) {
		t.Fatal(n, err)
	}
	return b.Bytes()
}

// TestFile reads what was written, and refuses each part of it, each change of a byte, and more bytes.
func TestFile(t *testing.T) {
	b := fileBytes(t, anyFile())
	f, err := Read(b)
	if err != nil || !bytes.Equal(fileBytes(t, f), b) || len(f.Segments) != 2 || string(f.Segments[1].Checkpoint) != "state" {
		t.Fatalf("%+v, %v", f, err)
	}
	for i := range b {
		if _, err := Read(b[:i]); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%d of %d bytes: %v", i, len(b), err)
		}
		changed := bytes.Clone(b)
		changed[i] ^= 4
		if _, err := Read(changed); !errors.Is(err, ErrCorrupt) && !(i == len(magic) && errors.Is(err, ErrVersion)) {
			t.Errorf("byte %d changed: %v", i, err)
		}
	}
	if _, err := Read(append(bytes.Clone(b), 0)); !errors.Is(err, ErrCorrupt) {
		t.Error(err)
	}
	three := anyFile()
	three.Segments = append(three.Segments, Segment{})
	if _, err := Read(fileBytes(t, three)); !errors.Is(err, ErrCorrupt) {
		t.Error(err)
	}
	full := errors.New("full")
	if _, err := anyFile().WriteTo(failingWriter{full}); !errors.Is(err, full) {
		t.Error(err)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

// TestFields: fields come back by their names; a field that is unknown is left out, and a number that is none an error.
func TestFields(t *testing.T) {
	type config struct {
		N     int
		On    bool
		Small uint8
		In    inner
		F     func()
	}
	v := config{N: -3, On: true, Small: 200, In: inner{N: 4, Text: "x"}}
	var got config
	if err := SetFields(&got, append(Fields(v), Field{"Unknown", "1"})); err != nil || !reflect.DeepEqual(got, v) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, f := range []Field{{"N", "x"}, {"On", ""}, {"Small", "256"}, {"In.N", "1.5"}} {
		if err := SetFields(&got, []Field{f}); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%v: %v", f, err)
		}
	}
}

// FuzzRead reads any bytes: that is an error, or a file that is the same when it is written again.
func FuzzRead(f *testing.F) {
	b := fileBytes(f, anyFile())
	f.Add(b)
	f.Add(b[:len(b)/2])
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := Read(b)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrVersion) {
				t.Fatal(err)
			}
			return
		}
		if !bytes.Equal(fileBytes(t, file), b) {
			t.Error("another file when it is written")
		}
	})
}
