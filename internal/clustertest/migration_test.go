package clustertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist/internal/simnet"
	"github.com/e3431adc/memberlist/internal/wire"

	"github.com/e3431adc/memberlist"
)

// restart makes member i leave and join again with another configuration, which begins as that of a new member.
func (c *simCluster) restart(i int, change func(*memberlist.Config)) {
	c.t.Helper()
	if err := c.members[i].Leave(10 * time.Second); err != nil {
		c.t.Fatal(err)
	}
	c.members[i].Shutdown()
	config := c.simConfig(i)
	config.Events = c.events[i]
	change(config)
	m, err := memberlist.Create(config)
	if err != nil {
		c.t.Fatal(err)
	}
	c.members[i] = m
	if _, err := m.Join(seedsAt((i + 1) % len(c.members))); err != nil {
		c.t.Fatalf("member %d: %v", i, err)
	}
}

// deaths returns the events of members that were declared dead.
func (c *simCluster) deaths() (deaths []string) {
	for i, log := range c.events {
		log.mu.Lock()
		for k, e := range log.events {
			if strings.HasPrefix(e, "leave") && log.nodes[k].State == memberlist.StateDead {
				deaths = append(deaths, fmt.Sprintf("member %d: %s", i, e))
			}
		}
		log.mu.Unlock()
	}
	return deaths
}

// TestLabelMigration: a cluster gets another label, member by member, as Config.AcceptLabels documents, and no member is
// declared dead meanwhile.
func TestLabelMigration(t *testing.T) {
	key := bytes.Repeat([]byte{7}, 32)
	for _, tt := range []struct {
		name     string
		old, new string
		key      []byte
	}{
		{"plain", "red", "blue", nil},
		{"encrypted", "red", "blue", key},
		{"from none", "", "blue", nil},
		{"to none, encrypted", "red", "", key},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const n = 5
				c := newSimCluster(t)
				defer c.stop()
				with := func(label string, accept ...string) func(*memberlist.Config) {
					return func(config *memberlist.Config) {
						config.Label, config.AcceptLabels, config.SecretKey = label, accept, tt.key
						config.PushPullInterval = 5 * time.Second
					}
				}
				c.grow(n, with(tt.old))
				c.await(settles, func() bool { return c.agree(n) })
				for _, round := range []func(*memberlist.Config){with(tt.old, tt.new), with(tt.new, tt.old), with(tt.new)} {
					for i := range n {
						c.restart(i, round)
						c.await(settles, func() bool { return c.agree(n) })
						time.Sleep(10 * time.Second) // while members with both send to each other
					}
					if got := c.deaths(); len(got) > 0 {
						t.Fatalf("false deaths: %v", got)
					}
				}
				time.Sleep(time.Minute)
				if got := c.deaths(); len(got) > 0 || !c.agree(n) {
					t.Errorf("not one cluster in the end; deaths: %v", got)
				}
			})
		})
	}
}

// TestFirstLabelBySkippingTheCheck: a cluster without a label gets one, member by member, with SkipInboundLabelCheck on
// while they differ.
func TestFirstLabelBySkippingTheCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 4
		c := newSimCluster(t)
		defer c.stop()
		c.grow(n, nil)
		for _, round := range []func(*memberlist.Config){
			func(config *memberlist.Config) { config.SkipInboundLabelCheck = true },
			func(config *memberlist.Config) { config.Label, config.SkipInboundLabelCheck = "blue", true },
			func(config *memberlist.Config) { config.Label = "blue" },
		} {
			for i := range n {
				c.restart(i, round)
				c.await(settles, func() bool { return c.agree(n) })
				time.Sleep(10 * time.Second)
			}
		}
		if deaths := c.deaths(); len(deaths) > 0 || !c.agree(n) {
			t.Errorf("not one cluster in the end; deaths: %v", deaths)
		}
	})
}

