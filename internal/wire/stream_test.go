package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

// readers are the ways in which a stream may arrive.
var readers = map[string]func(io.Reader) io.Reader{
	"at once":      func(r io.Reader) io.Reader { return r },
	"byte by byte": iotest.OneByteReader,
	"in halves":    iotest.HalfReader,
	"data and EOF": iotest.DataErrReader,
}

func testState(i int) *PushNodeState {
	return &PushNodeState{
		Name: fmt.Sprint("node-", i), Addr: []byte{10, 0, byte(i >> 8), byte(i)}, Port: 7946, Meta: []byte(fmt.Sprint("meta-", i)),
		Incarnation: uint32(i), State: i % 4, Vsn: []byte{1, 5, 2, 0, 0, 0},
	}
}

// pushPull is a whole push/pull message.
func pushPull(nodes int, userState string) []byte {
	header := &PushPullHeader{Nodes: nodes, UserStateLen: len(userState), Join: true}
	b := header.Append(nil)
	for i := range nodes {
		b = testState(i).Append(b)
	}
	return append(b, userState...)
}

// readPushPull reads the message of pushPull.
func readPushPull(s *StreamReader) (states []PushNodeState, userState []byte, err error) {
	t, err := s.ReadType()
	if err != nil {
		return nil, nil, err
	}
	if t != TypePushPull {
		return nil, nil, fmt.Errorf("type %v: %w", t, ErrUnknownType)
	}
	var header PushPullHeader
	if err := s.ReadMessage(&header); err != nil {
		return nil, nil, err
	}
	if err := header.Validate(); err != nil {
		return nil, nil, err
	}
	read, err := s.ReadStates(header.Nodes)
	if err != nil {
		return nil, nil, err
	}
	userState, err = s.ReadN(header.UserStateLen, MaxUserState)
	return read.Take(read.Len()), userState, err
}

func checkPushPull(t *testing.T, s *StreamReader, nodes int, userState string) {
	t.Helper()
	states, user, err := readPushPull(s)
	if err != nil {
		t.Fatal(err)
	}
	if len(states) != nodes || string(user) != userState {
		t.Fatalf("%d states, %d bytes of user state", len(states), len(user))
	}
	for i := range states {
		if want := testState(i); !reflect.DeepEqual(&states[i], want) {
			t.Errorf("state %d: %+v, want %+v", i, states[i], want)
		}
	}
	if _, err := s.ReadType(); err != io.EOF { // unwrapped, as documented
		t.Errorf("at the end: %v", err)
	}
}

func TestStreamPushPull(t *testing.T) {
	c := testCipher(t, 16, 1)
	user := strings.Repeat("user state ", 1000)
	plain := pushPull(300, user)
	var comp Compressor
	compressed := comp.Append(nil, plain)
	for name, wrap := range readers {
		t.Run(name, func(t *testing.T) {
			t.Run("plain", func(t *testing.T) {
				checkPushPull(t, NewStreamReader(wrap(bytes.NewReader(plain)), nil), 300, user)
			})
			t.Run("compressed", func(t *testing.T) {
				checkPushPull(t, decompress(t, NewStreamReader(wrap(bytes.NewReader(compressed)), nil)), 300, user)
			})
			for _, version := range []uint8{SealVersion0, SealVersion1} {
				for layer, message := range map[string][]byte{"sealed": plain, "sealed, compressed": compressed} {
					t.Run(fmt.Sprintf("%s, version %d", layer, version), func(t *testing.T) {
						frame := AppendSealedFrame(nil, c, version, &testNonce, "label", message)
						s := openFrame(t, NewStreamReader(wrap(bytes.NewReader(frame)), nil), c, "label")
						if message[0] == byte(TypeCompress) {
							s = decompress(t, s)
						}
						checkPushPull(t, s, 300, user)
					})
				}
			}
		})
	}
}

func openFrame(t *testing.T, s *StreamReader, c *Cipher, label string) *StreamReader {
	t.Helper()
	if kind, err := s.ReadType(); kind != TypeEncrypt || err != nil {
		t.Fatal(kind, err)
	}
	if used, err := s.OpenFrame([]*Cipher{testCipher(t, 32, 9), c}, label); err != nil || used != 1 {
		t.Fatal(used, err)
	}
	return s
}

