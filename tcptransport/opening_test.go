package tcptransport

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
)

// openings are openings with their bytes.
var openings = []struct {
	name    string
	opening opening
	hex     string
}{
	{"packets from IPv4", opening{kind: kindPackets, addr: netip.MustParseAddrPort("10.0.0.1:7946"), name: "m1"},
		"6d6c7374 01 01 0002 04 00 1f0a 0a000001 6d31"},
	{"stream from IPv6", opening{kind: kindStream, addr: netip.MustParseAddrPort("[2001:db8::1]:1"), name: "m"},
		"6d6c7374 01 02 0001 10 00 0001 20010db8000000000000000000000001 6d"},
	{"no address and no name", opening{kind: kindStream}, "6d6c7374 01 02 0000 00 00 0000"},
	{"after silence", opening{kind: kindPackets, silent: true}, "6d6c7374 01 01 0000 00 01 0000"},
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestOpening(t *testing.T) {
	for _, tt := range openings {
		t.Run(tt.name, func(t *testing.T) {
			want := unhex(t, tt.hex)
			if got := tt.opening.append([]byte("x")); !bytes.Equal(got[1:], want) {
				t.Errorf("got % x, want % x", got[1:], want)
			}
			r := bytes.NewReader(append(want, "rest"...))
			if got, err := readOpening(r); err != nil || got != tt.opening {
				t.Errorf("got %+v, %v, want %+v", got, err, tt.opening)
			}
			if r.Len() != len("rest") {
				t.Errorf("%d bytes are left, want %d", r.Len(), len("rest"))
			}
			for n := range len(want) {
				if _, err := readOpening(bytes.NewReader(want[:n])); !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("%d bytes of it: got error %v", n, err)
				}
			}
		})
	}
}

func TestMalformedOpenings(t *testing.T) {
	for _, tt := range []struct {
		name, hex string
		want      error
		verdict   verdict
	}{
		{"a TLS record", "16 0301", errTLSRecord, refusedTLS},
		{"a push/pull of the library", "06", errMagic, refusedMalformed},
		{"other magic", "6d6c7375 01 01 0000 00 00 0000", errMagic, refusedMalformed},
		{"version", "6d6c7374 02 01 0000 00 00 0000", errVersion, refusedVersion},
		{"kind 0", "6d6c7374 01 00 0000 00 00 0000", errMalformed, refusedMalformed},
		{"kind 3", "6d6c7374 01 03 0000 00 00 0000", errMalformed, refusedMalformed},
		{"name too long", "6d6c7374 01 01 0201 00 00 0000", errMalformed, refusedMalformed},
		{"address of 5 bytes", "6d6c7374 01 01 0000 05 00 0000", errMalformed, refusedMalformed},
		{"silence neither 0 nor 1", "6d6c7374 01 01 0000 00 02 0000", errMalformed, refusedMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := readOpening(bytes.NewReader(unhex(t, tt.hex)))
			if !errors.Is(err, tt.want) {
				t.Errorf("got error %v, want %v", err, tt.want)
			}
			if got := refusalOf(err); got != tt.verdict {
				t.Errorf("got verdict %d, want %d", got, tt.verdict)
			}
		})
	}
}

func TestReply(t *testing.T) {
	for v, want := range map[verdict]error{
		accepted: nil, refusedPlain: ErrTLSRequired, refusedVersion: ErrProtocol, refusedMalformed: ErrProtocol,
		refusedPeer: ErrCertificateRefused, refusedTLS: ErrNotTLS, 99: ErrProtocol,
	} {
		b := appendReply(nil, v)
		if want := append(unhex(t, "6d6c7374 01"), byte(v), 0, 0); !bytes.Equal(b, want) {
			t.Errorf("got % x, want % x", b, want)
		}
		got, err := readReply(bytes.NewReader(b))
		if err != nil || got != v {
			t.Errorf("got verdict %d, %v, want %d", got, err, v)
		}
		if err := verdictError(got); !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Errorf("verdict %d: got error %v, want %v", v, err, want)
		}
	}
	for _, text := range []string{"", "\x15\x03\x03\x00\x02\x02\x28", "HTTP/1.1 400 Bad Request", "mlsx    "} {
		if _, err := readReply(strings.NewReader(text)); err == nil {
			t.Errorf("no error for %q", text)
		}
	}
}

func FuzzOpening(f *testing.F) {
	for _, tt := range openings {
		f.Add(unhex(f, tt.hex))
	}
	f.Add(unhex(f, "6d6c7374 01 01 ffff ff ff ffff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		o, err := readOpening(r)
		if err != nil {
			return
		}
		if len(o.name) > maxName || o.kind != kindPackets && o.kind != kindStream {
			t.Errorf("got %+v", o)
		}
		again, err := readOpening(bytes.NewReader(o.append(nil)))
		if o.addr.Addr().IsValid() == (b[8] == 0) || err != nil || again != o {
			t.Errorf("got %+v, %v, want %+v", again, err, o)
		}
	})
}

func FuzzReply(f *testing.F) {
	f.Add(appendReply(nil, accepted))
	f.Add([]byte("\x15\x03\x03\x00\x02\x02\x28"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if v, err := readReply(bytes.NewReader(b)); err == nil && (len(b) < replySize || string(b[:4]) != magic || byte(v) != b[5]) {
			t.Errorf("got verdict %d of % x", v, b)
		}
	})
}