// TestLabelsHeardWhenSkippingTheCheck: which labels a member hears, before packets and streams and authenticated by a seal.
func TestLabelsHeardWhenSkippingTheCheck(t *testing.T) {
	const plain = "not sealed"
	for _, tt := range []struct {
		own, header, auth string // the member's; before the packet; in the seal
		heard             bool
	}{
		{"blue", "blue", plain, true},
		{"blue", "", plain, true},
		{"blue", "red", plain, true},
		{"", "", plain, true},
		{"", "red", plain, true},
		{"blue", "blue", "blue", true},
		{"blue", "", "blue", true},
		{"blue", "blue", "red", false},
		{"blue", "red", "blue", false},
		{"blue", "red", "red", true},
		{"", "", "", true},
		{"", "red", "red", true},
		{"", "red", "", false},
	} {
		t.Run(fmt.Sprintf("own=%s/header=%s/auth=%s", tt.own, tt.header, tt.auth), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newSimCluster(t)
				defer c.stop()
				delegate := new(testDelegate)
				c.add(func(config *memberlist.Config) {
					config.Label, config.SkipInboundLabelCheck, config.Delegate = tt.own, true, delegate
					if tt.auth != plain {
						config.SecretKey = attackKey
					}
				})
				packet := append([]byte{byte(wire.TypeUser)}, "packet"...)
				stream := append((&wire.UserHeader{UserMsgLen: 6}).Append(nil), "stream"...)
				if tt.auth != plain {
					cipher, err := wire.NewCipher(attackKey)
					if err != nil {
						t.Fatal(err)
					}
					packet = cipher.AppendSealed(nil, wire.SealVersion1, newNonce(), packet, []byte(tt.auth))
					stream = wire.AppendSealedFrame(nil, cipher, wire.SealVersion1, newNonce(), tt.auth, stream)
				}
				end := c.outsider(1)
				defer end.Close()
				if err := end.Send(underLabel(t, tt.header, packet), simAddr(0)); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
				conn, err := end.Dial(t.Context(), simAddr(0))
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				if _, err := conn.Write(underLabel(t, tt.header, stream)); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
				var want []string
				if tt.heard {
					want = []string{"packet", "stream"}
				}
				if got := delegate.received(); !slices.Equal(got, want) {
					t.Errorf("heard %q, want %q", got, want)
				}
			})
		})
	}
}

// underLabel returns b behind the header of a label.
func underLabel(t *testing.T, label string, b []byte) []byte {
	t.Helper()
	header, err := wire.AppendLabel(nil, label)
	if err != nil {
		t.Fatal(err)
	}
	return append(header, b...)
}

// TestLabelUsage: an operator who may drop the old label sees whether any member still uses it, and where.
func TestLabelUsage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t)
		defer c.stop()
		c.add(func(config *memberlist.Config) {
			config.Label, config.AcceptLabels = "blue", []string{"red", "blue", "red"}
		})
		c.add(func(config *memberlist.Config) { config.Label, config.AcceptLabels = "red", []string{"blue"} })
		uses := c.members[0].LabelUsage()
		if len(uses) != 2 || uses[0] != (memberlist.LabelUsage{Label: "blue"}) || uses[1] != (memberlist.LabelUsage{Label: "red"}) {
			t.Errorf("before anything was heard: %+v", uses)
		}
		if _, err := c.members[1].Join(seedsAt(0)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		uses = c.members[0].LabelUsage()
		if blue := uses[0].Usage; blue != (memberlist.Usage{}) {
			t.Errorf("heard under our own label, which nobody else has: %+v", blue)
		}
		red := uses[1]
		if red.Packets < 10 || red.Streams < 1 || time.Since(red.LastHeard) > 2*time.Second || red.LastFrom != simAddr(1).String() {
			t.Errorf("old label: %+v", red)
		}
		last := red.LastHeard
		c.members[1].Shutdown()
		time.Sleep(10 * time.Second)
		if red := c.members[0].LabelUsage()[1]; time.Since(red.LastHeard) < 9*time.Second || red.LastHeard.Before(last) {
			t.Errorf("after the last one with the old label was gone: %+v", red)
		}
		if uses := c.add(nil).LabelUsage(); uses != nil {
			t.Errorf("with one label alone: %+v", uses)
		}
	})
}

