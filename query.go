package memberlist

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/e3431adc/memberlist/internal/resolve"
	"github.com/e3431adc/memberlist/internal/streamset"
	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/visitor"
	"github.com/e3431adc/memberlist/internal/wire"
)

// QueryRequest is the member that Query asks, and how.
type QueryRequest struct {
	// Address is that of the member, as for Join: "[name/]host[:port]". The default port is 7946. Of several addresses of a
	// host, the first that answers counts. Required.
	Address string

	// Keyring has the keys of the cluster: the primary one encrypts, and an answer in plain text is refused. Nil or empty: no
	// encryption.
	Keyring *Keyring

	// Label is that of the cluster: see Config.Label.
	Label string

	// Transport opens the stream: DialAddressTimeout of a NodeAwareTransport, DialTimeout of any other. No other method
	// is called. Nil: TCP.
	Transport Transport
}

// View is what one member knows of its cluster.
type View struct {
	// Members are all that the member knows, itself and dead and left ones included, unordered. Only Node, Incarnation and Zone are
	// set: members do not exchange more. All was sent by others: a name may have any bytes, and an address any length.
	Members []MemberInfo

	// UserState is the result of the member's Delegate.LocalState. Nil: none.
	UserState []byte
}

// Checksum returns what ViewChecksum returns on a member with this view.
func (v *View) Checksum() uint64 {
	members := make([]swim.Member, len(v.Members))
	for i, m := range v.Members {
		addr, _ := netip.AddrFromSlice(m.Addr)
		members[i] = swim.Member{Name: m.Name, Addr: netip.AddrPortFrom(addr, m.Port), Meta: m.Meta, Incarnation: m.Incarnation,
			Zone: m.Zone, State: swim.State(m.State)}
	}
	return swim.Checksum(members)
}

// queryTimeout is the time limit of a Query whose context has none.
const queryTimeout = 10 * time.Second

// defaultPort is the port of an address without one.
const defaultPort = 7946

// Query reads the view of a running member without being a member: with a push/pull that has no states, so that the cluster
// learns of nobody. The member's Delegate.LocalState is called, and no other delegate. The time limit is that of ctx, or 10
// seconds if it has none; the memory, about 100 MB.
//
// The error wraps ErrInvalidAddress or ErrLabelTooLong for a bad request; ErrLabelMismatch, ErrDecrypt, ErrNotEncrypted,
// ErrEncrypted, ErrNoAnswer or a RemoteError if the member refuses; ErrMalformed or ErrMessageTooLarge for a reply that cannot
// be read; the error of the look-up, of the dial or of the context.
func Query(ctx context.Context, r QueryRequest) (View, error) {
	if len(r.Label) > LabelMaxSize {
		return View{}, fmt.Errorf("%w: %d bytes, more than %d", ErrLabelTooLong, len(r.Label), LabelMaxSize)
	}
	v, err := visitor.New(r.Label, r.Keyring.ringOf())
	if err != nil {
		return View{}, err
	}
	if _, limited := ctx.Deadline(); !limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, queryTimeout)
		defer cancel()
	}
	targets, err := newResolver(nil, AnyFamily).Resolve(ctx, r.Address, defaultPort)
	if err != nil {
		return View{}, err
	}
	var errs []error
	for i, target := range targets {
		view, err := r.ask(ctx, v, target, len(targets)-i)
		if err == nil {
			return view, nil
		}
		errs = append(errs, fmt.Errorf("query %s: %w", target.Addr, err))
	}
	return View{}, errors.Join(errs...)
}

// ask queries the member at one address, within its share of the time for that and further ones.
func (r *QueryRequest) ask(ctx context.Context, v *visitor.Visitor, target resolve.Target, addresses int) (View, error) {
	end, _ := ctx.Deadline()
	ctx, cancel := context.WithTimeout(ctx, time.Until(end)/time.Duration(addresses))
	defer cancel()
	conn, err := r.dial(ctx, addressOfTarget(target))
	if err != nil {
		return View{}, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	var memory streamset.Set
	var reserved streamset.Reservation
	reserve := func(n int) error {
		if err := memory.Reserve(&reserved, n); err != nil {
			return fmt.Errorf("%w: %w", ErrMessageTooLarge, err)
		}
		return nil
	}
	view, err := readView(v, conn, reserve)
	if err != nil && ctx.Err() != nil {
		return View{}, contextError(ctx)
	}
	return view, err
}

// dial opens a stream before ctx ends, which has a deadline.
func (r *QueryRequest) dial(ctx context.Context, to Address) (net.Conn, error) {
	if r.Transport == nil {
		return new(net.Dialer).DialContext(ctx, "tcp", to.Addr)
	}
	type dialled struct {
		conn net.Conn
		err  error
	}
	result := make(chan dialled, 1)
	go func() { // ends by the deadline
		deadline, _ := ctx.Deadline()
		conn, err := asNodeAware(r.Transport).DialAddressTimeout(to, time.Until(deadline))
		result <- dialled{conn, err}
	}()
	select {
	case d := <-result:
		return d.conn, d.err
	case <-ctx.Done():
		go func() {
			if d := <-result; d.err == nil {
				d.conn.Close()
			}
		}()
		return nil, contextError(ctx)
	}
}

// readView asks for the states of a member, and copies them.
func readView(v *visitor.Visitor, conn net.Conn, reserve func(n int) error) (View, error) {
	answer, err := v.States(conn, reserve)
	var refusal *visitor.Refusal
	if errors.As(err, &refusal) {
		return View{}, &RemoteError{Text: refusal.Text}
	}
	if err != nil {
		return View{}, err
	}
	if err := reserve(answer.States.Len()*nodeMemory + len(answer.User)); err != nil {
		return View{}, err
	}
	view := View{Members: make([]MemberInfo, 0, answer.States.Len()), UserState: bytes.Clone(answer.User)}
	for states, next := answer.States, (wire.StateView{}); states.Next(&next); {
		state := next.Named(string(next.Name()))
		view.Members = append(view.Members, MemberInfo{Node: nodeOfState(&state), Incarnation: state.Incarnation, Zone: string(state.Zone)})
	}
	return view, nil
}