func decompress(t *testing.T, s *StreamReader) *StreamReader {
	t.Helper()
	if kind, err := s.ReadType(); kind != TypeCompress || err != nil {
		t.Fatal(kind, err)
	}
	if err := s.Decompress(); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSealedFrameBytes(t *testing.T) {
	c := testCipher(t, 16, 1)
	got := AppendSealedFrame([]byte("before"), c, SealVersion1, &testNonce, "label", []byte("plain"))
	header := []byte{10, 0, 0, 0, 34}
	want := append([]byte("before"), header...)
	want = c.AppendSealed(want, SealVersion1, &testNonce, []byte("plain"), append(header, "label"...))
	if !bytes.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
}

// Every truncation of a stream is ErrTruncated.
func TestStreamCutOff(t *testing.T) {
	plain := pushPull(3, "user")
	for n := range plain {
		_, _, err := readPushPull(NewStreamReader(bytes.NewReader(plain[:n]), nil))
		if n == 0 {
			if err != io.EOF { // unwrapped, as documented
				t.Errorf("nothing: %v", err)
			}
			continue
		}
		if !errors.Is(err, ErrTruncated) || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("the first %d bytes: %v", n, err)
		}
	}
	c := testCipher(t, 16, 1)
	frame := AppendSealedFrame(nil, c, SealVersion0, &testNonce, "", []byte("plain"))
	for n := 1; n < len(frame); n++ {
		s := NewStreamReader(bytes.NewReader(frame[1:n]), nil)
		if _, err := s.OpenFrame([]*Cipher{c}, ""); !errors.Is(err, ErrTruncated) {
			t.Errorf("frame, the first %d bytes: %v", n, err)
		}
	}
	packed := compressMessage(t, plain)
	for n := 1; n < len(packed); n++ {
		s := NewStreamReader(bytes.NewReader(packed[1:n]), nil)
		if err := s.Decompress(); !errors.Is(err, ErrTruncated) {
			t.Errorf("compress, the first %d bytes: %v", n, err)
		}
	}
}

