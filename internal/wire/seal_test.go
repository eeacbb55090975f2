package wire

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"slices"
	"testing"
)

func testCipher(t testing.TB, size int, fill byte) *Cipher {
	t.Helper()
	c, err := NewCipher(bytes.Repeat([]byte{fill}, size))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var testNonce = [NonceSize]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}

// sealRaw seals plaintext with version in front and no padding, whatever the version.
func sealRaw(t testing.TB, c *Cipher, version byte, plaintext, aad []byte) []byte {
	t.Helper()
	out := append([]byte{version}, testNonce[:]...)
	return c.aead.Seal(out, testNonce[:], plaintext, aad)
}

func TestSeal(t *testing.T) {
	for _, size := range []int{16, 24, 32} {
		for _, version := range []uint8{SealVersion0, SealVersion1} {
			overhead := SealHeaderSize + TagSize
			if version == SealVersion0 {
				overhead += padBlock
			}
			for n := range 50 {
				t.Run(fmt.Sprintf("key %d version %d plaintext %d", size, version, n), func(t *testing.T) {
					c := testCipher(t, size, 7)
					plain, aad := bytes.Repeat([]byte{byte(n)}, n), []byte("label")
					got := c.AppendSealed([]byte("before"), version, &testNonce, plain, aad)
					if !bytes.HasPrefix(got, []byte("before")) {
						t.Fatalf("the prefix became %q", got[:6])
					}
					sealed := got[6:]
					if len(sealed) != SealedSize(version, n) || len(sealed) > n+overhead {
						t.Errorf("%d bytes, SealedSize is %d, the most it grows by %d", len(sealed), SealedSize(version, n), overhead)
					}
					if sealed[0] != version || !bytes.Equal(sealed[1:SealHeaderSize], testNonce[:]) {
						t.Errorf("header %x", sealed[:SealHeaderSize])
					}
					before := slices.Clone(sealed)
					opened, used, err := Open([]byte("kept"), []*Cipher{testCipher(t, 16, 1), c}, sealed, aad)
					if err != nil || used != 1 || string(opened) != "kept"+string(plain) {
						t.Errorf("Open: %q, %d, %v", opened, used, err)
					}
					if !bytes.Equal(sealed, before) {
						t.Error("Open changed its input")
					}
				})
			}
		}
	}
}

// The bytes are those of AES-GCM, and of PKCS#7 for version 0, computed by other means.
func TestSealBytes(t *testing.T) {
	key := bytes.Repeat([]byte{3}, 16)
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	c := testCipher(t, 16, 3)
	padded := append([]byte("hello"), bytes.Repeat([]byte{11}, 11)...)
	for version, plain := range map[uint8][]byte{SealVersion0: padded, SealVersion1: []byte("hello")} {
		want := append([]byte{version}, testNonce[:]...)
		want = gcm.Seal(want, testNonce[:], plain, []byte("aad"))
		if got := c.AppendSealed(nil, version, &testNonce, []byte("hello"), []byte("aad")); !bytes.Equal(got, want) {
			t.Errorf("version %d: got %x, want %x", version, got, want)
		}
	}
	if got := c.AppendSealed(nil, 9, &testNonce, nil, nil); got[0] != SealVersion1 {
		t.Errorf("an unknown version is sealed as %d", got[0])
	}
}

func TestSealInPlace(t *testing.T) {
	c := testCipher(t, 32, 5)
	for _, version := range []uint8{SealVersion0, SealVersion1} {
		buf := make([]byte, 0, 200)
		buf, err := AppendLabel(buf, "lab")
		if err != nil {
			t.Fatal(err)
		}
		at := len(buf)
		buf = append(buf, make([]byte, SealHeaderSize)...)
		buf = append(buf, "plaintext"...)
		array := &buf[0]
		got := c.SealInPlace(buf, at, version, &testNonce, buf[2:at]) // the label within the packet
		if &got[0] != array {
			t.Errorf("version %d: not in place", version)
		}
		if want := c.AppendSealed(nil, version, &testNonce, []byte("plaintext"), []byte("lab")); !bytes.Equal(got[at:], want) {
			t.Errorf("version %d:\n got %x\nwant %x", version, got[at:], want)
		}
		label, rest, err := CutLabel(got)
		if err != nil {
			t.Fatal(err)
		}
		if plain, _, err := Open(nil, []*Cipher{c}, rest, label); string(plain) != "plaintext" || err != nil {
			t.Errorf("version %d: %q, %v", version, plain, err)
		}
	}
	for _, at := range []int{-1, 1, 100} {
		if got := c.SealInPlace(make([]byte, SealHeaderSize), at, 1, &testNonce, nil); got != nil {
			t.Errorf("no room at %d: got %x", at, got)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	c, other := testCipher(t, 16, 1), testCipher(t, 16, 2)
	sealed := c.AppendSealed(nil, SealVersion1, &testNonce, []byte("plain"), []byte("aad"))
	tests := []struct {
		name    string
		ciphers []*Cipher
		sealed  []byte
		aad     string
	}{
		{"no key", nil, sealed, "aad"},
		{"other key", []*Cipher{other}, sealed, "aad"},
		{"other label", []*Cipher{c}, sealed, "AAD"},
		{"unknown version", []*Cipher{c}, sealRaw(t, c, 2, []byte("plain"), []byte("aad")), "aad"},
		{"version 255", []*Cipher{c}, sealRaw(t, c, 255, []byte("plain"), []byte("aad")), "aad"},
	}
	for n := range sealed {
		tests = append(tests, struct {
			name    string
			ciphers []*Cipher
			sealed  []byte
			aad     string
		}{fmt.Sprintf("the first %d bytes", n), []*Cipher{c}, sealed[:n], "aad"})
		changed := slices.Clone(sealed)
		changed[n] ^= 4
		tests = append(tests, struct {
			name    string
			ciphers []*Cipher
			sealed  []byte
			aad     string
		}{fmt.Sprintf("byte %d changed", n), []*Cipher{c}, changed, "aad"})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			plain, used, err := Open([]byte("kept"), tt.ciphers, tt.sealed, []byte(tt.aad))
			if !errors.Is(err, ErrDecrypt) || used != -1 || string(plain) != "kept" {
				t.Errorf("%q, %d, %v", plain, used, err)
			}
		})
	}
}

