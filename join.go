package memberlist

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/e3431adc/memberlist/internal/logging"
	"github.com/e3431adc/memberlist/internal/resolve"
	"github.com/e3431adc/memberlist/internal/swim"
)

// joinsAtOnce is the number of seeds that one join resolves, and of addresses that it contacts, at the same time.
const joinsAtOnce = 8

// JoinRequest is the argument of JoinContext.
type JoinRequest struct {
	// Seeds are join addresses in the form of Join. An invalid or unresolvable one does not affect the others.
	Seeds []string

	// MinJoined is the number of addresses after whose success the join ends; exchanges in progress are aborted.
	// Zero: all are contacted.
	MinJoined int
}

// JoinAttempt is the result for one address of a seed, or for a seed without addresses.
type JoinAttempt struct {
	// Seed is the element of JoinRequest.Seeds.
	Seed string

	// Address is the resolved address; zero if it could not be resolved.
	Address Address

	// Err is nil if states were exchanged with the address. It wraps ErrInvalidAddress for a seed that cannot be
	// parsed, ErrIsSelf for this member itself, ErrJoinRejected if the peer refused, for example for another label or
	// key, ErrNameTaken if another member of the cluster has our name, ErrJoinSatisfied if it was not needed any
	// more, ErrShutdown after Shutdown, or the context's error; other errors are the cause of the failure.
	Err error
}

// JoinResult is the result of a join.
type JoinResult struct {
	// Joined is the number of addresses with which states were exchanged.
	Joined int

	// Attempts has an entry for each seed and each of its addresses, in the order of the seeds. An address of several
	// seeds is contacted once, and each of its entries has the same result.
	Attempts []JoinAttempt
}

// Join exchanges states with each address that the strings resolve to, and returns the number of successes. The error
// is nil if there is at least one, else it joins all errors (errors.Is finds ErrShutdown, ErrJoinRejected,
// ErrNameTaken and the causes). Each exchange takes at most Config.TCPTimeout. It is JoinContext without a context,
// for all addresses, those of this member included, and with duplicates counted.
//
// A string is "[name/]host[:port]". The default port is Config.BindPort, and an IPv6 host with a port is in brackets.
// "[name/]srv+service" stands for the hosts and ports of the DNS records (SRV) of that name, for example
// srv+_memberlist._tcp.example.com. Config.Resolver, DNSConfigPath and AddressFamily configure the lookups. The
// strings that led to a member are used for later reconnects, see Config.ReconnectInterval; while there has never
// been another member, all strings are.
//
// After Leave, a join makes this member alive again, at a higher incarnation, once it has reached another one.
//
// Compat: if the only other member has our name, neither becomes a member of the other; the error is nil all the
// same, as in the reference, since programs' own tests start two peers with one name. JoinContext returns
// ErrNameTaken.
//
// Compat: the reference contacts the addresses one after the other. It also reads the caller's Config when it needs
// it; here Join reads only its Ping again: Serf replaces that delegate before it joins.
func (m *Memberlist) Join(existing []string) (int, error) {
	j := joining{m: m, request: JoinRequest{Seeds: existing}}
	result, err := j.run(context.Background())
	succeeded := 0
	for i := range result.Attempts {
		if result.Attempts[i].Err == nil {
			succeeded++
		}
	}
	return succeeded, err
}

// JoinContext resolves the seeds and exchanges states with each of their addresses, several at a time, each for at
// most Config.TCPTimeout. This member's own address is left out.
//
// It returns when all have succeeded or failed, when request.MinJoined have succeeded, when the context ends, or on
// Shutdown. It does not wait for operations that cannot be aborted, such as a dial of a custom Transport, whose
// result is dropped. The error is nil if at least one exchange succeeded; else it joins those of the attempts, so
// that errors.Is finds ErrShutdown, context.Canceled, context.DeadlineExceeded and the other causes.
func (m *Memberlist) JoinContext(ctx context.Context, request JoinRequest) (JoinResult, error) {
	j := joining{m: m, request: request, own: m.LocalNode()}
	return j.run(ctx)
}

