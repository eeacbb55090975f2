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

// Keyring holds the keys with which packets and streams are encrypted (AES in GCM mode). The primary key, the first one,
// encrypts; all of them are tried for what arrives, the primary first. To change the key of a running cluster, add the
// new one on every member, then use it on every member, then, once Usage shows that nobody is heard with the old one any
// more, remove that on every member.
//
// Any goroutine may call its methods at any time, also while members use the ring. The zero Keyring is empty and ready
// for use. Keys go in and come out as copies.
type Keyring struct {
	set atomic.Pointer[keySet] // nil: empty; a set is never changed, only replaced
	mu  sync.Mutex             // serializes the replacing
}

// keySet is what a Keyring holds at one moment: keys, primary first, and their ciphers in the same order.
type keySet struct {
	keys    []ringKey
	ciphers []*wire.Cipher
}

// ringKey is a key on a ring. Only the usage behind the pointer changes.
type ringKey struct {
	key         []byte
	cipher      *wire.Cipher
	decryptOnly bool
	usage       *usageCounter
}

// KeyUsage says what a key of a Keyring is for, and what has been heard with it.
type KeyUsage struct {
	// Fingerprint tells keys apart without giving them away: it is KeyFingerprint of the key.
	Fingerprint string

	// Primary is the key that encrypts; DecryptOnly one that never will: see AddDecryptOnlyKey.
	Primary, DecryptOnly bool

	// Use counts what was decrypted with the key since it was put on the ring, by all members that share the ring.
	Usage
}

// KeyFingerprint gives 16 hexadecimal digits that stand for a key where the key itself must not be seen, as in logs. Nothing
// can be decrypted with them, but a key that is guessed can be checked by them: let keys be random.
func KeyFingerprint(key []byte) string {
	sum := sha256.Sum256(append([]byte("memberlist key\x00"), key...))
	return hex.EncodeToString(sum[:8])
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
// the primary key. A key that is there already is no error and stays where it is; if it was one to decrypt only, it may
// encrypt from now on. See ValidateKey for what is refused.
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

// AddDecryptOnlyKey puts a key on the ring with which what arrives is read but nothing is ever encrypted: UseKey refuses
// it. So a key can be on its way out, or be handed to all members before any may use it. A key that is there already
// becomes such a one; on the primary key, or a ring without one, the error wraps ErrPrimaryKey. AddKey makes it an ordinary key. GetKeys gives it like any other.
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

// putLocked adds a key at the end, or puts it in its own place.
func (k *Keyring) putLocked(added ringKey) {
	keys := slices.Clone(k.load().keys)
	if i := k.load().index(added.key); i >= 0 {
		keys[i].decryptOnly = added.decryptOnly
	} else {
		keys = append(keys, added)
	}
	k.replace(keys)
}

// UseKey makes a key that is on the ring the primary one. One that is not there gives ErrKeyNotFound, and one that was
// added to decrypt only ErrDecryptOnlyKey.
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
		k.replace(slices.Delete(slices.Clone(old.keys), i, i+1))
		return nil
	}
}

// GetKeys gives the keys on the ring, the primary key first, in a slice that is the caller's to keep and change.
func (k *Keyring) GetKeys() [][]byte {
	set := k.load()
	keys := make([][]byte, len(set.keys))
	for i := range set.keys {
		keys[i] = bytes.Clone(set.keys[i].key)
	}
	return keys
}

// GetPrimaryKey gives the key that encrypts, nil if the ring is empty.
func (k *Keyring) GetPrimaryKey() (key []byte) {
	set := k.load()
	if len(set.keys) == 0 {
		return nil
	}
	return bytes.Clone(set.keys[0].key)
}

// Usage returns an entry for each key on the ring, the primary key first. An old key with which nobody is heard any more, for
// longer than Config.PushPullInterval and a round of probes takes, can be removed.
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

// replace makes keys what the ring holds. They are not to be written to any more.
func (k *Keyring) replace(keys []ringKey) {
	set := &keySet{keys: keys, ciphers: make([]*wire.Cipher, len(keys))}
	for i := range keys {
		set.ciphers[i] = keys[i].cipher
	}
	k.set.Store(set)
}

// ciphers gives the ciphers of the keys, primary first. The slice is shared and must not be written to. A nil ring has
// none.
func (k *Keyring) ciphers() []*wire.Cipher { return k.load().ciphers }

// load gives the current set. That of a nil ring is empty.
func (k *Keyring) load() keySet {
	if k != nil {
		if set := k.set.Load(); set != nil {
			return *set
		}
	}
	return keySet{}
}

// index gives the place of key, or -1.
func (s keySet) index(key []byte) int {
	return slices.IndexFunc(s.keys, func(have ringKey) bool { return bytes.Equal(have.key, key) })
}
