package memberlist

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"

	"github.com/e3431adc/memberlist/internal/envelope"
)

// Keyring holds the keys for encryption (AES-GCM). The primary key, the first one, encrypts; decryption tries all of
// them, the primary first. To change the key of a running cluster, add the new one on every member, then use it on
// every member, then, once Usage shows that the old one is not received any more, remove that on every member.
//
// Its methods may be called concurrently, also while members use it. The zero Keyring is empty and ready for use.
// Keys are copied in and out.
type Keyring struct {
	ring envelope.Ring
	mu   sync.Mutex // serializes changes of the ring
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
	added.DecryptOnly = true
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.load().Index(key) == 0 || len(k.load().Keys) == 0 {
		return fmt.Errorf("only decrypting with the primary key is not allowed: %w", ErrPrimaryKey)
	}
	k.putLocked(added)
	return nil
}

// putLocked adds a key at the end, or puts it in its own place.
func (k *Keyring) putLocked(added envelope.Key) {
	keys := slices.Clone(k.load().Keys)
	if i := k.load().Index(added.Bytes); i >= 0 {
		keys[i].DecryptOnly = added.DecryptOnly
	} else {
		keys = append(keys, added)
	}
	k.ring.Store(keys)
}

// UseKey makes a key of the keyring the primary one. It returns ErrKeyNotFound if the key is not present, and
// ErrDecryptOnlyKey if it was added by AddDecryptOnlyKey.
func (k *Keyring) UseKey(key []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	old := k.load()
	i := old.Index(key)
	if i < 0 {
		return ErrKeyNotFound
	}
	if old.Keys[i].DecryptOnly {
		return ErrDecryptOnlyKey
	}
	keys := append(make([]envelope.Key, 0, len(old.Keys)), old.Keys[i])
	keys = append(keys, old.Keys[:i]...)
	k.ring.Store(append(keys, old.Keys[i+1:]...))
	return nil
}

// RemoveKey removes a key. The error wraps ErrPrimaryKey for the primary key. Removing an absent key has no effect.
func (k *Keyring) RemoveKey(key []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	old := k.load()
	switch i := old.Index(key); i {
	case -1:
		return nil
	case 0:
		return fmt.Errorf("removing the primary key is not allowed: %w", ErrPrimaryKey)
	default:
		k.ring.Store(slices.Delete(slices.Clone(old.Keys), i, i+1))
		return nil
	}
}

// GetKeys returns the keys, the primary first, in a slice that belongs to the caller.
func (k *Keyring) GetKeys() [][]byte {
	set := k.load()
	keys := make([][]byte, len(set.Keys))
	for i := range set.Keys {
		keys[i] = bytes.Clone(set.Keys[i].Bytes)
	}
	return keys
}

// GetPrimaryKey returns the key that encrypts, nil if the keyring is empty.
func (k *Keyring) GetPrimaryKey() (key []byte) {
	set := k.load()
	if len(set.Keys) == 0 {
		return nil
	}
	return bytes.Clone(set.Keys[0].Bytes)
}

// Usage returns an entry for each key, the primary first. An old key that has not been received for longer than
// Config.PushPullInterval and a round of probes can be removed.
func (k *Keyring) Usage() []KeyUsage {
	set := k.load()
	uses := make([]KeyUsage, len(set.Keys))
	for i := range set.Keys {
		key := &set.Keys[i]
		uses[i] = KeyUsage{
			Fingerprint: KeyFingerprint(key.Bytes),
			Primary:     i == 0,
			DecryptOnly: key.DecryptOnly,
			Usage:       Usage(key.Usage()),
		}
	}
	return uses
}

func newRingKey(key []byte) (envelope.Key, error) {
	if err := ValidateKey(key); err != nil {
		return envelope.Key{}, err
	}
	return envelope.NewKey(key)
}

// ringOf returns the ring for an Envelope: nil for a nil Keyring.
func (k *Keyring) ringOf() *envelope.Ring {
	if k == nil {
		return nil
	}
	return &k.ring
}

// load returns the present keys. They must not be changed. A nil Keyring has none.
func (k *Keyring) load() *envelope.KeySet { return k.ringOf().Load() }