// joining is one join in progress. It belongs to the goroutine that joins; others send their results to channels with
// room for all of them, and so never block.
type joining struct {
	m       *Memberlist
	request JoinRequest
	own     *Node // not to be contacted; nil: contact it too
	enters  bool  // this member knows no others
	left    bool  // this member has left

	seeds    []seed // as in the request
	contacts map[Address]*contact
	waiting  []*contact

	resolved   chan resolved
	contacted  chan contacted
	resolving  int
	contacting int
	joined     int
}

// seed is the state of one of the strings.
type seed struct {
	err      error // set if there are no contacts
	contacts []*contact
}

// contact is the state of one address.
type contact struct {
	addr Address
	err  error
}

type resolved struct {
	seed  int
	addrs []Address
	err   error
}

type contacted struct {
	contact *contact
	err     error
}

// errPending is the result of an attempt that has not ended.
var errPending = errors.New("pending")

func (j *joining) run(ctx context.Context) (JoinResult, error) {
	m := j.m
	if !m.tasks.Acquire() {
		return JoinResult{}, ErrShutdown
	}
	defer m.tasks.Release()
	m.delivery.takePing()
	m.mu.Lock()
	j.enters, j.left = m.mu.ownName.taken || !m.mu.core.AnyAlive(), m.mu.core.Leaving()
	m.mu.Unlock()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // aborts pending attempts
	j.seeds = make([]seed, len(j.request.Seeds))
	for i := range j.seeds {
		j.seeds[i].err = errPending
	}
	j.contacts = make(map[Address]*contact)
	j.resolved = make(chan resolved, joinsAtOnce)
	j.contacted = make(chan contacted, joinsAtOnce)
	result, err := j.result(j.steps(ctx))
	if j.left && j.joined == 0 {
		j.leaveAgain()
	}
	m.reconnector.rememberSeeds(result.Attempts)
	return result, err
}

func (j *joining) anyAlive() bool {
	m := j.m
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.core.AnyAlive()
}

// leaveAgain leaves again after a join that failed.
func (j *joining) leaveAgain() {
	m := j.m
	t := m.begin()
	t.core.Leave(0)
	t.commitAndNotify()
}

// ownName is whether another member has this member's name. It is guarded by Memberlist.mu.
type ownName struct {
	taken   bool          // by the last join that could find out
	decided chan struct{} // closed when it is known; nil: nothing waits for that
}

// note takes the events of a turn.
func (o *ownName) note(name string, events []swim.Event) {
	if o.decided == nil {
		return
	}
	for i := range events {
		if e := &events[i]; e.Kind == swim.EventConflictEnded && e.Member.Name == name {
			close(o.decided)
			o.decided = nil
			return
		}
	}
}