// TestKeyUsageDuringARotation: Keyring.Usage counts the packets and streams that still use the old key, with their source.
func TestKeyUsageDuringARotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		oldKey, _, newKey := testKeys()
		c := newSimCluster(t).grow(3, func(config *memberlist.Config) { config.SecretKey = oldKey })
		defer c.stop()
		c.await(settles, func() bool { return c.agree(3) })
		ring := func(i int) *memberlist.Keyring { return c.configs[i].Keyring }
		do := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		for i := range 3 {
			do(ring(i).AddDecryptOnlyKey(newKey)) // no member encrypts with it by mistake
		}
		for i := range 3 {
			do(ring(i).AddKey(newKey))
		}
		for i := range 2 {
			do(ring(i).UseKey(newKey))
			do(ring(i).AddDecryptOnlyKey(oldKey)) // nor the old one from now on
		}
		time.Sleep(30 * time.Second)
		uses := ring(0).Usage()
		if len(uses) != 2 || !uses[0].Primary || uses[0].DecryptOnly || uses[1].Primary || !uses[1].DecryptOnly ||
			uses[0].Fingerprint != memberlist.KeyFingerprint(newKey) || uses[1].Fingerprint != memberlist.KeyFingerprint(oldKey) {
			t.Fatalf("got %+v", uses)
		}
		if uses[0].Packets < 10 || uses[1].Packets < 10 || uses[1].Streams < 1 {
			t.Errorf("too little was counted: %+v", uses)
		}
		host, _, _ := strings.Cut(uses[1].LastFrom, ":")
		if host != simAddr(2).Addr().String() || time.Since(uses[1].LastHeard) > 5*time.Second {
			t.Errorf("the old key is used by %s at %v, want that of member 2, now", uses[1].LastFrom, uses[1].LastHeard)
		}
		do(ring(2).UseKey(newKey))
		changed := time.Now()
		time.Sleep(time.Minute)
		if last := ring(0).Usage()[1].LastHeard; last.Sub(changed) > time.Second {
			t.Errorf("the old key was used %v after the last change", last.Sub(changed))
		}
		for i := range 3 {
			do(ring(i).RemoveKey(oldKey))
		}
		time.Sleep(time.Minute)
		if got := c.deaths(); len(got) > 0 || !c.agree(3) {
			t.Errorf("not one cluster in the end; deaths: %v", got)
		}
	})
}

// TestJoinOfAnotherCluster: a join of a cluster with another label or key fails at once with a clear error, and no member
// of either becomes known to the other.
func TestJoinOfAnotherCluster(t *testing.T) {
	a, _, b := testKeys()
	both := func(first, second []byte) *memberlist.Keyring {
		k, _ := memberlist.NewKeyring([][]byte{second}, first)
		return k
	}
	for _, tt := range []struct {
		name           string
		joins, accepts func(*memberlist.Config)
		want           error
	}{
		{"label", func(c *memberlist.Config) { c.Label = "crimson" }, func(c *memberlist.Config) { c.Label = "azure" }, memberlist.ErrLabelMismatch},
		{"label and none", func(c *memberlist.Config) { c.Label = "crimson" }, func(*memberlist.Config) {}, memberlist.ErrLabelMismatch},
		{"no label and one", func(*memberlist.Config) {}, func(c *memberlist.Config) { c.Label = "azure" }, memberlist.ErrLabelMismatch},
		{"label, same key", func(c *memberlist.Config) { c.Label, c.SecretKey = "crimson", a },
			func(c *memberlist.Config) { c.Label, c.SecretKey = "azure", a }, memberlist.ErrLabelMismatch},
		{"label and key", func(c *memberlist.Config) { c.Label, c.SecretKey = "crimson", a },
			func(c *memberlist.Config) { c.Label, c.SecretKey = "azure", b }, memberlist.ErrDecrypt},
		{"key", func(c *memberlist.Config) { c.SecretKey = a }, func(c *memberlist.Config) { c.SecretKey = b }, memberlist.ErrDecrypt},
		{"a key that the other has not yet", func(c *memberlist.Config) { c.Keyring = both(a, b) }, func(c *memberlist.Config) { c.SecretKey = b }, memberlist.ErrDecrypt},
		{"key and none", func(c *memberlist.Config) { c.SecretKey = a }, func(*memberlist.Config) {}, memberlist.ErrNotEncrypted},
		{"no key and one", func(*memberlist.Config) {}, func(c *memberlist.Config) { c.SecretKey = b }, memberlist.ErrEncrypted},
		{"plain text though there is a key", func(c *memberlist.Config) { c.SecretKey, c.GossipVerifyOutgoing = a, false },
			func(c *memberlist.Config) { c.SecretKey = a }, memberlist.ErrNotEncrypted},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newSimCluster(t)
				defer c.stop()
				c.add(tt.accepts)
				m := c.add(tt.joins)
				start := time.Now()
				n, err := m.Join(seedsAt(0))
				if n != 0 || !errors.Is(err, memberlist.ErrJoinRejected) || !errors.Is(err, tt.want) {
					t.Errorf("joined %d, error %v; want ErrJoinRejected and %v", n, err, tt.want)
				}
				if took := time.Since(start); took > 10*time.Millisecond {
					t.Errorf("took %v, want a few round trips of 2 ms", took)
				}
				for _, secret := range []string{"crimson", "azure", string(a), string(b)} {
					if strings.Contains(fmt.Sprint(err), secret) {
						t.Errorf("the error tells too much: %v", err)
					}
				}
				if !c.agree(1) {
					t.Error("they know each other")
				}
			})
		})
	}
}

