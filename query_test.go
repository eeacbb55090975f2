package memberlist

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// metaDelegate has metadata and a state.
type metaDelegate struct {
	callback
	meta, state string
}

func (d metaDelegate) NodeMeta(int) []byte    { return []byte(d.meta) }
func (d metaDelegate) LocalState(bool) []byte { return []byte(d.state) }

// TestQuery reads views of members with keys, a label and a dead member, and leaves no trace with any delegate.
func TestQuery(t *testing.T) {
	key := bytes.Repeat([]byte{3}, 32)
	for name, change := range map[string]func(*Config){
		"plain":     func(*Config) {},
		"label":     func(c *Config) { c.Label = "blue" },
		"encrypted": func(c *Config) { c.SecretKey = key },
		"both":      func(c *Config) { c.Label, c.SecretKey = "blue", key },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := new(MockNetwork)
				var mu sync.Mutex
				var calls []string
				note := callback{func(name string) {
					mu.Lock()
					defer mu.Unlock()
					if name != "GetBroadcasts" { // at each round of gossip
						calls = append(calls, name)
					}
				}}
				a := newMember(t, network, "a", func(c *Config) {
					change(c)
					note.install(c)
					c.Delegate = metaDelegate{note, "meta of a", "state of a"}
				})
				b := newMember(t, network, "b", change)
				joinMember(t, b, a)
				b.Shutdown()
				synctest.Wait()
				time.Sleep(20 * time.Second) // b is found dead
				mu.Lock()
				calls = nil
				mu.Unlock()

				c := new(Config)
				change(c)
				request := QueryRequest{Address: a.LocalNode().Address(), Label: c.Label, Transport: network.NewTransport("")}
				if c.SecretKey != nil {
					request.Keyring, _ = NewKeyring(nil, c.SecretKey)
				}
				view, err := Query(t.Context(), request)
				if err != nil {
					t.Fatal(err)
				}
				slices.SortFunc(view.Members, func(a, b MemberInfo) int { return strings.Compare(a.Name, b.Name) })
				if len(view.Members) != 2 || view.Members[0].Name != "a" || view.Members[1].Name != "b" {
					t.Fatalf("got %v, want a and b", view.Members)
				}
				if got := view.Members[0]; string(got.Meta) != "meta of a" || got.State != StateAlive || got.Incarnation == 0 ||
					got.Address() != a.LocalNode().Address() || got.PMax != 5 {
					t.Errorf("got %+v %+v", got, got.Node)
				}
				if got := view.Members[1]; got.State != StateDead {
					t.Errorf("b is in state %v, want dead", got.State)
				}
				if string(view.UserState) != "state of a" {
					t.Errorf("got user state %q", view.UserState)
				}
				if got, want := view.Checksum(), a.ViewChecksum(); got != want {
					t.Errorf("got checksum %x, want %x", got, want)
				}
				synctest.Wait()
				mu.Lock()
				defer mu.Unlock()
				if len(calls) != 0 {
					t.Errorf("delegates were called: %v", calls)
				}
				if n := a.Stats().Members; n.Alive != 1 || n.Dead != 1 {
					t.Errorf("the member has %+v", n)
				}
			})
		})
	}
}

// TestQueryIsNoExchange: a member that only a Query has reached has not met another member.
func TestQueryIsNoExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := new(MockNetwork)
		m := newMember(t, network, "a", nil)
		request := QueryRequest{Address: m.LocalNode().Address(), Transport: network.NewTransport("")}
		if _, err := Query(t.Context(), request); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := m.WaitConverged(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
		}
	})
}

