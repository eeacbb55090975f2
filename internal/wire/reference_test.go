package wire

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/quick"

	"github.com/hashicorp/go-msgpack/v2/codec"
)

// The types that peers encode with go-msgpack: the same fields in the same order, so that values convert.
type (
	refPing struct {
		SeqNo      uint32
		Node       string
		SourceAddr []byte `codec:",omitempty"`
		SourcePort uint16 `codec:",omitempty"`
		SourceNode string `codec:",omitempty"`
		View       uint64 `codec:"Vw,omitempty"`
	}
	refIndirectPing struct {
		SeqNo      uint32
		Target     []byte
		Port       uint16
		Node       string
		Nack       bool
		SourceAddr []byte `codec:",omitempty"`
		SourcePort uint16 `codec:",omitempty"`
		SourceNode string `codec:",omitempty"`
		Dial       bool   `codec:"Dl,omitempty"`
	}
	refAck struct {
		SeqNo   uint32
		Payload []byte
		View    uint64 `codec:"Vw,omitempty"`
	}
	refNack struct {
		SeqNo    uint32
		Evidence uint8 `codec:"Ev,omitempty"`
	}
	refErr        struct{ Error string }
	refAccusation struct {
		Incarnation uint32
		Node        string
		From        string
	}
	refAlive struct {
		Incarnation uint32
		Node        string
		Addr        []byte
		Port        uint16
		Meta        []byte
		Vsn         []byte
		Zone        []byte `codec:"Zn,omitempty"`
	}
	refPushPullHeader struct {
		Nodes        int
		UserStateLen int
		Join         bool
		Node         string `codec:",omitempty"`
		From         string `codec:",omitempty"`
		View         uint64 `codec:"Vw,omitempty"`
		Digests      []byte `codec:"Dg,omitempty"`
		Hashes       int    `codec:"Hs,omitempty"`
	}
	refPushNodeState struct {
		Name        string
		Addr        []byte
		Port        uint16
		Meta        []byte
		Incarnation uint32
		State       int
		Vsn         []byte
		Zone        []byte `codec:"Zn,omitempty"`
	}
	refUserHeader struct{ UserMsgLen int }
	refCompressed struct {
		Algo uint8
		Buf  []byte
	}
)

// message is common to all messages under test.
type message interface {
	Body
	Append(dst []byte) []byte
}

// refOf returns m in the reference's shape.
func refOf(t testing.TB, m any) any {
	t.Helper()
	switch m := m.(type) {
	case *Ping:
		return refPing(*m)
	case *IndirectPing:
		return refIndirectPing(*m)
	case *Ack:
		return refAck(*m)
	case *Nack:
		return refNack(*m)
	case *Err:
		return refErr(*m)
	case *Suspect:
		return refAccusation(*m)
	case *Dead:
		return refAccusation(*m)
	case *Alive:
		return refAlive(*m)
	case *PushPullHeader:
		return refPushPullHeader(*m)
	case *PushNodeState:
		return refPushNodeState(*m)
	case *UserHeader:
		return refUserHeader(*m)
	}
	t.Fatalf("no reference shape for %T", m)
	return nil
}

// The handles of peers. They are shared, since each caches the types.
var (
	refEncoding = codec.MsgpackHandle{}
	refDecoding = newFallbackHandle()
)

// refEncode is how peers encode m, without the type byte.
func refEncode(t testing.TB, m any) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := codec.NewEncoder(&out, &refEncoding).Encode(m); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// refDecode is how peers decode body, but for the depth.
func refDecode(body []byte, m any) error {
	return codec.NewDecoder(bytes.NewReader(body), refDecoding).Decode(m)
}

// typeSize returns the number of bytes before the body of m.
func typeSize(m any) int {
	if _, ok := m.(Message); ok {
		return 1
	}
	return 0
}

// zero returns a zero message of m's type.
func zero(m message) message {
	return reflect.New(reflect.TypeOf(m).Elem()).Interface().(message)
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type messageTest struct {
	name string
	m    message
	hex  string // with the type byte
}

// testMessages checks that each message is encoded to its bytes, which go-msgpack produces too; that it is parsed
// from them, whatever follows; that no truncation of them is accepted; and that slices in it have no spare capacity.
func testMessages(t *testing.T, tests []messageTest) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := unhex(t, tt.hex)
			prefix := []byte("before")
			got := tt.m.Append(slices.Clone(prefix))
			if !bytes.Equal(got, append(prefix, want...)) {
				t.Fatalf("Append:\n got %x\nwant %x%x", got, prefix, want)
			}
			if m, ok := tt.m.(Message); ok && Type(want[0]) != m.Type() {
				t.Errorf("Type() = %v, want %v", m.Type(), Type(want[0]))
			}
			body := want[typeSize(tt.m):]
			if ref := refEncode(t, refOf(t, tt.m)); !bytes.Equal(body, ref) {
				t.Errorf("go-msgpack encodes:\n     %x\nwant %x", ref, body)
			}
			for _, names := range []*Names{nil, NewNames()} {
				parsed := zero(tt.m)
				if err := parsed.Parse(append(slices.Clone(body), 0xc1, 0xff), names); err != nil {
					t.Fatal(err)
				}
				if !reflect.DeepEqual(parsed, tt.m) {
					t.Errorf("Parse:\n got %+v\nwant %+v", parsed, tt.m)
				}
			}
			testPrefixes(t, tt.m, body)
			testViews(t, tt.m, body)
		})
	}
}

