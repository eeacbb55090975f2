package memberlist

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/e3431adc/memberlist/internal/wire"
)

// Keyring holds the keys with which packets and streams are encrypted (AES in GCM mode). The primary key, the first one,
// encrypts; all of them are tried for what arrives, the primary first. To change the key of a running cluster, add the
// new one on every member, then use it on every member, then remove the old one on every member.
//
// Any goroutine may call its methods at any time, also while members use the ring. The zero Keyring is empty and ready
// for use. Keys go in and come out as copies.
type Keyring struct {
	set atomic.Pointer[keySet] // nil: empty; a set is never changed, only replaced
	mu  sync.Mutex             // serializes the replacing
}

// keySet is what a Keyring holds at one moment: keys, and ciphers for them in the same order, primary first.
type keySet struct {
	keys    [][]byte
	ciphers []*wire.Cipher
}

// NewKeyring gives a ring with primaryKey first, then those of keys that are not the same. Without any key the ring is
// empty and encryption off; keys without a primary one are an error that wraps ErrPrimaryKey. Each key must be valid: see
// ValidateKey.
func NewKeyring(keys [][]byte, primaryKey []byte) (*Keyring, error) {
	k := &Keyring{}
	if len(keys) == 0 && len(primaryKey) == 0 {
		return k, nil
	}
	if len(primaryKey) == 0 {
		return nil, fmt.Errorf("empty primary key not allowed: %w", ErrPrimaryKey)
	}
	if err := k.AddKey(primaryKey); err != nil {
		return nil, err
	}
	for _, key := range keys {
		if err := k.AddKey(key); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// ValidateKey gives ErrInvalidKey for a key that is not 16, 24 or 32 bytes long, for AES-128, AES-192 or AES-256.
func ValidateKey(key []byte) error {
	switch len(key) {
	case 16, 24, 32:
		return nil
	default:
		return ErrInvalidKey
	}
}

// AddKey puts a key at the end of the ring, so that what is encrypted with it can be read; on an empty ring it becomes
// the primary key. A key that is there already is no error and stays where it is. See ValidateKey for what is refused.
func (k *Keyring) AddKey(key []byte) error {
	if err := ValidateKey(key); err != nil {
		return err
	}
	cipher, err := wire.NewCipher(key)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	old := k.load()
	if old.index(key) >= 0 {
		return nil
	}
	k.set.Store(&keySet{
		keys:    append(slices.Clip(old.keys), bytes.Clone(key)),
		ciphers: append(slices.Clip(old.ciphers), cipher),
	})
	return nil
}

// UseKey makes a key that is on the ring the primary one. One that is not there gives ErrKeyNotFound.
func (k *Keyring) UseKey(key []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	old := k.load()
	i := old.index(key)
	if i < 0 {
		return ErrKeyNotFound
	}
	k.set.Store(&keySet{
		keys:    toFront(old.keys, i),
		ciphers: toFront(old.ciphers, i),
	})
	return nil
}

// RemoveKey takes a key off the ring. Removing the primary key is refused with an error that wraps ErrPrimaryKey; a key
// that is not there is no error.
func (k *Keyring) RemoveKey(key []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	old := k.load()
	switch i := old.index(key); i {
	case -1:
		return nil
	case 0:
		return fmt.Errorf("removing the primary key is not allowed: %w", ErrPrimaryKey)
	default:
		k.set.Store(&keySet{
			keys:    slices.Delete(slices.Clone(old.keys), i, i+1),
			ciphers: slices.Delete(slices.Clone(old.ciphers), i, i+1),
		})
		return nil
	}
}

// GetKeys gives the keys on the ring, the primary key first, in a slice that is the caller's to keep and change.
func (k *Keyring) GetKeys() [][]byte {
	set := k.load()
	keys := make([][]byte, len(set.keys))
	for i, key := range set.keys {
		keys[i] = bytes.Clone(key)
	}
	return keys
}

// GetPrimaryKey gives the key that encrypts, nil if the ring is empty.
func (k *Keyring) GetPrimaryKey() (key []byte) {
	set := k.load()
	if len(set.keys) == 0 {
		return nil
	}
	return bytes.Clone(set.keys[0])
}

// ciphers gives the ciphers of the keys, primary first. The slice is shared and must not be written to. A nil ring has
// none.
func (k *Keyring) ciphers() []*wire.Cipher {
	if k == nil {
		return nil
	}
	return k.load().ciphers
}

// load gives the current set, never nil.
func (k *Keyring) load() *keySet {
	if set := k.set.Load(); set != nil {
		return set
	}
	return &keySet{}
}

// index gives the place of key, or -1.
func (s *keySet) index(key []byte) int {
	return slices.IndexFunc(s.keys, func(have []byte) bool { return bytes.Equal(have, key) })
}

// toFront gives a copy of s with element i moved to the front.
func toFront[E any](s []E, i int) []E {
	front := make([]E, 0, len(s))
	front = append(front, s[i])
	front = append(front, s[:i]...)
	return append(front, s[i+1:]...)
}