// TestJoinWithoutAnAnswer: the errors distinguish a peer that closes the stream, one that is silent, and one that cannot be
// reached.
func TestJoinWithoutAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t)
		defer c.stop()
		m := c.add(nil)
		closing, silent := c.outsider(1), c.outsider(2)
		defer silent.Close()
		defer closing.Close()
		go func() {
			for {
				select {
				case conn := <-closing.Streams():
					conn.Close() // as the reference does on another label
				case <-closing.Done():
					return
				}
			}
		}()
		start := time.Now()
		_, err := m.Join(seedsAt(1))
		if !errors.Is(err, memberlist.ErrJoinRejected) || errors.Is(err, memberlist.ErrLabelMismatch) || time.Since(start) > 10*time.Millisecond {
			t.Errorf("closed: error %v after %v", err, time.Since(start))
		}
		if !strings.Contains(fmt.Sprint(err), "label") {
			t.Errorf("closed: the error gives no hint: %v", err)
		}
		c.network.Down(simAddr(4))
		timeout := c.configs[0].TCPTimeout
		for _, tt := range []struct {
			name  string
			at    int
			is    error
			takes time.Duration
		}{
			{"silent", 2, os.ErrDeadlineExceeded, timeout},
			{"nobody there", 3, simnet.ErrRefused, 2 * time.Millisecond},
			{"cut off", 4, context.DeadlineExceeded, timeout},
		} {
			start := time.Now()
			_, err := m.Join(seedsAt(tt.at))
			if !errors.Is(err, tt.is) || errors.Is(err, memberlist.ErrJoinRejected) || errors.Is(err, memberlist.ErrLabelMismatch) {
				t.Errorf("%s: error %v, want %v and no rejection", tt.name, err, tt.is)
			}
			if took := time.Since(start).Round(time.Millisecond); took != tt.takes {
				t.Errorf("%s: took %v, want %v", tt.name, took, tt.takes)
			}
		}
	})
}

// TestJoinOfAnotherClusterOnSockets: on sockets a stream that is closed before all of it was read is reset, and the answer
// arrives all the same.
func TestJoinOfAnotherClusterOnSockets(t *testing.T) {
	config := loopbackConfig("a")
	config.Label = "blue"
	a, err := memberlist.Create(config)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Shutdown()
	config = loopbackConfig("b")
	config.Label = "red"
	config.EnableCompression = false
	state := bytes.Repeat([]byte("state"), 20_000)
	config.Delegate = &testDelegate{state: state}
	b, err := memberlist.Create(config)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Shutdown()
	for range 20 {
		if _, err := b.Join([]string{a.LocalNode().Address()}); !errors.Is(err, memberlist.ErrJoinRejected) || !errors.Is(err, memberlist.ErrLabelMismatch) {
			t.Fatalf("error %v, want ErrJoinRejected and ErrLabelMismatch", err)
		}
	}
}
