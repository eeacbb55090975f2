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

// joinsAtOnce is how many seeds one join resolves, and how many addresses it
// contacts, at the same time.
const joinsAtOnce = 8

// JoinRequest says with whom JoinContext makes contact.
type JoinRequest struct {
	// Seeds are addresses as Join takes them. One that cannot be read or
	// resolved, an empty one included, fails by itself alone.
	Seeds []string

	// MinJoined is with how many addresses an exchange is enough: as soon as that
	// many have succeeded, what is under way with others is given up. Zero: all
	// are contacted.
	MinJoined int
}

// JoinAttempt is what came of one address that a seed stands for, or of a seed
// that stands for none.
type JoinAttempt struct {
	// Seed is the one of JoinRequest.Seeds.
	Seed string

	// Address is what it stands for; zero if that was not found out.
	Address Address

	// Err is nil if states were exchanged with the address. ErrInvalidAddress is
	// a seed that cannot be read, ErrIsSelf this member itself,
	// ErrJoinRejected a peer that will not have us, as for another label or key,
	// ErrNameTaken a cluster in which another member has our name and is there,
	// ErrJoinSatisfied one that was not needed any more, ErrShutdown one that
	// Shutdown put an end to, and the context's error one that the context did;
	// others say what failed.
	Err error
}

// JoinResult is what came of a join.
type JoinResult struct {
	// Joined is with how many addresses states were exchanged.
	Joined int

	// Attempts has an entry for each seed and each address that it stands for,
	// in the order of the seeds. An address that several seeds stand for is
	// contacted once, and has the same outcome in the entry of each.
	Attempts []JoinAttempt
}

// Join makes contact with existing members: it exchanges states with each
// address that the strings resolve to, and returns with how many that worked.
// The error is nil if it worked with any, else it joins what went wrong with
// each (errors.Is finds ErrShutdown, ErrJoinRejected, ErrNameTaken and the causes). Each takes at most
// Config.TCPTimeout. It is JoinContext without a context, for all addresses,
// this member's own not left out, and those given twice counted twice.
//
// A string is "[name/]host[:port]"; the port is Config.BindPort by default, and
// an IPv6 host with a port is in brackets. "[name/]srv+service" stands for the
// hosts and ports of the DNS records (SRV) of that name, such as
// srv+_memberlist._tcp.example.com. Names are looked up as Config.Resolver,
// DNSConfigPath and AddressFamily say. The strings that led to a member are
// remembered: members that are lost later are looked for there too, see
// Config.ReconnectInterval. While there never was another member, those that led to
// none are tried again.
//
// After Leave, a join makes this member one again, at a new incarnation, as soon as
// it has reached somebody.
//
// Compat: where there is nobody but another member of our name, neither of the two is
// a member to the other; the error is nil all the same, as in the reference, since
// programs' own tests start two peers of one name. JoinContext says ErrNameTaken.
//
// Compat: the reference contacts them one after the other, whatever each takes.
// It reads all of the Config that Create was given when it needs it; here Join
// takes anew what that Config has as Ping: Serf exchanges that delegate before
// it joins.
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

// JoinContext makes contact with existing members: it resolves the seeds,
// several at a time, and exchanges states with each address that they stand
// for, several at a time, each for at most Config.TCPTimeout. This member's own
// address is left out.
//
// It returns when all have succeeded or failed, when as many as are enough have
// succeeded, when the context ends, or on Shutdown: then without waiting for
// what cannot be aborted, such as a dial of a Transport of the user's own, which
// comes to nothing. The result says what came of each seed. The error is nil if
// at least one exchange succeeded; else it joins those of the attempts, so that
// errors.Is finds ErrShutdown, context.Canceled, context.DeadlineExceeded and
// the other causes.
func (m *Memberlist) JoinContext(ctx context.Context, request JoinRequest) (JoinResult, error) {
	j := joining{m: m, request: request, own: m.LocalNode()}
	return j.run(ctx)
}

// joining is one join under way. It belongs to the goroutine that joins; those
// that resolve and contact tell it in channels with room for all of them, so
// that they never wait for it.
type joining struct {
	m       *Memberlist
	request JoinRequest
	own     *Node // is not contacted; nil: is
	enters  bool  // a cluster; else it is in one, and others may have to go
	left    bool  // it left one before

	seeds    []seed // as in the request
	contacts map[Address]*contact
	waiting  []*contact

	resolved   chan resolved
	contacted  chan contacted
	resolving  int
	contacting int
	joined     int
}

