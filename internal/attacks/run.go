package attacks

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// Run is one run of an attack: the library, the size, and the resources to close at its end.
type Run struct {
	Library Library
	Short   bool // a scaled-down run, whose figures mean nothing

	closers []func() error
}

// Close ends all members and sockets of the run.
func (r *Run) Close() error {
	var errs []error
	for _, c := range slices.Backward(r.closers) {
		if err := c(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	r.closers = nil
	return errors.Join(errs...)
}

// scaled returns the first value, or the second in a short run.
func scaled[T any](r *Run, full, short T) T {
	if r.Short {
		return short
	}
	return full
}

// member starts a member.
func (r *Run) member(o Options) (Member, error) {
	o.Quick = r.Short
	m, err := r.Library.Create(o)
	if err != nil {
		return nil, err
	}
	r.closers = append(r.closers, m.Shutdown)
	return m, nil
}

// cluster starts n members, m0, m1 and so on, which all know each other.
func (r *Run) cluster(ctx context.Context, n int, o Options) ([]Member, error) {
	members := make([]Member, n)
	for i := range members {
		o.Name = fmt.Sprintf("m%d", i)
		m, err := r.member(o)
		if err != nil {
			return nil, err
		}
		members[i] = m
	}
	for range 2 { // the second time the first member knows all of them, so that none depends on gossip
		for _, m := range members[1:] {
			if err := m.Join(members[0].Addr()); err != nil {
				return nil, err
			}
		}
	}
	if until(ctx, 20*time.Second, func() bool { return allSeeAll(members) }) == never {
		return nil, errors.New("the members do not find each other")
	}
	return members, nil
}

// socket opens a UDP socket at a loopback address.
func (r *Run) socket(host string) (*net.UDPConn, error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(host)})
	if err != nil {
		return nil, err
	}
	r.closers = append(r.closers, conn.Close)
	return conn, nil
}

// addrOf returns the address of a socket.
func addrOf(conn *net.UDPConn) netip.AddrPort {
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// until polls a condition and returns after how many seconds it held; never, if it did not within the limit.
func until(ctx context.Context, limit time.Duration, holds func() bool) float64 {
	begin := time.Now()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for {
		if holds() {
			return time.Since(begin).Seconds()
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return never
		}
	}
}

// settled returns after how many seconds a condition held that then held for the time of quiet too; never, if it did not within the
// limit.
func settled(ctx context.Context, limit, quiet time.Duration, holds func() bool) float64 {
	begin := time.Now()
	broken := begin // when it was last seen not to hold
	if until(ctx, limit, func() bool {
		if !holds() {
			broken = time.Now()
		}
		return time.Since(broken) > quiet
	}) == never {
		return never
	}
	return broken.Sub(begin).Seconds()
}

// every calls f n times, rate times a second.
func every(ctx context.Context, rate float64, n int, f func(i int)) {
	begin := time.Now()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for i := 0; i < n; {
		for due := int(time.Since(begin).Seconds()*rate) + 1; i < min(due, n); i++ {
			f(i)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// sees reports whether a member knows another one as alive or suspect.
func sees(m Member, name string) bool {
	return slices.ContainsFunc(m.Members(), func(i Info) bool { return i.Name == name })
}

// seesMeta reports whether a member knows the metadata of another one.
func seesMeta(m Member, name, meta string) bool {
	return slices.Contains(m.Members(), Info{name, meta})
}

// all reports whether something holds of all members.
func all(members []Member, holds func(Member) bool) bool {
	return !slices.ContainsFunc(members, func(m Member) bool { return !holds(m) })
}

func allSeeAll(members []Member) bool {
	return all(members, func(m Member) bool {
		return all(members, func(other Member) bool { return sees(m, other.Name()) })
	})
}

// versions are the versions that members of both libraries send.
var versions = []byte{1, 5, 2, 0, 0, 0}

// alive returns an alive message about a member.
func alive(name string, addr netip.AddrPort, incarnation uint32) []byte {
	m := wire.Alive{Incarnation: incarnation, Node: name, Addr: addr.Addr().AsSlice(), Port: addr.Port(), Vsn: versions}
	return m.Append(nil)
}

// compound returns one packet of the messages.
func compound(messages ...[]byte) []byte {
	packet, _ := wire.AppendCompound(nil, messages)
	return packet
}
