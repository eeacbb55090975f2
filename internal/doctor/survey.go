package doctor

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/internal/visitor"
)

// survey is what has been found out about a cluster.
type survey struct {
	options  Options
	visitor  *visitor.Visitor
	pinger   *visitor.Pinger // nil: packets are not tried
	notAsked int
	parts    [][]int // see inParts
	seeds    []*view // of the members at the given addresses

	mu       sync.Mutex // guards the rest while members are being asked
	subjects []*subject
	ids      map[identity]int // of subjects, by their index
}

// identity is a name at an address, in the form "host:port".
type identity struct{ name, address string }

// subject is a name at an address that some member has.
type subject struct {
	identity
	at       netip.AddrPort // invalid if nothing can be sent there
	meta     int            // bytes of metadata, the most that any member has
	versions [6]uint8
	known    bool // some member has it as alive or suspect
	dead     bool // some member has it as dead
	asked    bool
	replaced bool // a process answers at the address, and not to the name

	view    *view // nil: no answer
	viewErr error
	packets attempt // small ones
	large   attempt // of Options.PacketSize; made if small ones are acked
	stream  attempt
	bare    bool  // see visitor.Ack
	failed  []int // subjects whose acks to this one were lost
}

// attempt is a request and its outcome.
type attempt struct {
	made bool
	err  error
}

func (a attempt) ok() bool { return a.made && a.err == nil }

// view is the states of a member, by the index of subjects. Missing ones are unknown.
type view struct{ states []state }

// state is the state of a subject in a view.
type state uint8

const (
	stateUnknown state = iota
	stateAlive
	stateSuspect
	stateDead
	stateLeft
)

func (v *view) of(id int) state {
	if id >= len(v.states) {
		return stateUnknown
	}
	return v.states[id]
}

// sees reports whether the view has a subject as a member.
func (v *view) sees(id int) bool {
	s := v.of(id)
	return s == stateAlive || s == stateSuspect
}