// seed is what is known of one of the strings.
type seed struct {
	err      error // why there are no contacts
	contacts []*contact
}

// contact is one address.
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

// errPending is the outcome of what has none yet.
var errPending = errors.New("pending")

func (j *joining) run(ctx context.Context) (JoinResult, error) {
	m := j.m
	if !m.tasks.Acquire() {
		return JoinResult{}, ErrShutdown
	}
	defer m.tasks.Release()
	m.delivery.takePing()
	j.enters, j.left = m.beforeJoin()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends what is under way
	j.seeds = make([]seed, len(j.request.Seeds))
	for i := range j.seeds {
		j.seeds[i].err = errPending
	}
	j.contacts = make(map[Address]*contact)
	j.resolved = make(chan resolved, joinsAtOnce)
	j.contacted = make(chan contacted, joinsAtOnce)
	result, err := j.result(j.steps(ctx))
	if j.left && j.joined == 0 {
		m.leaveAgain()
	}
	m.rememberSeeds(result.Attempts)
	return result, err
}

// beforeJoin reports whether this member enters a cluster by a join, as it is alone, and whether it has left one before.
func (m *Memberlist) beforeJoin() (enters, left bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.nameTaken || !m.mu.core.AnyAlive(), m.mu.core.Leaving()
}

func (m *Memberlist) anyAlive() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.core.AnyAlive()
}

// rejoin makes this member one again that left, as the program joins.
func (m *Memberlist) rejoin() {
	t := m.begin()
	t.core.Return(t.now)
	t.commitAndNotify()
}

// leaveAgain undoes rejoin.
func (m *Memberlist) leaveAgain() {
	t := m.begin()
	t.core.Leave(t.now, 0)
	t.commitAndNotify()
}

// noteOwnNameLocked tells that it is known whether another member has our name, if that was found out in a turn.
func (m *Memberlist) noteOwnNameLocked(events []swim.Event) {
	if m.mu.nameDecided == nil {
		return
	}
	for i := range events {
		if e := &events[i]; e.Kind == swim.EventConflictEnded && e.Member.Name == m.config.Name {
			close(m.mu.nameDecided)
			m.mu.nameDecided = nil
			return
		}
	}
}

// awaitOwnName waits until it is known whether another member has our name, if one is said to, and returns ErrNameTaken then.
func (m *Memberlist) awaitOwnName(ctx context.Context) error {
	m.mu.Lock()
	decided := m.mu.nameDecided
	if m.mu.core.NameContested() && decided == nil {
		decided = make(chan struct{})
		m.mu.nameDecided = decided
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
	if m.mu.nameTaken = taken; taken {
		return fmt.Errorf("%w: %q is at %v", ErrNameTaken, m.config.Name, other)
	}
	return nil
}

// steps resolves and contacts until all is done, or returns why the rest is
// not.
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

// resolve finds out what a seed stands for, on a goroutine that ends with ctx if
// the network has to be asked.
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
		addrs, err := m.resolveSeed(ctx, text)
		j.resolved <- resolved{seed: i, addrs: addrs, err: err}
	})
	if !started {
		j.place(resolved{seed: i, err: ErrShutdown})
		return
	}
	j.resolving++
}

// place takes what a seed stands for. What is new waits to be contacted.
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

// isOwn reports whether an address is that of this member, to be left out.
func (j *joining) isOwn(a Address) bool {
	return j.own != nil && a.Addr == j.own.Address() && (a.Name == "" || a.Name == j.own.Name)
}

// contact exchanges states with an address, on a goroutine that ends by the
// exchange's timeout or with ctx, unless it is in a delegate.
func (j *joining) contact(ctx context.Context, c *contact) {
	m := j.m
	started := m.tasks.Go(func() {
		err := m.pushPull(ctx, c.addr, exchangeJoin)
		if err == nil && j.enters {
			err = m.awaitOwnName(ctx)
			if j.own == nil && errors.Is(err, ErrNameTaken) && !m.anyAlive() {
				err = nil // as Join says
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

// result sums up. What is pending was put an end to.
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
