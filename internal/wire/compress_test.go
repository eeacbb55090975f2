package wire

import (
	"bytes"
	"compress/lzw"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/golang/snappy"
)

// deflate is LZW as peers do it.
func deflate(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := lzw.NewWriter(&out, lzw.LSB, 8)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// compressMessage is a compress message as peers make it.
func compressMessage(t testing.TB, b []byte) []byte {
	t.Helper()
	return append([]byte{byte(TypeCompress)}, refEncode(t, refCompressed{Buf: deflate(t, b)})...)
}

func noise(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func TestCompress(t *testing.T) {
	tests := []struct {
		name string
		src  []byte
	}{
		{"nothing", []byte{}},
		{"one byte", []byte{1}},
		{"zeros", make([]byte, 100000)},
		{"text", []byte(strings.Repeat("memberlist ", 500))},
		{"noise", noise(5000)},
	}
	var c Compressor // one for all: nothing of a message is left for the next
	var d Decompressor
	for range 2 {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				got := c.Append([]byte("before"), tt.src)
				want := compressMessage(t, tt.src)
				if !bytes.Equal(got, append([]byte("before"), want...)) {
					t.Fatalf("differs from what peers make of it: got %.60x, want %.60x", got[6:], want)
				}
				back, err := d.Append([]byte("before"), want[1:], len(tt.src))
				if err != nil || string(back) != "before"+string(tt.src) {
					t.Errorf("%d bytes, %v", len(back), err)
				}
			})
		}
	}
}

// TestSnappy: messages compressed with Snappy are those that github.com/grafana/memberlist makes, are only made if they are shorter,
// and are read whatever memory there is.
func TestSnappy(t *testing.T) {
	var d Decompressor
	for _, tt := range []struct {
		name    string
		src     []byte
		shorter bool
	}{
		{"nothing", nil, false},
		{"short", []byte("0000000000000000000000"), false},
		{"zeros", make([]byte, 100000), true},
		{"text", []byte(strings.Repeat("memberlist ", 500)), true},
		{"noise", noise(5000), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := append([]byte{byte(TypeCompress)}, refEncode(t, refCompressed{Algo: 1, Buf: snappy.Encode(nil, tt.src)})...)
			got, ok := AppendSnappyShorter([]byte("before"), tt.src)
			if ok != tt.shorter || !ok && string(got) != "before" {
				t.Fatalf("shorter: %v, want %v; %d bytes", ok, tt.shorter, len(got))
			}
			if ok && !bytes.Equal(got, append([]byte("before"), want...)) {
				t.Fatalf("got %.60x, want %.60x", got[6:], want)
			}
			for _, room := range []int{0, 10, 1 << 20} {
				dst := append(make([]byte, 0, 6+room), "before"...)
				back, err := d.Append(dst, want[1:], len(tt.src))
				if err != nil || string(back) != "before"+string(tt.src) || d.produced != len(tt.src) {
					t.Errorf("%d bytes of room: %d bytes, %v", room, len(back), err)
				}
			}
			stream := NewStreamReader(bytes.NewReader(want), nil)
			if _, err := stream.ReadType(); err != nil {
				t.Fatal(err)
			}
			if err := stream.Decompress(); (err == nil) != (len(tt.src) > 0) {
				t.Fatal(err)
			}
			if got := stream.PeerFeatures(); got.Has(FeatureSnappy) != (len(tt.src) > 0) {
				t.Errorf("the peer has the features %b", got)
			}
		})
	}
}

// TestSnappyReserves: memory is asked for before it is taken, and a refusal is the error.
func TestSnappyReserves(t *testing.T) {
	block := snappy.Encode(nil, make([]byte, 10000))
	var d Decompressor
	var asked int
	out, err := d.inflate(make([]byte, 3, 5), compressed{Algo: 1, Buf: block}, 1<<20, func(n int) error { asked += n; return nil })
	if err != nil || len(out) != 10003 || asked != 10003-5 {
		t.Errorf("%d bytes, %v; %d asked for", len(out), err, asked)
	}
	refusal := errors.New("no memory")
	out, err = d.inflate([]byte("abc"), compressed{Algo: 1, Buf: block}, 1<<20, func(int) error { return refusal })
	if !errors.Is(err, refusal) || string(out) != "abc" {
		t.Errorf("%d bytes, %v, want %v", len(out), err, refusal)
	}
}