func newSurvey(o Options) (*survey, error) {
	v, err := newVisitor(&o)
	if err != nil {
		return nil, err
	}
	s := &survey{options: o, visitor: v, ids: make(map[identity]int)}
	if o.Transport == nil {
		if s.pinger, err = v.NewPinger(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// learn adds the members of a view that are new, and returns the view in its short form.
func (s *survey) learn(members []memberlist.MemberInfo) *view {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := new(view)
	for _, m := range members {
		id, ok := s.idLocked(m.Node)
		if !ok {
			continue
		}
		state := stateAlive + state(min(max(m.State, memberlist.StateAlive), memberlist.StateLeft))
		for len(v.states) <= id {
			v.states = append(v.states, stateUnknown)
		}
		v.states[id] = state
		one := s.subjects[id]
		one.meta = max(one.meta, len(m.Meta))
		one.known = one.known || state == stateAlive || state == stateSuspect
		one.dead = one.dead || state == stateDead
	}
	return v
}

// idLocked returns the index of a node's subject, which it adds if there is room.
func (s *survey) idLocked(n *memberlist.Node) (int, bool) {
	key := identity{n.Name, n.Address()}
	if id, known := s.ids[key]; known {
		return id, true
	}
	if len(s.subjects) >= maxMembers {
		s.notAsked++
		return 0, false
	}
	one := &subject{identity: key, versions: [6]uint8{n.PMin, n.PMax, n.PCur, n.DMin, n.DMax, n.DCur}}
	if ip, ok := netip.AddrFromSlice(n.Addr); ok && n.Port > 0 && !ip.IsUnspecified() && !ip.IsMulticast() {
		one.at = netip.AddrPortFrom(ip.Unmap(), n.Port)
	}
	s.ids[key] = len(s.subjects)
	s.subjects = append(s.subjects, one)
	return len(s.subjects) - 1, true
}

// query reads the view of the member at an address.
func (s *survey) query(ctx context.Context, address string) (memberlist.View, error) {
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	return memberlist.Query(ctx, memberlist.QueryRequest{Address: address, Keyring: s.options.Keyring, Label: s.options.Label,
		Transport: s.options.Transport})
}

// askAll asks every subject, also those that others tell of meanwhile.
func (s *survey) askAll(ctx context.Context) {
	for ctx.Err() == nil {
		batch := s.toAsk()
		if len(batch) == 0 {
			return
		}
		s.each("asked", batch, func(m *subject) { s.ask(ctx, m) })
	}
}

// toAsk returns the subjects that are to be asked and were not. One that has left everywhere is not: something else may be there.
func (s *survey) toAsk() (batch []*subject) {
	for _, m := range s.subjects {
		if !m.asked && m.at.IsValid() && (m.known || m.dead) {
			m.asked = true
			batch = append(batch, m)
		}
	}
	return batch
}

// each calls f for subjects, for some at once, and reports the progress of a phase.
func (s *survey) each(phase string, subjects []*subject, f func(*subject)) {
	slots := make(chan struct{}, max(s.options.AtOnce, 1))
	var asking sync.WaitGroup
	var done atomic.Int32
	for _, m := range subjects {
		slots <- struct{}{}
		asking.Go(func() { // f ends by the time limits of its requests
			f(m)
			<-slots
			if n := done.Add(1); s.options.Progress != nil {
				s.options.Progress(phase, int(n), len(subjects))
			}
		})
	}
	asking.Wait()
}

// ask asks one subject for all but pings of others.
func (s *survey) ask(ctx context.Context, m *subject) {
	answer, err := s.query(ctx, m.address)
	m.viewErr = err
	if err == nil {
		m.view = s.learn(answer.Members)
	}
	m.stream = attempt{true, s.pingStream(ctx, m)}
	if s.pinger != nil {
		s.askInPackets(ctx, m)
	}
	if m.view != nil && !m.answers() {
		m.view, m.replaced = nil, true
	}
}

func (s *survey) askInPackets(ctx context.Context, m *subject) {
	var ack visitor.Ack
	m.packets, ack = s.pingPackets(ctx, m, 0)
	m.bare = ack.Bare
	if m.packets.ok() && s.options.PacketSize > 0 {
		m.large, _ = s.pingPackets(ctx, m, s.options.PacketSize)
	}
}

// dial opens a stream to a subject.
func (s *survey) dial(ctx context.Context, m *subject) (net.Conn, error) {
	switch t := s.options.Transport.(type) {
	case nil:
		return new(net.Dialer).DialContext(ctx, "tcp", m.address)
	case memberlist.NodeAwareTransport:
		return t.DialAddressTimeout(memberlist.Address{Addr: m.address, Name: m.name}, s.options.Timeout)
	default:
		return t.DialTimeout(m.address, s.options.Timeout)
	}
}

func (s *survey) pingStream(ctx context.Context, m *subject) error {
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	conn, err := s.dial(ctx, m)
	if err != nil {
		return err
	}
	defer conn.Close()
	if end, ok := ctx.Deadline(); ok {
		conn.SetDeadline(end)
	}
	return s.visitor.Ping(conn, m.name)
}

// pingPackets pings a subject in packets until one is acked.
func (s *survey) pingPackets(ctx context.Context, m *subject, size int) (a attempt, ack visitor.Ack) {
	a.made = true
	a.err = s.retry(ctx, func(ctx context.Context) (err error) {
		ack, err = s.pinger.Ping(ctx, m.at, m.name, size)
		return err
	})
	return a, ack
}

// retry repeats a request whose packets may be lost, within Options.Timeout and the pauses.
func (s *survey) retry(ctx context.Context, try func(context.Context) error) (err error) {
	for i := range tries {
		if i > 0 {
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return err
			}
		}
		err = func() error {
			ctx, cancel := context.WithTimeout(ctx, s.options.Timeout/tries)
			defer cancel()
			return try(ctx)
		}()
		if err == nil {
			return nil
		}
	}
	return err
}

// viewsAgree reports whether all views have the same members.
func (s *survey) viewsAgree() bool {
	for id := range s.subjects {
		saw, missed := false, false
		for _, m := range s.subjects {
			if m.view != nil {
				saw, missed = saw || m.view.sees(id), missed || !m.view.sees(id)
			}
		}
		if saw && missed {
			return false
		}
	}
	return true
}

// askAgain reads the views of all members once more, after a while.
func (s *survey) askAgain(ctx context.Context) {
	select {
	case <-time.After(s.options.Settle):
	case <-ctx.Done():
		return
	}
	s.each("asked again", slices.Clone(s.subjects), func(m *subject) {
		if m.view == nil {
			return
		}
		if answer, err := s.query(ctx, m.address); err == nil {
			m.view = s.learn(answer.Members)
		}
	})
}

// count notes which subjects are members in some view, now that those were read again.
func (s *survey) count() {
	views := slices.Clone(s.seeds)
	for _, m := range s.subjects {
		if m.view != nil {
			views = append(views, m.view)
		}
	}
	for id, m := range s.subjects {
		m.known = slices.ContainsFunc(views, func(v *view) bool { return v.sees(id) })
	}
}

// pingPairs asks the members that answer to ping some that they see, first of all those that they suspect or have as dead though
// these answer.
func (s *survey) pingPairs(ctx context.Context) {
	s.each("pinging others", slices.Clone(s.subjects), func(m *subject) {
		if m.view == nil || !m.packets.ok() {
			return
		}
		for _, id := range s.pairsOf(m) {
			to := s.subjects[id]
			err := s.retry(ctx, func(ctx context.Context) error {
				_, err := s.pinger.PingThrough(ctx, m.at, to.at, to.name)
				return err
			})
			if err != nil {
				m.failed = append(m.failed, id)
			}
		}
	})
}

// pairsOf returns the subjects that one is asked to ping: those that it doubts, and those after it, which differ for each.
func (s *survey) pairsOf(m *subject) []int {
	var doubted, seen []int
	own := s.ids[m.identity]
	for i := range s.subjects {
		id := (own + i) % len(s.subjects)
		if other := s.subjects[id]; other == m || !other.packets.ok() {
			continue
		}
		switch m.view.of(id) {
		case stateAlive:
			seen = append(seen, id)
		case stateSuspect, stateDead:
			doubted = append(doubted, id)
		}
	}
	pairs := append(doubted, seen...)
	return pairs[:min(len(pairs), maxPairs)]
}

// refused returns the reason for which a member that can be reached refuses a stream, or nil.
func (m *subject) refused() error {
	for _, reason := range []error{memberlist.ErrLabelMismatch, memberlist.ErrDecrypt, memberlist.ErrEncrypted,
		memberlist.ErrNotEncrypted, memberlist.ErrNoAnswer} {
		if errors.Is(m.viewErr, reason) {
			return reason
		}
	}
	return nil
}

// answers reports whether a subject answers to its name.
func (m *subject) answers() bool { return m.packets.ok() || m.stream.ok() }
