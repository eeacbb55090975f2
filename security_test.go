package memberlist

import (
	"bytes"
	"errors"
	"reflect"
	"sync"
	"testing"
)

func testKeys() (a, b, c []byte) {
	return bytes.Repeat([]byte{1}, 16), bytes.Repeat([]byte{2}, 24), bytes.Repeat([]byte{3}, 32)
}

func newTestKeyring(t *testing.T, keys ...[]byte) *Keyring {
	t.Helper()
	k, err := NewKeyring(keys, keys[0])
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func wantKeys(t *testing.T, k *Keyring, want ...[]byte) {
	t.Helper()
	if got := k.GetKeys(); len(got) != len(want) || (len(want) > 0 && !reflect.DeepEqual(got, want)) {
		t.Errorf("got keys %v, want %v", got, want)
	}
	var primary []byte
	if len(want) > 0 {
		primary = want[0]
	}
	if got := k.GetPrimaryKey(); !bytes.Equal(got, primary) || (got == nil) != (primary == nil) {
		t.Errorf("got primary key %v, want %v", got, primary)
	}
	if got := len(k.ciphers()); got != len(want) {
		t.Errorf("got %d ciphers, want %d", got, len(want))
	}
}

func TestNewKeyring(t *testing.T) {
	a, b, c := testKeys()
	for _, tt := range []struct {
		name    string
		keys    [][]byte
		primary []byte
		want    [][]byte
		err     error
	}{
		{"nothing", nil, nil, nil, nil},
		{"primary alone", nil, a, [][]byte{a}, nil},
		{"primary among the keys", [][]byte{a, b, c}, b, [][]byte{b, a, c}, nil},
		{"primary apart", [][]byte{b, c}, a, [][]byte{a, b, c}, nil},
		{"twice the same", [][]byte{b, b, a}, a, [][]byte{a, b}, nil},
		{"no primary", [][]byte{a}, nil, nil, ErrPrimaryKey},
		{"bad primary", nil, a[:15], nil, ErrInvalidKey},
		{"bad key", [][]byte{a[:1]}, b, nil, ErrInvalidKey},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k, err := NewKeyring(tt.keys, tt.primary)
			if !errors.Is(err, tt.err) {
				t.Fatalf("got error %v, want %v", err, tt.err)
			}
			if tt.err == nil {
				wantKeys(t, k, tt.want...)
			}
		})
	}
}

func TestValidateKey(t *testing.T) {
	for n := range 40 {
		err := ValidateKey(make([]byte, n))
		if valid := n == 16 || n == 24 || n == 32; valid != (err == nil) || (!valid && !errors.Is(err, ErrInvalidKey)) {
			t.Errorf("%d bytes: got error %v", n, err)
		}
	}
}

func TestKeyringChanges(t *testing.T) {
	a, b, c := testKeys()
	for _, tt := range []struct {
		name   string
		change func(*Keyring) error
		want   [][]byte
		err    error
	}{
		{"add", func(k *Keyring) error { return k.AddKey(c) }, [][]byte{a, b, c}, nil},
		{"add again", func(k *Keyring) error { return k.AddKey(b) }, [][]byte{a, b}, nil},
		{"add primary again", func(k *Keyring) error { return k.AddKey(a) }, [][]byte{a, b}, nil},
		{"add bad", func(k *Keyring) error { return k.AddKey(c[:31]) }, [][]byte{a, b}, ErrInvalidKey},
		{"use", func(k *Keyring) error { return k.UseKey(b) }, [][]byte{b, a}, nil},
		{"use primary", func(k *Keyring) error { return k.UseKey(a) }, [][]byte{a, b}, nil},
		{"use unknown", func(k *Keyring) error { return k.UseKey(c) }, [][]byte{a, b}, ErrKeyNotFound},
		{"remove", func(k *Keyring) error { return k.RemoveKey(b) }, [][]byte{a}, nil},
		{"remove primary", func(k *Keyring) error { return k.RemoveKey(a) }, [][]byte{a, b}, ErrPrimaryKey},
		{"remove unknown", func(k *Keyring) error { return k.RemoveKey(c) }, [][]byte{a, b}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := newTestKeyring(t, a, b)
			if err := tt.change(k); !errors.Is(err, tt.err) {
				t.Errorf("got error %v, want %v", err, tt.err)
			}
			wantKeys(t, k, tt.want...)
		})
	}
}

func TestUsingAMiddleKeyKeepsTheOrderOfTheOthers(t *testing.T) {
	a, b, c := testKeys()
	k := newTestKeyring(t, a, b, c)
	if err := k.UseKey(c); err != nil {
		t.Fatal(err)
	}
	wantKeys(t, k, c, a, b)
}

func TestZeroKeyringIsEmptyAndUsable(t *testing.T) {
	a, _, _ := testKeys()
	var k Keyring
	wantKeys(t, &k)
	if err := k.RemoveKey(a); err != nil {
		t.Errorf("removing from an empty ring: %v", err)
	}
	if err := k.UseKey(a); !errors.Is(err, ErrKeyNotFound) {
		t.Errorf("using from an empty ring: got error %v, want %v", err, ErrKeyNotFound)
	}
	if err := k.AddKey(a); err != nil {
		t.Fatal(err)
	}
	wantKeys(t, &k, a)
	var none *Keyring
	if got := none.ciphers(); got != nil {
		t.Errorf("a nil ring has ciphers %v", got)
	}
}

func TestKeyringSharesNoMemory(t *testing.T) {
	a, b, c := testKeys()
	k := newTestKeyring(t, a, b, c)
	kept := k.GetKeys()
	if err := k.RemoveKey(b); err != nil {
		t.Fatal(err)
	}
	if wantA, wantB, wantC := testKeys(); !reflect.DeepEqual(kept, [][]byte{wantA, wantB, wantC}) {
		t.Errorf("keys handed out earlier changed to %v", kept)
	}
	a[0], kept[2][0] = 99, 99
	k.GetPrimaryKey()[1] = 99
	wantA, _, wantC := testKeys()
	wantKeys(t, k, wantA, wantC)
}

func TestKeyringIsReadWhileItChanges(t *testing.T) {
	a, b, _ := testKeys()
	k := newTestKeyring(t, a)
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for range 200 {
				if n := len(k.ciphers()); n < 1 || n > 2 {
					t.Errorf("saw %d ciphers", n)
				}
				if key := k.GetPrimaryKey(); !bytes.Equal(key, a) && !bytes.Equal(key, b) {
					t.Errorf("saw primary key %v", key)
				}
			}
		})
	}
	for range 50 {
		for _, err := range []error{k.AddKey(b), k.UseKey(b), k.UseKey(a), k.RemoveKey(b)} {
			if err != nil {
				t.Error(err)
			}
		}
	}
	readers.Wait()
}

func TestCiphersAllocateNothing(t *testing.T) {
	a, b, _ := testKeys()
	k := newTestKeyring(t, a, b)
	if n := testing.AllocsPerRun(100, func() { k.ciphers() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