func testPrefixes(t *testing.T, m message, body []byte) {
	t.Helper()
	for n := range body {
		parsed := zero(m)
		if err := parsed.Parse(body[:n:n], nil); !errors.Is(err, ErrTruncated) {
			t.Errorf("Parse of the first %d bytes: %v, want %v", n, err, ErrTruncated)
		}
		if !reflect.ValueOf(parsed).Elem().IsZero() {
			t.Errorf("Parse of the first %d bytes left %+v behind", n, parsed)
		}
	}
}

func testViews(t *testing.T, m message, body []byte) {
	t.Helper()
	body = slices.Clone(body)
	before := slices.Clone(body)
	parsed := zero(m)
	if err := parsed.Parse(body, nil); err != nil {
		t.Fatal(err)
	}
	v := reflect.ValueOf(parsed).Elem()
	for i := range v.NumField() {
		if b, ok := v.Field(i).Interface().([]byte); ok && b != nil {
			_ = append(b, 0xee)
		}
	}
	if !bytes.Equal(body, before) {
		t.Error("appending to a field changed the input")
	}
}

// testQuick checks random messages: they are encoded as go-msgpack does, and read back.
func testQuick[M any](t *testing.T, normalize func(*M)) {
	t.Helper()
	check := func(m M, withNil bool) bool {
		if withNil {
			dropEmpty(&m)
		}
		asMessage := any(&m).(message)
		got := asMessage.Append(nil)[typeSize(&m):]
		if want := refEncode(t, refOf(t, &m)); !bytes.Equal(got, want) {
			t.Logf("%+v:\n got %x\nwant %x", m, got, want)
			return false
		}
		var back M
		if err := any(&back).(message).Parse(got, NewNames()); err != nil {
			t.Log(err)
			return false
		}
		if normalize != nil {
			normalize(&m)
		}
		return reflect.DeepEqual(back, m)
	}
	if err := quick.Check(check, nil); err != nil {
		t.Error(err)
	}
}

// dropEmpty sets short byte slices to nil, which quick never makes.
func dropEmpty(m any) {
	v := reflect.ValueOf(m).Elem()
	for i := range v.NumField() {
		if b, ok := v.Field(i).Interface().([]byte); ok && len(b) < 10 {
			v.Field(i).SetZero()
		}
	}
}

// fuzzMessage compares parsing with go-msgpack: the same value, or an error. A parsed value can be encoded and parsed
// again.
func fuzzMessage[M, R any](f *testing.F, seeds ...message) {
	f.Helper()
	for _, m := range seeds {
		f.Add(m.Append(nil)[typeSize(m):])
	}
	for _, s := range loadTraffic(f).seedsOf(any(new(M))) {
		f.Add(s)
	}
	var fields []string
	for _, field := range reflect.VisibleFields(reflect.TypeFor[M]()) {
		name, _, _ := strings.Cut(field.Tag.Get("codec"), ",")
		fields = append(fields, cmp.Or(name, field.Name))
	}
	for _, s := range oddBodies(f, fields...) {
		f.Add(s)
	}
	names := NewNames()
	f.Fuzz(func(t *testing.T, body []byte) {
		agree[M, R](t, body, names)
	})
}

func agree[M, R any](t testing.TB, body []byte, names *Names) {
	t.Helper()
	before := slices.Clone(body)
	var m M
	err := any(&m).(Body).Parse(body, names)
	if !bytes.Equal(body, before) {
		t.Fatalf("Parse changed its input %x to %x", before, body)
	}
	if err != nil && !reflect.ValueOf(m).IsZero() {
		t.Fatalf("%x: an error left %+v behind", body, m)
	}
	if err != nil && !isOurs(err) {
		t.Fatalf("%x: error of no kind: %v", body, err)
	}
	// go-msgpack allocates up to 4 GiB for an extension that is not there.
	if errors.Is(err, ErrTruncated) && bytes.IndexByte(body, mpExt32) >= 0 {
		return
	}
	if len(body) > maxFallback {
		return
	}
	var ref R
	refErr := refDecode(body, &ref)
	if (err != nil) != (refErr != nil) {
		t.Fatalf("%x:\n   our error %v\ntheir error %v", body, err, refErr)
	}
	if err != nil {
		return
	}
	theirs := reflect.ValueOf(ref).Convert(reflect.TypeFor[M]()).Interface()
	if !reflect.DeepEqual(any(m), theirs) {
		t.Fatalf("%x:\nour value   %+v\ntheir value %+v", body, m, theirs)
	}
	encoder, ok := any(&m).(message)
	if !ok {
		return
	}
	again := encoder.Append(nil)
	if ref := refEncode(t, ref); !bytes.Equal(again[typeSize(&m):], ref) {
		t.Fatalf("%+v:\nour bytes   %x\ntheir bytes %x", m, again, ref)
	}
}