// awaitOwnName waits until it is known whether another member has our name, if there is a claim, and returns
// ErrNameTaken if so.
func (j *joining) awaitOwnName(ctx context.Context) error {
	m := j.m
	m.mu.Lock()
	decided := m.mu.ownName.decided
	if m.mu.core.NameContested() && decided == nil {
		decided = make(chan struct{})
		m.mu.ownName.decided = decided
	}
	m.mu.Unlock()
	if decided != nil {
		select {
		case <-decided:
		case <-ctx.Done():
			return contextError(ctx)
		case <-m.tasks.Done():
			return ErrShutdown
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	other, taken := m.mu.core.Namesake()
	if m.mu.ownName.taken = taken; taken {
		return fmt.Errorf("%w: %q is at %v", ErrNameTaken, m.config.Name, other)
	}
	return nil
}

// steps resolves and contacts until all is done, or returns the reason for stopping early.
func (j *joining) steps(ctx context.Context) error {
	if ctx.Err() != nil {
		return contextError(ctx)
	}
	next := 0
	for {
		for ; j.resolving < joinsAtOnce && next < len(j.seeds); next++ {
			j.resolve(ctx, next)
		}
		for j.contacting < joinsAtOnce && len(j.waiting) > 0 {
			j.contact(ctx, j.waiting[0])
			j.waiting = j.waiting[1:]
		}
		if j.resolving+j.contacting == 0 {
			return nil
		}
		select {
		case r := <-j.resolved:
			j.resolving--
			j.place(r)
		case c := <-j.contacted:
			j.contacting--
			c.contact.err = c.err
			if c.err != nil {
				continue
			}
			j.joined++
			if j.joined == j.request.MinJoined {
				return ErrJoinSatisfied
			}
		case <-ctx.Done():
			return contextError(ctx)
		case <-j.m.tasks.Done():
			return ErrShutdown
		}
	}
}

// resolve resolves a seed, on a goroutine of its own if that takes a lookup.
func (j *joining) resolve(ctx context.Context, i int) {
	m, text := j.m, j.request.Seeds[i]
	a, err := resolve.Parse(text, m.config.BindPort)
	if err != nil {
		j.place(resolved{seed: i, err: err})
		return
	}
	if target, ok := a.Literal(); ok {
		j.place(resolved{seed: i, addrs: []Address{addressOfTarget(target)}})
		return
	}
	started := m.tasks.Go(func() {
		addrs, err := m.reconnector.resolveSeed(ctx, text)
		j.resolved <- resolved{seed: i, addrs: addrs, err: err}
	})
	if !started {
		j.place(resolved{seed: i, err: ErrShutdown})
		return
	}
	j.resolving++
}

// place adds the addresses of a seed. New ones are to be contacted.
func (j *joining) place(r resolved) {
	s := &j.seeds[r.seed]
	if r.err != nil {
		text := j.request.Seeds[r.seed]
		s.err = fmt.Errorf("resolve %q: %w", text, r.err)
		j.m.log.Warn("failed to resolve", slog.String("seed", text), logging.Err(r.err))
		return
	}
	s.err = nil
	for _, addr := range r.addrs {
		c := j.contacts[addr]
		if c == nil {
			c = &contact{addr: addr, err: errPending}
			j.contacts[addr] = c
			if j.isOwn(addr) {
				c.err = fmt.Errorf("join %s: %w", addr.Addr, ErrIsSelf)
			} else {
				j.waiting = append(j.waiting, c)
			}
		}
		s.contacts = append(s.contacts, c)
	}
}

// isOwn reports whether an address is this member's own and is to be left out.
func (j *joining) isOwn(a Address) bool {
	return j.own != nil && a.Addr == j.own.Address() && (a.Name == "" || a.Name == j.own.Name)
}

// contact exchanges states with an address, on a goroutine that ends with the exchange's timeout or with ctx, unless
// it is in a delegate.
func (j *joining) contact(ctx context.Context, c *contact) {
	m := j.m
	started := m.tasks.Go(func() {
		err := m.pushPulls.do(ctx, c.addr, exchangeJoin)
		if err == nil && j.enters {
			err = j.awaitOwnName(ctx)
			if j.own == nil && errors.Is(err, ErrNameTaken) && !j.anyAlive() {
				err = nil // documented for Join
			}
		}
		if err != nil {
			m.log.Debug("failed to join", slog.String("addr", c.addr.Addr), logging.Err(err))
			err = fmt.Errorf("join %s: %w", c.addr.Addr, rejection(err))
		}
		j.contacted <- contacted{contact: c, err: err}
	})
	if !started {
		c.err = ErrShutdown
		return
	}
	j.contacting++
}

// result returns the results. Pending attempts have been aborted.
func (j *joining) result(ended error) (JoinResult, error) {
	result := JoinResult{Joined: j.joined}
	errs := []error{ended}
	outcome := func(err error) error {
		if err == errPending {
			return ended
		}
		errs = append(errs, err)
		return err
	}
	for i := range j.seeds {
		s, attempt := &j.seeds[i], JoinAttempt{Seed: j.request.Seeds[i]}
		if s.err != nil {
			attempt.Err = outcome(s.err)
			result.Attempts = append(result.Attempts, attempt)
		}
		for _, c := range s.contacts {
			attempt.Address, attempt.Err = c.addr, outcome(c.err)
			result.Attempts = append(result.Attempts, attempt)
		}
	}
	if j.joined > 0 {
		return result, nil
	}
	return result, errors.Join(errs...)
}
