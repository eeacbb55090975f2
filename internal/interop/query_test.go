package interop

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/internal/envelope"
	"github.com/e3431adc/memberlist/internal/visitor"
)

// TestQuery reads the views of members of both libraries. It leaves no trace: no member has another one or another state, and
// no delegate but LocalState is called.
func TestQuery(t *testing.T) {
	everywhere(t, scenario{verb: "is-queried-beside", roles: 2, play: func(c *cluster) {
		a, b := c.start(c.cast[0], "a", still), c.start(c.cast[1], "b", still)
		c.assemble(a, b)
		before := [][]entry{withoutPings(a), withoutPings(b)}
		states := c.states(a)
		for _, p := range []peer{a, b} {
			view, err := memberlist.Query(c.Context(), c.queryOf(p))
			if err != nil {
				c.Fatal(err)
			}
			slices.SortFunc(view.Members, func(a, b memberlist.MemberInfo) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })
			var got []string
			for _, m := range view.Members {
				got = append(got, fmt.Sprintf("%s %s %s %d", m.Name, m.Address(), m.Meta, m.State))
			}
			want := []string{
				fmt.Sprintf("a %v meta of a 0", a.addr()),
				fmt.Sprintf("b %v meta of b 0", b.addr()),
			}
			if !slices.Equal(got, want) {
				c.Errorf("%s has %q, want %q", p.name(), got, want)
			}
			if want := "state of " + p.name(); string(view.UserState) != want {
				c.Errorf("got user state %q, want %q", view.UserState, want)
			}
		}
		for i, p := range []peer{a, b} {
			c.awaitMembers(p, "a", "b")
			if got := withoutPings(p); !slices.Equal(got, before[i]) {
				c.Errorf("%s (%s): delegates were called: %v, before %v", p.name(), p.kind(), got, before[i])
			}
		}
		for name, s := range c.states(a) {
			if s.State != states[name].State || s.Incarnation != states[name].Incarnation {
				c.Errorf("%s was %+v and is %+v", name, states[name], s)
			}
		}
	}})
}

// withoutPings returns what a peer has recorded, but for the pings that its probes go on with.
func withoutPings(p peer) []entry {
	return slices.DeleteFunc(p.journal().all(), func(e entry) bool { return e.what == sawPing })
}

// queryOf returns the request that reads the view of a peer.
func (c *cluster) queryOf(p peer) memberlist.QueryRequest {
	c.Helper()
	r := memberlist.QueryRequest{Address: p.addr().String(), Label: c.setting.label, Transport: worldTransport{world: c.world}}
	if c.setting.key != nil {
		ring, err := memberlist.NewKeyring(nil, c.setting.key)
		if err != nil {
			c.Fatal(err)
		}
		r.Keyring = ring
	}
	return r
}

// worldTransport dials as a process that is no member.
type worldTransport struct {
	memberlist.Transport
	world world
}

func (t worldTransport) DialTimeout(addr string, _ time.Duration) (net.Conn, error) {
	to, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, err
	}
	return t.world.dial(to)
}

// TestVisitor pings members of both libraries in packets of all sizes, on streams, and through each other.
func TestVisitor(t *testing.T) {
	onSockets(t, scenario{verb: "is-visited-beside", roles: 2, mixed: true, play: func(c *cluster) {
		a, b := c.start(c.cast[0], "a"), c.start(c.cast[1], "b")
		c.assemble(a, b)
		var ring envelope.Ring
		if c.setting.key != nil {
			key, err := envelope.NewKey(c.setting.key)
			if err != nil {
				c.Fatal(err)
			}
			ring.Store([]envelope.Key{key})
		}
		v, err := visitor.New(c.setting.label, &ring)
		if err != nil {
			c.Fatal(err)
		}
		pinger, err := v.NewPinger()
		if err != nil {
			c.Fatal(err)
		}
		defer pinger.Close()
		// retried does something that may be lost until it succeeds.
		retried := func(what string, try func(ctx context.Context) (visitor.Ack, error)) (ack visitor.Ack) {
			c.Helper()
			c.await(what, func() bool {
				ctx, cancel := context.WithTimeout(c.Context(), 2*time.Second)
				defer cancel()
				ack, err = try(ctx)
				return err == nil
			})
			return ack
		}
		for _, p := range []peer{a, b} {
			for _, size := range []int{0, 1400, 9000} {
				ack := retried("ping "+p.name(), func(ctx context.Context) (visitor.Ack, error) {
					return pinger.Ping(ctx, p.addr(), p.name(), size)
				})
				if ack.Bare != (p.kind() == ours) {
					c.Errorf("the ack of a member of %s is bare: %v", p.kind(), ack.Bare)
				}
			}
			conn, err := c.world.dial(p.addr())
			if err != nil {
				c.Fatal(err)
			}
			conn.SetDeadline(time.Now().Add(patience))
			if err := v.Ping(conn, p.name()); err != nil {
				c.Errorf("%s (%s): ping on a stream: %v", p.name(), p.kind(), err)
			}
			conn.Close()
		}
		retried("ping b through a", func(ctx context.Context) (visitor.Ack, error) {
			return pinger.PingThrough(ctx, a.addr(), b.addr(), "b")
		})
		retried("ping a through b", func(ctx context.Context) (visitor.Ack, error) {
			return pinger.PingThrough(ctx, b.addr(), a.addr(), "a")
		})
	}}, socketSettings)
}