func isOurs(err error) bool {
	for _, ours := range []error{ErrTruncated, ErrMalformed, ErrChecksum, ErrTooLarge, ErrTooDeep, ErrUnknownType, ErrLabel,
		ErrDecrypt, ErrCompression} {
		if errors.Is(err, ours) {
			return true
		}
	}
	return false
}

// allFields are the fields of all messages.
var allFields = []string{"SeqNo", "Vw", "Dg", "Hs", "Node", "SourceAddr", "Nack", "Port", "Payload", "Error", "Incarnation", "From", "Meta", "Vsn",
	"Nodes", "UserStateLen", "Join", "Name", "State", "UserMsgLen", "Algo", "Buf", "Target", "Addr", "SourceNode", "SourcePort"}

// oddBodies returns bodies that our peers do not send: valid in other ways, or nearly so. They have the given fields,
// with all kinds of values.
func oddBodies(t testing.TB, fields ...string) [][]byte {
	t.Helper()
	var bodies [][]byte
	for _, s := range []string{
		"", "c0", "80", "90", "de0000", "df00000000", "dc0000", "c1", "01", "a0", "81", "df ffffffff", "dd ffffffff",
		"81 c0 01", "81 a0 01", "81 01 01", // keys that are no strings
		"81 91 4e 01", "82 c1 01",
		"91 07", "92 07 a26e31", "93 01 a26e31 a26e30", "95 01 a26e31 a47f000001 cd1f0a a26e30", // arrays for structs
		"97 01 01 01 01 01 01 01", "96 c0 c0 c0 c0 c0 c0",
		"81 a3666f6f 81 a3666f6f 91 c0",                 // an unknown key with containers
		"81 a3666f6f d4 01 02",                          // ... extensions
		"81 a3666f6f d6 ff 00000000",                    // ... a time
		"81 a3666f6f d4 ff 00",                          // ... a bad time
		"81 a3666f6f c7 00 01",                          // ... an empty extension
		"81 a3666f6f c9 ffffffff ff",                    // ... one that is not there
		"81 a3666f6f ca 3f800000",                       // ... floats
		"81 a3666f6f cb 3ff0000000000000",               // ...
		"81 d903666f6f c4 01 ff",                        // ... binary
		"82 a3666f6f c2 c403666f6f c3",                  // ... twice
		"81 a3666f6f d3 ffffffffffffffff",               // ... an integer
		"81 a3666f6f" + strings.Repeat("91", 28) + "90", // deep
		"81 a3666f6f" + strings.Repeat("91", 29) + "90",
		"81 a3666f6f" + strings.Repeat("91", 30) + "90",
		"81 a3666f6f" + strings.Repeat("91", 31) + "90",
		"81 a3666f6f" + strings.Repeat("81c0", 40) + "90",
	} {
		bodies = append(bodies, unhex(t, s))
	}
	values := []string{
		"00", "01", "7f", "ff", "e0", "c0", "c2", "c3", "cc00", "cc80", "ccff", "cd0001", "cdffff", "ce00000001", "ceffffffff",
		"cf0000000000000001", "cf00000000ffffffff", "cf0000000100000000", "cf7fffffffffffffff", "cf8000000000000000",
		"cfffffffffffffffff", "d001", "d0ff", "d10001", "d1ffff", "d200000001", "d2ffffffff", "d30000000000000001",
		"d3ffffffffffffffff", "ca3f800000", "cb3ff0000000000000", "a0", "a2ffff", "d90161", "da000161", "db0000000161",
		"c40161", "c5000161", "c60000000161", "c400", "90", "92 01 02", "92 c0 02", "92 01 cd0100", "92 01 a161",
		"80", "81 01 02", "81 01 81 01 02", "d40161", "d5ff0000", "c7000161", "c1",
		"dc0001 05", "dd00000001 05", "de0001 05 06",
	}
	for _, key := range fields {
		for _, value := range values {
			pair := append(appendString(nil, key), unhex(t, value)...)
			bodies = append(bodies, append([]byte{mpFixMap | 1}, pair...))
		}
		// Twice the same key: the last one counts.
		bodies = append(bodies, append(append(append([]byte{mpFixMap | 2}, appendString(nil, key)...), 0xa1, 'x'),
			append(appendString(nil, key), mpNil)...))
		bodies = append(bodies, append(append(append([]byte{mpFixMap | 2}, appendString(nil, key)...), 0xa1, 'x'),
			append(appendString(nil, key), 0xa2, 'y', 'z')...))
		bodies = append(bodies, append(append(append([]byte{mpFixMap | 2}, appendString(nil, key)...), 0xa2, 'y', 'z'),
			append(appendString(nil, key), 0x91, 5)...))
	}
	return bodies
}
