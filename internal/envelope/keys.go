package envelope

import (
	"bytes"
	"slices"
	"sync/atomic"

	"github.com/e3431adc/memberlist/internal/wire"
)

// Key is a key of a ring.
type Key struct {
	Bytes       []byte
	DecryptOnly bool

	cipher *wire.Cipher
	usage  *usageCounter
}

// NewKey returns a key with a copy of the bytes: 16, 24 or 32 for AES-128, AES-192 or AES-256.
func NewKey(key []byte) (Key, error) {
	cipher, err := wire.NewCipher(key)
	if err != nil {
		return Key{}, err
	}
	return Key{Bytes: bytes.Clone(key), cipher: cipher, usage: new(usageCounter)}, nil
}

// Usage returns the usage of the key by received packets and streams.
func (k *Key) Usage() Usage { return k.usage.snapshot() }

// KeySet is the content of a ring: the primary key, which encrypts, first. It is never changed, only replaced.
type KeySet struct {
	Keys    []Key
	ciphers []*wire.Cipher // of the keys, in the same order
}

// Index returns the index of a key, or -1.
func (s *KeySet) Index(key []byte) int {
	return slices.IndexFunc(s.Keys, func(k Key) bool { return bytes.Equal(k.Bytes, key) })
}

// Ring holds the current KeySet. The zero Ring is empty. Any goroutine may call its methods.
type Ring struct{ set atomic.Pointer[KeySet] }

// Load returns the current keys. Those of a nil ring are empty. It does not allocate.
func (r *Ring) Load() *KeySet {
	if r != nil {
		if set := r.set.Load(); set != nil {
			return set
		}
	}
	return &noKeys
}

var noKeys KeySet

// Store replaces the keys. The slice must not be changed afterwards.
func (r *Ring) Store(keys []Key) {
	set := &KeySet{Keys: keys, ciphers: make([]*wire.Cipher, len(keys))}
	for i := range keys {
		set.ciphers[i] = keys[i].cipher
	}
	r.set.Store(set)
}