// A small message may expand to a large one (hashicorp/memberlist#363).
func TestDecompressLimit(t *testing.T) {
	bomb := compressMessage(t, make([]byte, 1<<20))
	var d Decompressor
	for _, limit := range []int{-1, 0, 1, 100, 4096, 4097, 1<<20 - 1} {
		got, err := d.Append([]byte("before"), bomb[1:], limit)
		if !errors.Is(err, ErrTooLarge) || string(got) != "before" {
			t.Errorf("limit %d: %d bytes, %v", limit, len(got), err)
		}
		if d.produced > max(limit, 0) {
			t.Errorf("limit %d: %d bytes came out", limit, d.produced)
		}
	}
	if got, err := d.Append(nil, bomb[1:], 1<<20); len(got) != 1<<20 || err != nil {
		t.Errorf("at the limit: %d bytes, %v", len(got), err)
	}
}

func TestDecompressRefuses(t *testing.T) {
	whole := deflate(t, []byte("some message of some length"))
	tests := []struct {
		name string
		body []byte
		want error
	}{
		{"nothing", nil, ErrTruncated},
		{"no map", []byte{1}, ErrMalformed},
		{"no buffer", refEncode(t, refCompressed{}), ErrCompression},
		{"empty map", []byte{0x80}, ErrCompression},
		{"other algorithm", refEncode(t, refCompressed{Algo: 2, Buf: whole}), ErrCompression},
		{"no Snappy block", refEncode(t, refCompressed{Algo: 1}), ErrCompression},
		{"Snappy block cut off", refEncode(t, refCompressed{Algo: 1, Buf: snappy.Encode(nil, make([]byte, 900))[:20]}), ErrCompression},
		{"Snappy block that claims more than it can hold", refEncode(t, refCompressed{Algo: 1, Buf: []byte{0xe7, 0x07, 0, 'x'}}), ErrCompression},
		{"Snappy block above the limit", refEncode(t, refCompressed{Algo: 1, Buf: snappy.Encode(nil, make([]byte, 1001))}), ErrTooLarge},
		{"algorithm beyond a byte", unhex(t, "81 a4416c676f cd0100"), ErrMalformed},
		{"bad code", refEncode(t, refCompressed{Buf: bytes.Repeat([]byte{0xff}, 20)}), ErrCompression},
	}
	for n := range whole {
		tests = append(tests, struct {
			name string
			body []byte
			want error
		}{"cut off", refEncode(t, refCompressed{Buf: whole[:n]}), ErrCompression})
	}
	var d Decompressor
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := d.Append(nil, tt.body, 1000); !errors.Is(err, tt.want) || got != nil {
				t.Errorf("%q, %v, want %v", got, err, tt.want)
			}
		})
	}
}

