package wire

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"slices"
)

// Sealed bytes: the version, the nonce, the AES-GCM ciphertext, its tag.
const (
	// SealVersion0 pads the plaintext to a multiple of 16 bytes, by 1 to 16. Protocol version 1 sends it.
	SealVersion0 uint8 = 0
	// SealVersion1 does not pad. Protocol versions 2 and above send it.
	SealVersion1 uint8 = 1

	// NonceSize is the size of a nonce in bytes. Two packets sealed with one key must not share one.
	NonceSize = 12
	// TagSize is the size of the authentication tag in bytes.
	TagSize = 16
	// SealHeaderSize is the number of bytes before the ciphertext: the version and the nonce.
	SealHeaderSize = 1 + NonceSize

	padBlock = 16
)

// SealedSize returns the sealed size of n bytes. Versions other than 0 count as 1.
func SealedSize(version uint8, n int) int {
	return SealHeaderSize + n + padding(version, n) + TagSize
}

// SealCapacity returns the number of plaintext bytes that have a sealed size of at most size, less than 0 if there is
// none. Versions other than 0 count as 1.
func SealCapacity(version uint8, size int) int {
	n := size - SealHeaderSize - TagSize
	if version == SealVersion0 {
		return n - n%padBlock - 1
	}
	return n
}

// padding returns the number of padding bytes after n bytes.
func padding(version uint8, n int) int {
	if version == SealVersion0 {
		return padBlock - n%padBlock
	}
	return 0
}

// Cipher seals and opens with one key. It is immutable and may be shared.
type Cipher struct {
	aead cipher.AEAD
}

// NewCipher returns the Cipher of an AES key of 16, 24 or 32 bytes; other sizes are ErrMalformed. The key is copied.
func NewCipher(key []byte) (*Cipher, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("%w: a key of %d bytes, want 16, 24 or 32", ErrMalformed, len(key))
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("aes-gcm: %w", err)
	}
	return &Cipher{aead: aead}, nil
}

// AppendSealed appends the sealed plaintext, SealedSize bytes, to dst. The nonce must be fresh, from a cryptographic
// source. The additional data is authenticated, not sent. Neither plaintext nor aad may overlap the capacity behind
// dst. Versions other than 0 are sealed as 1.
func (c *Cipher) AppendSealed(dst []byte, version uint8, nonce *[NonceSize]byte, plaintext, aad []byte) []byte {
	at := len(dst)
	dst = slices.Grow(dst, SealedSize(version, len(plaintext)))
	dst = append(dst[:at+SealHeaderSize], plaintext...)
	return c.SealInPlace(dst, at, version, nonce, aad)
}

// SealInPlace seals plaintext that was built inside a packet's buffer:
//
//	buf:     | prefix, at bytes | SealHeaderSize free bytes | plaintext |
//	returns: | prefix           | version, nonce            | ciphertext, tag |
//
// The result shares buf's array if that has capacity for SealedSize bytes after the prefix. The additional data may
// lie in the prefix, as a label does. It returns nil if at is negative or buf has no room for the header. The rest is
// as in AppendSealed.
func (c *Cipher) SealInPlace(buf []byte, at int, version uint8, nonce *[NonceSize]byte, aad []byte) []byte {
	if at < 0 || at > len(buf)-SealHeaderSize {
		return nil
	}
	if version != SealVersion0 {
		version = SealVersion1
	}
	start := at + SealHeaderSize
	pad := padding(version, len(buf)-start)
	buf = slices.Grow(buf, pad+TagSize)
	for range pad {
		buf = append(buf, byte(pad))
	}
	buf[at] = version
	copy(buf[at+1:], nonce[:])
	return c.aead.Seal(buf[:start], buf[at+1:start], buf[start:], aad)
}

// Open appends to dst the plaintext of sealed and returns the index of the cipher that opened it; ciphers are tried
// in order. dst's capacity must not overlap sealed or aad. On an error, which is ErrDecrypt, dst is returned
// unchanged and used is -1.
func Open(dst []byte, ciphers []*Cipher, sealed, aad []byte) (plain []byte, used int, err error) {
	if len(sealed) < SealHeaderSize+TagSize {
		return dst, -1, fmt.Errorf("%w: %d bytes are too few", ErrDecrypt, len(sealed))
	}
	version, nonce, ciphertext := sealed[0], sealed[1:SealHeaderSize], sealed[SealHeaderSize:]
	if version > SealVersion1 {
		return dst, -1, fmt.Errorf("%w: unknown version %d", ErrDecrypt, version)
	}
	plain = slices.Grow(dst, len(ciphertext)-TagSize)
	for i, c := range ciphers {
		opened, err := c.aead.Open(plain, nonce, ciphertext, aad)
		if err != nil {
			continue
		}
		if version == SealVersion0 {
			opened, err = unpad(opened, len(dst))
			if err != nil {
				return dst, -1, err
			}
		}
		return opened, i, nil
	}
	return dst, -1, fmt.Errorf("%w: none of %d keys fits", ErrDecrypt, len(ciphers))
}

// unpad removes the padding of the plaintext b[from:]. Its size is checked even though it was authenticated: every
// holder of the key can send any.
func unpad(b []byte, from int) ([]byte, error) {
	if len(b) == from {
		return nil, fmt.Errorf("%w: no padding", ErrDecrypt)
	}
	pad := int(b[len(b)-1])
	if pad == 0 || pad > padBlock || pad > len(b)-from {
		return nil, fmt.Errorf("%w: padding of %d bytes in %d", ErrDecrypt, pad, len(b)-from)
	}
	return b[:len(b)-pad], nil
}
