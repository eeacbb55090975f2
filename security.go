package memberlist

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/e3431adc/memberlist/internal/wire"
)

// Keyring holds the keys for encryption (AES-GCM). The primary key, the first one, encrypts; decryption tries all of
// them, the primary first. To change the key of a running cluster, add the new one on every member, then use it on
// every member, then, once Usage shows that the old one is not received any more, remove that on every member.
//
// Its methods may be called concurrently, also while members use it. The zero Keyring is empty and ready for use.
// Keys are copied in and out.
type Keyring struct {
	set atomic.Pointer[keySet] // nil: empty; a set is immutable
	mu  sync.Mutex             // serializes replacements
}

// keySet is an immutable state of a Keyring: keys, the primary first, and their ciphers in the same order.
type keySet struct {
	keys    []ringKey
	ciphers []*wire.Cipher
}

// ringKey is a key on a keyring. Only the usage behind the pointer changes.
type ringKey struct {
	key         []byte
	cipher      *wire.Cipher
	decryptOnly bool
	usage       *usageCounter
}

// KeyUsage describes a key of a Keyring and the traffic received with it.
type KeyUsage struct {
	// Fingerprint is KeyFingerprint of the key.
	Fingerprint string

	// Primary is set for the key that encrypts, DecryptOnly for one that never does: see AddDecryptOnlyKey.
	Primary, DecryptOnly bool

	// Usage counts packets and streams decrypted with the key since it was added, by all members that share the
	// keyring.
	Usage
}

// KeyFingerprint returns 16 hexadecimal digits that identify a key, for example in logs. They reveal nothing about a
// random key, but can confirm a guessed one.
func KeyFingerprint(key []byte) string {
	sum := sha256.Sum256(append([]byte("memberlist key\x00"), key...))
	return hex.EncodeToString(sum[:8])
}

// NewKeyring returns a keyring with primaryKey first, then the other keys. Without any key it is empty and encryption
// is off; keys without a primary one are ErrPrimaryKey. Each key must be valid: see ValidateKey.
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

// ValidateKey returns ErrInvalidKey unless the key has 16, 24 or 32 bytes, for AES-128, AES-192 or AES-256.
func ValidateKey(key []byte) error {
	switch len(key) {
	case 16, 24, 32:
		return nil
	default:
		return ErrInvalidKey
	}
}

// AddKey adds a key for decryption; on an empty keyring it becomes the primary key. Adding it again has no effect,
// except that a decrypt-only key may encrypt from now on. The error is that of ValidateKey.
func (k *Keyring) AddKey(key []byte) error {
	added, err := newRingKey(key)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.putLocked(added)
	return nil
}

// AddDecryptOnlyKey adds a key that decrypts but never encrypts: UseKey refuses it. So a key can be phased out, or be
// distributed to all members before any may use it. A key that is present becomes decrypt-only; for the primary key,
// and on a keyring without one, the error wraps ErrPrimaryKey. AddKey makes it an ordinary key again. GetKeys
// includes it.
func (k *Keyring) AddDecryptOnlyKey(key []byte) error {
	added, err := newRingKey(key)
	if err != nil {
		return err
	}
	added.decryptOnly = true
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.load().index(key) == 0 || len(k.load().keys) == 0 {
		return fmt.Errorf("only decrypting with the primary key is not allowed: %w", ErrPrimaryKey)
	}
	k.putLocked(added)
	return nil
}

// putLocked adds a key at the end, or replaces the same key.
func (k *Keyring) putLocked(added ringKey) {
	keys := slices.Clone(k.load().keys)
	if i := k.load().index(added.key); i >= 0 {
		keys[i].decryptOnly = added.decryptOnly
	} else {
		keys = append(keys, added)
	}
	k.replace(keys)
}

// UseKey makes a key of the keyring the primary one. It returns ErrKeyNotFound if the key is not present, and
// ErrDecryptOnlyKey if it was added by AddDecryptOnlyKey.
func (k *Keyring) UseKey(key []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	old := k.load()
	i := old.index(key)
	if i < 0 {
		return ErrKeyNotFound
	}
	if old.keys[i].decryptOnly {
		return ErrDecryptOnlyKey
	}
	keys := append(make([]ringKey, 0, len(old.keys)), old.keys[i])
	keys = append(keys, old.keys[:i]...)
	k.replace(append(keys, old.keys[i+1:]...))
	return nil
}

// RemoveKey removes a key. The error wraps ErrPrimaryKey for the primary key. Removing an absent key has no effect.
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
		k.replace(slices.Delete(slices.Clone(old.keys), i, i+1))
		return nil
	}
}

// GetKeys returns the keys, the primary first, in a slice that belongs to the caller.
func (k *Keyring) GetKeys() [][]byte {
	set := k.load()
	keys := make([][]byte, len(set.keys))
	for i := range set.keys {
		keys[i] = bytes.Clone(set.keys[i].key)
	}
	return keys
}

// GetPrimaryKey returns the key that encrypts, nil if the keyring is empty.
func (k *Keyring) GetPrimaryKey() (key []byte) {
	set := k.load()
	if len(set.keys) == 0 {
		return nil
	}
	return bytes.Clone(set.keys[0].key)
}

// Usage returns an entry for each key, the primary first. An old key that has not been received for longer than
// Config.PushPullInterval and a round of probes can be removed.
func (k *Keyring) Usage() []KeyUsage {
	set := k.load()
	uses := make([]KeyUsage, len(set.keys))
	for i := range set.keys {
		key := &set.keys[i]
		uses[i] = KeyUsage{
			Fingerprint: KeyFingerprint(key.key),
			Primary:     i == 0,
			DecryptOnly: key.decryptOnly,
			Usage:       key.usage.snapshot(),
		}
	}
	return uses
}

func newRingKey(key []byte) (ringKey, error) {
	if err := ValidateKey(key); err != nil {
		return ringKey{}, err
	}
	cipher, err := wire.NewCipher(key)
	if err != nil {
		return ringKey{}, err
	}
	return ringKey{key: bytes.Clone(key), cipher: cipher, usage: new(usageCounter)}, nil
}

// replace sets the keys, which must not be written to afterwards.
func (k *Keyring) replace(keys []ringKey) {
	set := &keySet{keys: keys, ciphers: make([]*wire.Cipher, len(keys))}
	for i := range keys {
		set.ciphers[i] = keys[i].cipher
	}
	k.set.Store(set)
}

// ciphers returns the ciphers of the keys, the primary first, in a shared slice. A nil keyring has none.
func (k *Keyring) ciphers() []*wire.Cipher { return k.load().ciphers }

// load returns the current set; of a nil keyring, an empty one.
func (k *Keyring) load() keySet {
	if k != nil {
		if set := k.set.Load(); set != nil {
			return *set
		}
	}
	return keySet{}
}

// index returns the index of key, or -1.
func (s keySet) index(key []byte) int {
	return slices.IndexFunc(s.keys, func(have ringKey) bool { return bytes.Equal(have.key, key) })
}