// Padding longer than the plaintext made a peer panic; any holder of the key could send it.
func TestOpenPadding(t *testing.T) {
	c := testCipher(t, 16, 1)
	tests := []struct {
		name  string
		plain []byte // as sealed, with its padding
		want  string
		ok    bool
	}{
		{"nothing", nil, "", false},
		{"zero", []byte{0}, "", false},
		{"zero after text", []byte("text\x00"), "", false},
		{"all of it", []byte{1}, "", true},
		{"one", []byte("text\x01"), "text", true},
		{"a full block", bytes.Repeat([]byte{16}, 16), "", true},
		{"beyond the plaintext", []byte{1, 1, 4}, "", false},
		{"beyond the plaintext, what was there before would do", []byte{16}, "", false},
		{"beyond a block", bytes.Repeat([]byte{17}, 40), "", false},
		{"255", bytes.Repeat([]byte{255}, 300), "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sealed := sealRaw(t, c, SealVersion0, tt.plain, nil)
			dst := bytes.Repeat([]byte{'k'}, 64)
			plain, used, err := Open(dst, []*Cipher{c}, sealed, nil)
			if !tt.ok {
				if !errors.Is(err, ErrDecrypt) || used != -1 || len(plain) != len(dst) {
					t.Errorf("%d bytes, %d, %v", len(plain), used, err)
				}
				return
			}
			if err != nil || string(plain[64:]) != tt.want {
				t.Errorf("%q, %v, want %q", plain[64:], err, tt.want)
			}
		})
	}
}

func TestNewCipher(t *testing.T) {
	for n := range 40 {
		c, err := NewCipher(make([]byte, n))
		if ok := n == 16 || n == 24 || n == 32; ok != (err == nil) || ok != (c != nil) {
			t.Errorf("%d bytes: %v, %v", n, c, err)
		}
		if err != nil && !errors.Is(err, ErrMalformed) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	c := testCipher(f, 16, 1)
	f.Add(c.AppendSealed(nil, 0, &testNonce, []byte("plain"), nil), []byte("plain"), uint8(0))
	f.Add(c.AppendSealed(nil, 1, &testNonce, []byte("plain"), nil), []byte{}, uint8(1))
	f.Add([]byte{}, []byte{16}, uint8(0))
	for i, p := range loadTraffic(f).packets {
		version := uint8(i % 2)
		f.Add(c.AppendSealed(nil, version, &testNonce, p, nil), p, version)
	}
	f.Fuzz(func(t *testing.T, b, plain []byte, version uint8) {
		if _, _, err := Open(nil, []*Cipher{c}, b, nil); err != nil && !errors.Is(err, ErrDecrypt) {
			t.Fatal(err)
		}
		// Sealed with the key, with any padding.
		got, _, err := Open(nil, []*Cipher{c}, sealRaw(t, c, version, plain, nil), nil)
		if err == nil && len(got) > len(plain) {
			t.Fatalf("%d bytes opened to %d", len(plain), len(got))
		}
		got, _, err = Open(nil, []*Cipher{c}, c.AppendSealed(nil, version, &testNonce, plain, nil), nil)
		if err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("%x, %v, want %x", got, err, plain)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	c := testCipher(b, 32, 1)
	plain, aad := make([]byte, 1300), []byte("label")
	buf := make([]byte, 0, 1500)
	b.SetBytes(int64(len(plain)))
	b.ReportAllocs()
	for b.Loop() {
		buf = c.AppendSealed(buf[:0], SealVersion1, &testNonce, plain, aad)
	}
}

func BenchmarkOpen(b *testing.B) {
	c := testCipher(b, 32, 1)
	ciphers, aad := []*Cipher{c}, []byte("label")
	sealed := c.AppendSealed(nil, SealVersion1, &testNonce, make([]byte, 1300), aad)
	buf := make([]byte, 0, 1500)
	b.SetBytes(1300)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Open(buf[:0], ciphers, sealed, aad); err != nil {
			b.Fatal(err)
		}
	}
}

// TestSealCapacity: exactly that number of bytes fits.
func TestSealCapacity(t *testing.T) {
	for _, version := range []uint8{SealVersion0, SealVersion1} {
		for size := 60; size < 200; size++ {
			n := SealCapacity(version, size)
			if SealedSize(version, n) > size || SealedSize(version, n+1) <= size {
				t.Errorf("version %d: %d bytes become %d, %d become %d; the limit is %d",
					version, n, SealedSize(version, n), n+1, SealedSize(version, n+1), size)
			}
		}
		if n := SealCapacity(version, SealHeaderSize+TagSize-1); n >= 0 {
			t.Errorf("version %d: %d bytes fit where nothing does", version, n)
		}
	}
}