// The one shape that is written, and a shape that only go-msgpack reads.
func TestDecompressShapes(t *testing.T) {
	lzw := deflate(t, []byte("message"))
	bodies := map[string][]byte{
		"canonical": refEncode(t, refCompressed{Buf: lzw}),
		"array":     append([]byte{0x92, 0}, appendBytes(nil, lzw)...),
		"followed":  append(refEncode(t, refCompressed{Buf: lzw}), 1, 2, 3),
	}
	var d Decompressor
	for name, body := range bodies {
		if got, err := d.Append(nil, body, 7); string(got) != "message" || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// Messages are sent as peers send them: compressed exactly when that is shorter.
func assertShorter(t *testing.T, c *Compressor, src []byte) {
	t.Helper()
	want := compressMessage(t, src)
	got, ok := c.AppendShorter([]byte("before"), src)
	if ok != (len(want) < len(src)) {
		t.Errorf("%x: %d bytes become %d: %v", src, len(src), len(want), ok)
	}
	if !ok {
		want = nil
	}
	if string(got) != "before"+string(want) {
		t.Errorf("%x: got %x, want %x", src, got, want)
	}
}

// Nothing is shorter than bytes that are all the same: so they show where it begins to be worth while to try.
func TestCompressShorter(t *testing.T) {
	var c Compressor
	for n := range 300 {
		assertShorter(t, &c, make([]byte, n))
		assertShorter(t, &c, noise(n))
		assertShorter(t, &c, []byte(strings.Repeat("memberlist ", 30)[:n]))
	}
	assertShorter(t, &c, append(noise(70000), make([]byte, 70000)...)) // a header of five bytes
	if shortest := len(compressMessage(t, make([]byte, MaxIncompressible))); shortest < MaxIncompressible {
		t.Errorf("%d bytes become %d, and are not tried", MaxIncompressible, shortest)
	}
	if _, ok := c.AppendShorter(nil, make([]byte, MaxIncompressible+1)); !ok {
		t.Errorf("%d bytes do not get shorter", MaxIncompressible+1)
	}
}

func FuzzCompressed(f *testing.F) {
	for _, s := range oddBodies(f, allFields...) {
		f.Add(s)
	}
	f.Add(refEncode(f, refCompressed{Buf: deflate(f, []byte("message"))}))
	for _, body := range recordedCompressed(f) {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) { agree[compressed, refCompressed](t, body, nil) })
}

// recordedCompressed are the bodies of messages that real members compressed.
func recordedCompressed(t testing.TB) [][]byte {
	t.Helper()
	var bodies [][]byte
	traffic := loadTraffic(t)
	for _, p := range slices.Concat(traffic.packets, traffic.streams) {
		if rest := withoutChecksum(p); Type(rest[0]) == TypeCompress {
			bodies = append(bodies, rest[1:])
		}
	}
	return bodies
}

// withoutChecksum returns the packet after its checksum, if it has one.
func withoutChecksum(packet []byte) []byte {
	if Type(packet[0]) == TypeChecksum {
		return packet[ChecksumSize:]
	}
	return packet
}

func FuzzDecompress(f *testing.F) {
	f.Add(deflate(f, []byte("message")), 100)
	f.Add(deflate(f, make([]byte, 10000)), 100)
	f.Add(snappy.Encode(nil, []byte(strings.Repeat("memberlist ", 50))), 1000)
	f.Add([]byte{}, 0)
	for _, body := range recordedCompressed(f) {
		var m compressed
		if err := m.Parse(body, nil); err != nil {
			f.Fatal(err)
		}
		f.Add(m.Buf, 1<<16-1)
	}
	var c Compressor
	var d Decompressor
	f.Fuzz(func(t *testing.T, b []byte, limit int) {
		limit %= 1 << 16
		out, err := d.Append(nil, refEncode(t, refCompressed{Buf: b}), limit)
		if err != nil && !isOurs(err) {
			t.Fatal(err)
		}
		if len(out) > max(limit, 0) {
			t.Fatalf("%d bytes, the limit is %d", len(out), limit)
		}
		out, err = d.Append(nil, refEncode(t, refCompressed{Algo: 1, Buf: b}), limit)
		if size, err := snappy.DecodedLen(b); err == nil && size > 1<<16 {
			return // more memory than a test should take
		}
		if want, wrong := snappy.Decode(nil, b); wrong == nil && len(want) <= limit && (err != nil || !bytes.Equal(out, want)) ||
			err == nil && (wrong != nil || len(want) > limit) {
			t.Fatalf("Snappy: got %d bytes, %v, want %d, %v", len(out), err, len(want), wrong)
		}
		packed := c.Append(nil, b)
		assertShorter(t, &c, b)
		if got, err := d.Append(nil, packed[1:], len(b)); err != nil || !bytes.Equal(got, b) {
			t.Fatalf("got %x, want %x, %v", got, b, err)
		}
	})
}

func BenchmarkCompress(b *testing.B) {
	src := []byte(strings.Repeat("memberlist ", 120))
	var c Compressor
	var buf []byte
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		buf = c.Append(buf[:0], src)
	}
}

func BenchmarkDecompress(b *testing.B) {
	src := []byte(strings.Repeat("memberlist ", 120))
	body := compressMessage(b, src)[1:]
	var d Decompressor
	var buf []byte
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if buf, err = d.Append(buf[:0], body, MaxPacket); err != nil {
			b.Fatal(err)
		}
	}
}