func TestStreamRefuses(t *testing.T) {
	c := testCipher(t, 16, 1)
	frame := func(plain []byte) []byte { return AppendSealedFrame(nil, c, SealVersion1, &testNonce, "", plain)[1:] }
	open := func(s *StreamReader) error { _, err := s.OpenFrame([]*Cipher{c}, ""); return err }
	inflate := (*StreamReader).Decompress
	inflateTo := func(limit int) func(s *StreamReader) error {
		return func(s *StreamReader) error { return s.decompress(limit) }
	}
	header := func(s *StreamReader) error { return s.ReadMessage(new(PushPullHeader)) }
	openTwice := func(s *StreamReader) error {
		if err := open(s); err != nil {
			return fmt.Errorf("the outer one: %v", err)
		}
		if _, err := s.ReadType(); err != nil {
			return fmt.Errorf("the type: %v", err)
		}
		return open(s)
	}
	inflateThen := func(then func(*StreamReader) error) func(*StreamReader) error {
		return func(s *StreamReader) error {
			if err := s.Decompress(); err != nil {
				return fmt.Errorf("the outer one: %v", err)
			}
			if _, err := s.ReadType(); err != nil {
				return fmt.Errorf("the type: %v", err)
			}
			return then(s)
		}
	}
	tests := []struct {
		name string
		in   []byte // after the type byte
		read func(*StreamReader) error
		want error
	}{
		// An encrypted stream with empty plaintext, and a compressed one, made a peer's node panic
		// (hashicorp/memberlist#369).
		{"empty frame", frame(nil), open, ErrTruncated},
		{"empty compress", compressMessage(t, nil)[1:], inflate, ErrTruncated},
		{"frame of nothing", []byte{0, 0, 0, 0}, open, ErrDecrypt},
		{"large frame", []byte{1, 0x40, 0, 1}, open, ErrTooLarge},
		{"largest frame", []byte{255, 255, 255, 255}, open, ErrTooLarge},
		{"frame in a frame", frame(append([]byte{10}, frame([]byte{1})...)), openTwice, ErrTooDeep},
		{"compress in compress", compressMessage(t, compressMessage(t, []byte{1}))[1:], inflateThen(inflate), ErrTooDeep},
		{"frame in compress", compressMessage(t, append([]byte{10}, frame([]byte{1})...))[1:], inflateThen(open), ErrTooDeep},
		{"unknown algorithm", refEncode(t, refCompressed{Algo: 1, Buf: deflate(t, []byte{1})}), inflate, ErrCompression},
		{"no map", []byte{0x01}, inflate, ErrMalformed},
		{"bad code", refEncode(t, refCompressed{Buf: bytes.Repeat([]byte{255}, 9)}), inflate, ErrCompression},
		{"large compress", []byte{0x81, 0xa3, 'B', 'u', 'f', 0xdb, 3, 0, 0, 0}, inflate, ErrTooLarge},
		{"bomb", compressMessage(t, make([]byte, 100001))[1:], inflateTo(100000), ErrTooLarge},
		{"header is no map", []byte{0x01}, header, ErrMalformed},
		{"header without end", bytes.Repeat([]byte{0xdf, 0, 1, 0, 0}, 2), header, ErrTruncated},
		{"large header", []byte{0x81, 0xdb, 0, 1, 0, 0}, header, ErrTooLarge},
		{"deep header", bytes.Repeat([]byte{0x91}, 100), header, ErrTooDeep},
		{"deep, 24 MB of it", bytes.Repeat([]byte{0x91}, 24<<20), header, ErrTooDeep},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.read(NewStreamReader(bytes.NewReader(tt.in), nil)); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestReadN(t *testing.T) {
	s := NewStreamReader(strings.NewReader("abcdef"), nil)
	for _, tt := range []struct {
		n, limit int
		want     string
		err      error
	}{
		{0, 0, "", nil}, {-1, 10, "", ErrMalformed}, {3, 2, "", ErrTooLarge}, {2, 2, "ab", nil}, {3, 9, "cde", nil}, {0, 1, "", nil},
		{2, 9, "", ErrTruncated},
	} {
		got, err := s.ReadN(tt.n, tt.limit)
		if string(got) != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("ReadN(%d, %d) = %q, %v, want %q, %v", tt.n, tt.limit, got, err, tt.want, tt.err)
		}
	}
}

// A stream's own error comes through; one that came with the last bytes does not hide them.
func TestStreamError(t *testing.T) {
	broken := errors.New("broken")
	s := NewStreamReader(io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(broken)), nil)
	if b, err := s.ReadN(3, 3); string(b) != "abc" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := s.ReadType(); !errors.Is(err, broken) {
		t.Error(err)
	}
	if _, err := s.ReadN(1, 1); !errors.Is(err, broken) || errors.Is(err, ErrTruncated) {
		t.Error(err)
	}
	s = NewStreamReader(idle{}, nil)
	if _, err := s.ReadType(); !errors.Is(err, io.ErrNoProgress) {
		t.Error(err)
	}
}

type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

// endless sends one byte value for ever.
type endless byte

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(e)
	}
	return len(p), nil
}

func TestStreamEndless(t *testing.T) {
	for i := range 256 {
		var m Err
		err := NewStreamReader(endless(i), nil).ReadMessage(&m)
		if err != nil && !isOurs(err) {
			t.Errorf("%#x: %v", i, err)
		}
	}
}

// States do not change, whatever is read after them or done with one of them, until the reader is reset.
func TestStatesStay(t *testing.T) {
	const nodes = 1000
	s := new(StreamReader)
	for name, wrap := range readers {
		user := strings.Repeat("user state ", 20000)
		s.Reset(wrap(strings.NewReader(string(pushPull(nodes, user)))), nil)
		if _, err := s.ReadType(); err != nil {
			t.Fatal(err)
		}
		if err := s.ReadMessage(new(PushPullHeader)); err != nil {
			t.Fatal(err)
		}
		states, err := s.ReadStates(nodes)
		if err != nil || states.Len() != nodes {
			t.Fatalf("%s: %d states, %v", name, states.Len(), err)
		}
		if got, err := s.ReadN(len(user), len(user)); err != nil || string(got) != user {
			t.Fatalf("%s: %d bytes of user state, %v", name, len(got), err)
		}
		var v StateView
		for again := states; again.Next(&v); {
			_ = append(v.Name(), "overwritten"...)
			_ = append(v.Addr(), "overwritten"...)
			_ = append(v.Meta(), "overwritten"...)
			_ = append(v.Vsn(), "overwritten"...)
		}
		for i, state := range states.Take(nodes) {
			if want := testState(i); !reflect.DeepEqual(&state, want) {
				t.Fatalf("%s: state %d: %+v, want %+v", name, i, state, want)
			}
		}
	}
}