// TestQueryRefused: each reason for a refusal is an error that callers can tell apart.
func TestQueryRefused(t *testing.T) {
	key, other := bytes.Repeat([]byte{3}, 32), bytes.Repeat([]byte{4}, 32)
	ring := func(key []byte) *Keyring {
		k, err := NewKeyring(nil, key)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	outside, err := ParseCIDRs([]string{"10.0.0.0/8"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		change  func(*Config)
		request QueryRequest
		want    error
	}{
		{"another label", func(c *Config) { c.Label = "blue" }, QueryRequest{Label: "red"}, ErrLabelMismatch},
		{"another key", func(c *Config) { c.SecretKey = key }, QueryRequest{Keyring: ring(other)}, ErrDecrypt},
		{"no key here", func(c *Config) { c.SecretKey = key }, QueryRequest{}, ErrEncrypted},
		{"no key there", func(c *Config) {}, QueryRequest{Keyring: ring(key)}, ErrNotEncrypted},
		{"address not allowed", func(c *Config) { c.CIDRsAllowed = outside }, QueryRequest{}, ErrNoAnswer},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := loopbackConfig("a")
			tt.change(c)
			if c.CIDRsAllowed != nil {
				c.AdvertiseAddr = "10.0.0.1"
			}
			m, err := Create(c)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Shutdown()
			tt.request.Address = joinHostPort("127.0.0.1", m.LocalNode().Port)
			if _, err := Query(t.Context(), tt.request); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// TestQueryOfNobody: bad requests, and peers that do not answer or answer anything.
func TestQueryOfNobody(t *testing.T) {
	if _, err := Query(t.Context(), QueryRequest{Address: "a b"}); !errors.Is(err, ErrInvalidAddress) {
		t.Errorf("got %v, want %v", err, ErrInvalidAddress)
	}
	label := strings.Repeat("x", LabelMaxSize+1)
	if _, err := Query(t.Context(), QueryRequest{Address: "127.0.0.1", Label: label}); !errors.Is(err, ErrLabelTooLong) {
		t.Errorf("got %v, want %v", err, ErrLabelTooLong)
	}
	header := func(nodes, user int) []byte {
		return (&wire.PushPullHeader{Nodes: nodes, UserStateLen: user}).Append(nil)
	}
	for _, tt := range []struct {
		name   string
		answer []byte
		want   error
	}{
		{"nothing", nil, context.DeadlineExceeded},
		{"negative count", header(-1, 0), ErrMalformed},
		{"more members than there may be", header(1<<30, 0), ErrMessageTooLarge},
		{"more user state than there may be", header(0, 1<<30), ErrMessageTooLarge},
		{"an ack", (&wire.Ack{}).Append(nil), wire.ErrUnknownType},
		{"a million members without their states", header(1<<20, 0), context.DeadlineExceeded},
		{"an error", (&wire.Err{Error: "not you"}).Append(nil), &RemoteError{Text: "not you"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				defer far.Close()
				go func() {
					buf := make([]byte, 1<<10)
					far.Read(buf)
					far.Write(tt.answer)
					io.Copy(io.Discard, far)
				}()
				began := time.Now()
				_, err := Query(t.Context(), QueryRequest{Address: "10.0.0.1", Transport: pipeTransport{conn: near}})
				var remote, want *RemoteError
				if errors.As(tt.want, &want) && errors.As(err, &remote) && *remote == *want {
					return
				}
				if !errors.Is(err, tt.want) {
					t.Errorf("got %v, want %v", err, tt.want)
				}
				if took := time.Since(began); took > queryTimeout {
					t.Errorf("it took %v, longer than %v", took, queryTimeout)
				}
			})
		})
	}
}

// pipeTransport dials one connection.
type pipeTransport struct {
	Transport
	conn net.Conn
}

func (p pipeTransport) DialTimeout(string, time.Duration) (net.Conn, error) { return p.conn, nil }

// TestQueryDialCancelled: a dial that a transport does not end is not waited for, and what it returns later is closed.
func TestQueryDialCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := Query(ctx, QueryRequest{Address: "10.0.0.1", Transport: slowDial{pipeTransport{conn: near}}})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
		}
		if _, err := far.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the late connection is open: %v", err)
		}
	})
}

type slowDial struct{ pipeTransport }

func (s slowDial) DialTimeout(string, time.Duration) (net.Conn, error) {
	time.Sleep(time.Minute)
	return s.conn, nil
}
