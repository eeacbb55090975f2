package memberlist

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist/internal/envelope"
	"github.com/e3431adc/memberlist/internal/simnet"
	"github.com/e3431adc/memberlist/internal/wire"
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

// newEnvelope returns an envelope with the ring's keys.
func newEnvelope(t *testing.T, k *Keyring) *envelope.Envelope {
	t.Helper()
	config := DefaultLANConfig()
	config.Keyring = k
	e, err := envelope.New(config.policy(), k.ringOf())
	if err != nil {
		t.Fatal(err)
	}
	return e
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
	if got := len(k.load().Keys); got != len(want) {
		t.Errorf("got %d keys, want %d", got, len(want))
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
		{"add to decrypt only", func(k *Keyring) error { return k.AddDecryptOnlyKey(c) }, [][]byte{a, b, c}, nil},
		{"add bad to decrypt only", func(k *Keyring) error { return k.AddDecryptOnlyKey(c[:31]) }, [][]byte{a, b}, ErrInvalidKey},
		{"add primary to decrypt only", func(k *Keyring) error { return k.AddDecryptOnlyKey(a) }, [][]byte{a, b}, ErrPrimaryKey},
		{"add another again, to decrypt only", func(k *Keyring) error { return k.AddDecryptOnlyKey(b) }, [][]byte{a, b}, nil},
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
	if got := none.load().Keys; got != nil {
		t.Errorf("a nil ring has keys %v", got)
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
				if n := len(k.load().Keys); n < 1 || n > 2 {
					t.Errorf("saw %d keys", n)
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

func TestDecryptOnlyKeys(t *testing.T) {
	a, b, c := testKeys()
	if err := new(Keyring).AddDecryptOnlyKey(a); !errors.Is(err, ErrPrimaryKey) {
		t.Errorf("alone on a ring: got error %v, want %v", err, ErrPrimaryKey)
	}
	k := newTestKeyring(t, a, b)
	for _, key := range [][]byte{b, c} {
		if err := k.AddDecryptOnlyKey(key); err != nil {
			t.Fatal(err)
		}
		if err := k.UseKey(key); !errors.Is(err, ErrDecryptOnlyKey) {
			t.Errorf("using it: got error %v, want %v", err, ErrDecryptOnlyKey)
		}
	}
	wantKeys(t, k, a, b, c)
	if err := errors.Join(k.AddKey(c), k.UseKey(c), k.RemoveKey(b)); err != nil {
		t.Errorf("an ordinary key again: %v", err)
	}
	wantKeys(t, k, c, a)
	if c := (&Config{SecretKey: b, Keyring: k}); c.installSecretKey() != nil || !bytes.Equal(k.GetPrimaryKey(), b) {
		t.Error("a secret key does not become the primary one")
	}
}

func TestKeyFingerprint(t *testing.T) {
	a, b, _ := testKeys()
	if got, want := KeyFingerprint(a), "cf25ab3ea6e1651a"; got != want {
		t.Errorf("got %s, want %s: it is compared between members and releases", got, want)
	}
	if KeyFingerprint(a) == KeyFingerprint(b) {
		t.Error("two keys have one")
	}
}

// TestUsageIsKeptWithTheKey: all changes of the ring keep the usage of a key, except its own removal.
func TestUsageIsKeptWithTheKey(t *testing.T) {
	a, b, c := testKeys()
	k := newTestKeyring(t, a, b)
	from := func(addr string) envelope.Source { return sourceOf(endpointOf(addr)) }
	now := time.Unix(1000, 5)
	receiver := newEnvelope(t, k)
	for i, addr := range []string{"10.0.0.1:7946", "10.0.0.2:7946"} {
		packet := newEnvelope(t, newTestKeyring(t, b)).Wrap(new(envelope.Packer), []byte("x"), 0)
		at := now.Add(time.Duration(i) * time.Millisecond)
		if _, err := receiver.Open(new(envelope.Opener), packet, at, from(addr)); err != nil {
			t.Fatal(err)
		}
	}
	want := Usage{Packets: 2, LastHeard: now, LastFrom: "10.0.0.1:7946"} // to the second
	for _, change := range []func() error{
		func() error { return nil },
		func() error { return k.AddDecryptOnlyKey(b) },
		func() error { return k.AddKey(b) },
		func() error { return k.AddKey(c) },
		func() error { return k.UseKey(b) },
		func() error { return k.RemoveKey(a) },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		uses := k.Usage()
		i := slices.IndexFunc(uses, func(u KeyUsage) bool { return u.Fingerprint == KeyFingerprint(b) })
		if uses[i].Usage != want {
			t.Errorf("got %+v, want %+v", uses[i].Usage, want)
		}
	}
	if uses := k.Usage(); uses[1].Usage != (Usage{}) {
		t.Errorf("a key that was never seen: %+v", uses[1])
	}
}

// TestRefusalsAreAlike: a peer without a key cannot tell from the size or the time of the answer whether it has
// guessed the label, or whether it used any key.
func TestRefusalsAreAlike(t *testing.T) {
	request := (&wire.PushPullHeader{Join: true}).Append(nil)
	cipher, err := wire.NewCipher(bytes.Repeat([]byte{9}, 32))
	if err != nil {
		t.Fatal(err)
	}
	labelled := func(label string, rest []byte) []byte {
		header, err := wire.AppendLabel(nil, label)
		if err != nil {
			t.Fatal(err)
		}
		return append(header, rest...)
	}
	sealed := func(label string) []byte {
		return wire.AppendSealedFrame(nil, cipher, wire.SealVersion1, new([wire.NonceSize]byte), label, request)
	}
	cut := func(b []byte) []byte { return b[:len(b)-1] }
	type answer struct {
		size int
		took time.Duration
	}
	for _, tt := range []struct {
		name   string
		change func(*Config)
		sent   map[string][]byte
		want   time.Duration
	}{
		{"whole messages", func(*Config) {}, map[string][]byte{
			"the label, another key":      labelled("azure", sealed("azure")),
			"another label, another key":  labelled("crimson", sealed("crimson")),
			"no label, another key":       sealed(""),
			"the label, plain text":       labelled("azure", request),
			"another label, plain text":   labelled("crimson", request),
			"no label, plain text":        request,
			"the label, a ping in text":   labelled("azure", (&wire.Ping{SeqNo: 1}).Append(nil)),
			"another label, noise sealed": labelled("green", append([]byte{byte(wire.TypeEncrypt), 0, 0, 0, 50, 1}, make([]byte, 49)...)),
		}, 2 * time.Millisecond},
		{"answers in plain text", func(c *Config) { c.GossipVerifyOutgoing = false }, map[string][]byte{
			"the label, another key":     labelled("azure", sealed("azure")),
			"another label, another key": labelled("crimson", sealed("crimson")),
			"the label, plain text":      labelled("azure", request),
			"another label, plain text":  labelled("crimson", request),
		}, 2 * time.Millisecond},
		{"messages without an end", func(*Config) {}, map[string][]byte{
			"the label, another key":     labelled("azure", cut(sealed("azure"))),
			"another label, another key": labelled("crimson", cut(sealed("crimson"))),
			"no label, another key":      cut(sealed("")),
		}, 10 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := new(MockNetwork)
				victim := newMember(t, network, "victim", func(c *Config) {
					c.Label, c.SecretKey = "azure", attackKey
					tt.change(c)
				})
				network.mu.network.SetDefault(simnet.Link{Latency: time.Millisecond})
				end := outsider(t, network, 66)
				texts := map[string]bool{}
				answers := map[answer][]string{}
				for name, b := range tt.sent {
					conn, err := end.Dial(context.Background(), addrOf(victim))
					if err != nil {
						t.Fatal(err)
					}
					start := time.Now()
					reply, took := firstAnswer(t, conn, b), time.Since(start)
					answers[answer{len(reply), took}] = append(answers[answer{len(reply), took}], name)
					if len(reply) > 0 && wire.Type(reply[0]) != wire.TypeEncrypt {
						texts[string(reply)] = true
					}
					if took.Round(time.Second) != tt.want.Round(time.Second) {
						t.Errorf("%s: answered after %v, want %v", name, took, tt.want)
					}
				}
				if len(answers) != 1 {
					t.Errorf("there are different answers: %v", answers)
				}
				if len(texts) > 1 {
					t.Errorf("there are %d different texts", len(texts))
				}
				t.Logf("%v", answers)
			})
		})
	}
}

// firstAnswer writes to a stream and returns the bytes of the first read from it, none if the stream ends.
func firstAnswer(t *testing.T, conn net.Conn, b []byte) []byte {
	t.Helper()
	defer conn.Close()
	if _, err := conn.Write(b); err != nil {
		t.Fatal(err)
	}
	reply := make([]byte, 10_000)
	n, err := conn.Read(reply)
	if err != nil && err != io.EOF {
		t.Logf("read: %v", err)
	}
	return reply[:n]
}