// A state of any shape is parsed the same, whatever the shapes of the states around it.
func TestReadStatesShapes(t *testing.T) {
	long := testState(3)
	long.Name, long.Meta = strings.Repeat("n", 300), bytes.Repeat([]byte("m"), 512)
	huge := testState(4)
	huge.Meta = make([]byte, MaxStreamValue-200)
	want := []PushNodeState{*testState(1), {}, {Addr: []byte{}, Meta: []byte{}, Vsn: []byte{}}, *long, {Name: "named"}, *huge,
		*testState(5), {Name: "negative", State: -3}, {Incarnation: 1<<32 - 1, Port: 65535, State: 200}}
	var in []byte
	for i := range want {
		in = want[i].Append(in)
		if i%2 == 0 {
			in = append(in, "\x81\xa4Name\xa3odd"...)
		}
	}
	for name, wrap := range readers {
		s := NewStreamReader(wrap(bytes.NewReader(in)), nil)
		n := len(want) + (len(want)+1)/2
		read, err := s.ReadStates(n)
		got := read.Take(n)
		if err != nil || len(got) != n {
			t.Fatalf("%s: %d states of %d, %v", name, len(got), n, err)
		}
		for i := range want {
			if state := got[i+(i+1)/2]; !reflect.DeepEqual(state, want[i]) {
				t.Errorf("%s: %.200v, want %.200v", name, state, want[i])
			}
			if i%2 == 0 && !reflect.DeepEqual(got[i+(i+1)/2+1], PushNodeState{Name: "odd"}) {
				t.Errorf("%s: %+v after state %d", name, got[i+(i+1)/2+1], i)
			}
		}
		if _, err := s.ReadStates(3); !errors.Is(err, ErrTruncated) {
			t.Errorf("%s: at the end: %v", name, err)
		}
	}
	cut := NewStreamReader(bytes.NewReader(in[:len(in)-10]), nil)
	if _, err := cut.ReadStates(100); !errors.Is(err, ErrTruncated) || !strings.Contains(err.Error(), "state 14 of 100") {
		t.Errorf("cut off: %v", err)
	}
	if _, err := NewStreamReader(endless(mpRaw16), nil).ReadStates(5); err == nil {
		t.Error("what is no state is taken for one")
	}
	tooLarge := PushNodeState{Meta: make([]byte, MaxStreamValue)}
	if _, err := NewStreamReader(bytes.NewReader(tooLarge.Append(nil)), nil).ReadStates(1); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a state of more than %d bytes: %v", MaxStreamValue, err)
	}
}

// reserve is called for the memory that a reader keeps from another stream; too much is dropped.
func TestStreamReset(t *testing.T) {
	const size = 100 << 10
	s := NewStreamReader(bytes.NewReader(make([]byte, size)), nil)
	if _, err := s.ReadN(size, size); err != nil {
		t.Fatal(err)
	}
	asked := 0
	s.Reset(strings.NewReader("abc"), func(n int) error { asked += n; return nil })
	if asked < size || asked != cap(s.buf) {
		t.Errorf("asked for %d bytes, has %d, read %d before", asked, cap(s.buf), size)
	}
	full := errors.New("no more memory")
	s.Reset(strings.NewReader("abc"), func(n int) error {
		if n > streamBuffer {
			return full
		}
		return nil
	})
	if b, err := s.ReadN(3, 3); string(b) != "abc" || err != nil || cap(s.buf) > streamBuffer {
		t.Errorf("%q, %v, with %d bytes", b, err, cap(s.buf))
	}
	s.Reset(bytes.NewReader(make([]byte, maxStreamKept+1)), nil)
	if _, err := s.ReadN(maxStreamKept+1, maxStreamKept+1); err != nil {
		t.Fatal(err)
	}
	if s.Reset(nil, nil); cap(s.buf) > 0 {
		t.Errorf("keeps %d bytes", cap(s.buf))
	}
}

func BenchmarkReadPushPull(b *testing.B) {
	in := pushPull(1000, "")
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := readPushPull(NewStreamReader(bytes.NewReader(in), nil)); err != nil {
			b.Fatal(err)
		}
	}
}
