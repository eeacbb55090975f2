package memberlist

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/e3431adc/memberlist/internal/logging"
	"github.com/e3431adc/memberlist/internal/metrics"
	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// maxPushPulls is the number of push/pulls of peers that are answered at once.
const maxPushPulls = 128

// remoteState is a message of the other side of a push/pull. All is valid until the next one is read, user and digests until the session ends.
type remoteState struct {
	join   bool
	peer   swim.Peer
	states wire.States
	user   []byte

	// of a push/pull of differences: see wire.PushPullHeader
	node    string
	from    string
	view    uint64
	digests []byte
	hashes  []byte
}

// pushPulls are the exchanges of states with other members.
type pushPulls struct {
	m         *Memberlist
	answering atomic.Int32 // number of those that peers began
	running   atomic.Bool  // one that the core asked for periodically
}

// serve answers a push/pull: it reads the states of the peer, and refuses them with an error, or merges them and replies with the
// states that this member had before. When the peer has the reply, this member knows the peer.
//
// Compat: the reference replies before it decides, so that a peer takes a refusal of its join for success.
func (p *pushPulls) serve(s *session) error {
	m := p.m
	remote, err := s.readState()
	if err != nil {
		_ = s.writeError(err)
		return err
	}
	defer p.answering.Add(-1)
	if p.answering.Add(1) > maxPushPulls {
		return fmt.Errorf("%w: %d push/pulls are being answered", ErrBusy, maxPushPulls)
	}
	if remote.view != 0 && !m.config.DisableExtensions {
		return p.serveDifferences(s, &remote)
	}
	var meant swim.Recipient
	if !remote.join {
		self := m.LocalNode()
		meant.Name, meant.At = self.Name, endpointOfNode(self).AddrPort
	}
	if err := p.judge(s, &remote, meant); err != nil {
		_ = s.writeError(err)
		if errors.Is(err, swim.ErrMistaken) {
			m.log.Limited("mistaken", slog.LevelDebug, "refusing state exchange meant for another member", logging.Err(err))
			return nil
		}
		return err
	}
	m.mu.Lock()
	remote.peer = m.mu.core.Dialler(senderOf(s.conn.RemoteAddr()).AddrPort, remote.states)
	m.mu.Unlock()
	state, err := s.localState(remote.join)
	if err != nil {
		return err
	}
	if !remote.join { // the state of a member that leaves does not overtake its user messages
		m.userMessages.awaitHandled(m.userMessages.queue.Put())
	}
	p.merge(&remote, (*turn).commit)
	if err := s.writeReply(state); err != nil {
		return err
	}
	if remote.states.Len() > 0 { // not that of a Query
		p.noteExchange()
	}
	m.delivery.await()
	p.mergeUserState(&remote)
	return nil
}

// periodic is the push/pulls that the core asks for, at each of its intervals or since two views differ, one after the other, unless
// the last ones have not ended.
func (p *pushPulls) periodic(streams []swim.Stream) {
	if p.running.Swap(true) {
		return
	}
	defer p.running.Store(false)
	for i := range streams {
		exchange := p.all
		if streams[i].Kind == swim.StreamDifferences {
			exchange = p.differences
		}
		p.with(streams[i].To, exchange)
	}
}

// with exchanges states with a member, and logs a failure.
func (p *pushPulls) with(member swim.Member, exchange func(Address) error) {
	m := p.m
	err := exchange(addressOfMember(&member))
	m.noteStream(&member, err)
	switch {
	case err == nil, errors.Is(err, ErrShutdown):
	case errors.Is(err, swim.ErrMistaken): // the probes find out
		m.log.Limited("mistaken", slog.LevelDebug, "another member answers at this member's address", memberAttrs(&member, logging.Err(err))...)
	default:
		m.log.Limited("push/pull", slog.LevelError, "push/pull failed", memberAttrs(&member, logging.Err(err))...)
	}
}

// exchangeKind is the reason for a push/pull.
type exchangeKind uint8

const (
	exchangePeriodic  exchangeKind = iota
	exchangeReconnect              // a join that the program did not ask for
	exchangeJoin                   // one that the program asked for
)

// isJoin reports whether it is a join for the delegates of both sides.
func (k exchangeKind) isJoin() bool { return k != exchangePeriodic }

// all exchanges all states with a known member.
func (p *pushPulls) all(to Address) error { return p.do(context.Background(), to, exchangePeriodic) }

// do exchanges states with the member at an address.
func (p *pushPulls) do(ctx context.Context, to Address, kind exchangeKind) error {
	m, start := p.m, time.Now()
	defer m.metrics.MeasureSince(metrics.PushPullNode, start)
	s := m.newSession()
	defer s.end()
	var remote remoteState
	err := s.roundTrip(ctx, to, start.Add(m.config.TCPTimeout), func() error {
		if kind == exchangeJoin {
			t := m.begin()
			t.core.Return() // if this member has left
			t.commitAndNotify()
		}
		state, err := s.localState(kind.isJoin())
		if err != nil {
			return err
		}
		if err := s.writeRequest(state); err != nil {
			return err
		}
		remote, err = s.readStateReply()
		return err
	})
	if err != nil {
		return err
	}
	remote.join = kind.isJoin()
	var meant swim.Recipient
	if kind == exchangePeriodic {
		meant.Name, meant.At = to.Name, endpointOf(to.Addr).AddrPort
	}
	if err := p.judge(s, &remote, meant); err != nil {
		return err
	}
	remote.peer = swim.Dialled(senderOf(s.conn.RemoteAddr()).AddrPort)
	p.merge(&remote, (*turn).commitAndNotify)
	p.finish(s, to, &remote)
	return nil
}

// finish ends an exchange that this member began.
func (p *pushPulls) finish(s *session, with Address, remote *remoteState) {
	t := p.m.begin()
	from := endpointOf(with.Addr).AddrPort
	t.core.Answered(from)
	t.core.NoteFeatures(from, s.reader.PeerFeatures())
	t.commit()
	p.noteExchange()
	p.mergeUserState(remote)
}

func (p *pushPulls) noteExchange() {
	p.m.mu.Lock()
	p.m.mu.view.noteExchange(time.Now())
	p.m.mu.Unlock()
}

// readStateReply reads the reply to a push/pull.
func (s *session) readStateReply() (remoteState, error) {
	reply, err := s.readReply()
	if err != nil {
		return remoteState{}, err
	}
	if reply != wire.TypePushPull {
		return remoteState{}, fmt.Errorf("%w: %v in reply to a push/pull", wire.ErrUnknownType, reply)
	}
	return s.readState()
}

// localState asks the delegate for its state and encodes it with the states of all known members, in the session's memory.
func (s *session) localState(join bool) ([]byte, error) {
	m := s.m
	user, err := m.pushPulls.userState(join)
	if err != nil {
		return nil, err
	}
	snapshot := m.pushPulls.snapshot(s.local, len(user))
	s.local = snapshot.States
	// The header is placed right before the states, whose number is known only now.
	var headerRoom [maxPushPullHeader]byte
	header := (&wire.PushPullHeader{Nodes: snapshot.Len(), UserStateLen: len(user), Join: join}).Append(headerRoom[:0])
	buf := snapshot.States[maxPushPullHeader-len(header):]
	copy(buf, header)
	m.pushPulls.reportInstances(&snapshot.Instances)
	buf = append(buf, user...)
	m.metrics.SetGauge(metrics.SizeLocal, float32(len(buf)))
	return buf, nil
}

// reportInstances sets the metrics of the numbers of members by state.
func (p *pushPulls) reportInstances(n *swim.Instances) {
	for state, n := range n.ByState {
		p.m.metrics.SetInstances(NodeStateType(state).metricName(), n)
	}
}

// userState asks the delegate for its state.
func (p *pushPulls) userState(join bool) (user []byte, err error) {
	m := p.m
	if m.config.Delegate == nil {
		return nil, nil
	}
	if !m.tasks.BeginCallback() {
		return nil, ErrShutdown
	}
	user = m.config.Delegate.LocalState(join)
	m.tasks.EndCallback()
	if len(user) > wire.MaxUserState {
		return nil, fmt.Errorf("%w: local state of the delegate has %d bytes, the limit is %d",
			ErrMessageTooLarge, len(user), wire.MaxUserState)
	}
	return user, nil
}

// maxPushPullHeader is the room for the header of a push/pull, in bytes.
const maxPushPullHeader = 64

// stateSize is the typical size of the state of a member in bytes, without metadata.
const stateSize = 96

// snapshot encodes the states of all members after room for the header, with room for more bytes after them, into buf if that is large
// enough. The core is locked for a part of them at a time.
func (p *pushPulls) snapshot(buf []byte, more int) *swim.Snapshot {
	m := p.m
	m.mu.Lock()
	size := maxPushPullHeader + (m.mu.core.NumKnown()+1)*stateSize + more
	m.mu.Unlock()
	s := &swim.Snapshot{States: slices.Grow(buf[:0], size)[:maxPushPullHeader]}
	for again := true; again; {
		m.mu.Lock()
		again = m.mu.core.Snapshot(s)
		m.mu.Unlock()
	}
	return s
}

// readState reads the states and the user state of a push/pull.
func (s *session) readState() (remoteState, error) {
	var header wire.PushPullHeader
	if err := s.reader.ReadMessage(&header); err != nil {
		return remoteState{}, err
	}
	if err := header.Validate(); err != nil {
		return remoteState{}, err
	}
	remote := remoteState{join: header.Join, node: header.Node, from: header.From, view: header.View, digests: bytes.Clone(header.Digests)}
	states, err := s.reader.ReadStates(header.Nodes)
	if err != nil {
		return remoteState{}, err
	}
	remote.states = states
	if header.UserStateLen > 0 {
		user, err := s.reader.ReadN(header.UserStateLen, wire.MaxUserState)
		if err != nil {
			return remoteState{}, fmt.Errorf("read user state of %d bytes: %w", header.UserStateLen, err)
		}
		if err := s.reserveMemory(len(user)); err != nil {
			return remoteState{}, err
		}
		remote.user = bytes.Clone(user)
	}
	if header.Hashes > 0 {
		if remote.hashes, err = s.reader.ReadN(4*header.Hashes, 4*wire.MaxPushPullHashes); err != nil {
			return remoteState{}, fmt.Errorf("read %d hashes: %w", header.Hashes, err)
		}
	}
	s.m.metrics.AddSample(metrics.SizeRemote, float32(s.size))
	return remote, nil
}

// judge decides whether states may be merged: the peer must be compatible, and on a join the merge delegate must agree.
func (p *pushPulls) judge(s *session, remote *remoteState, meant swim.Recipient) error {
	m := p.m
	own := swim.Versions(m.config.BuildVsnArray())
	if err := swim.CheckPeer(own, remote.states, senderOf(s.conn.RemoteAddr()).AddrPort.Addr(), meant); err != nil {
		return err
	}
	if !remote.join || m.config.Merge == nil {
		return nil
	}
	if err := s.reserveMemory(remote.states.Len() * nodeMemory); err != nil {
		return err
	}
	nodes := make([]*Node, 0, remote.states.Len())
	for states := remote.states; states.Len() > 0; {
		for _, state := range p.takeStates(&states) {
			nodes = append(nodes, nodeOfState(&state))
		}
	}
	if !m.tasks.BeginCallback() {
		return ErrShutdown
	}
	defer m.tasks.EndCallback()
	return m.config.Merge.NotifyMerge(nodes)
}

// nodeMemory is the memory of a Node for MergeDelegate in bytes, about, without metadata.
const nodeMemory = 256

// takenAtOnce is the number of states that are passed to delegates at once, and then merged in one turn.
const takenAtOnce = 256

// merge merges the states that the alive delegate allows, some in each turn.
func (p *pushPulls) merge(remote *remoteState, end func(*turn)) {
	states := remote.states
	if p.m.config.Alive == nil {
		p.mergeStates(&remote.peer, &states, end)
		return
	}
	for states.Len() > 0 {
		allowed := states.Cut(takenAtOnce)
		allowed = allowed.Filter(p.stateAllowed)
		p.mergeStates(&remote.peer, &allowed, end)
	}
}

func (p *pushPulls) mergeStates(peer *swim.Peer, states *wire.States, end func(*turn)) {
	for states.Len() > 0 {
		t := p.m.begin()
		t.core.Merge(peer, states)
		end(t)
	}
}

// stateAllowed reports whether the alive delegate allows a state. It is asked about those that are alive.
func (p *pushPulls) stateAllowed(v *wire.StateView) bool {
	if swim.State(v.State) != swim.StateAlive {
		return true
	}
	a := wire.Alive{Incarnation: v.Incarnation, Node: string(v.Name()), Addr: v.Addr(), Port: v.Port, Meta: v.Meta(), Vsn: v.Vsn()}
	if a.Port == 0 {
		a.Port = uint16(p.m.config.BindPort)
	}
	return p.m.aliveAllowed(&a)
}

// takeStates takes the next states for delegates.
func (p *pushPulls) takeStates(states *wire.States) []wire.PushNodeState {
	taken := states.Take(takenAtOnce)
	for i := range taken {
		if taken[i].Port == 0 {
			taken[i].Port = uint16(p.m.config.BindPort)
		}
	}
	return taken
}

// mergeUserState passes the user state of a peer to the delegate.
func (p *pushPulls) mergeUserState(remote *remoteState) {
	m := p.m
	if remote.user == nil || m.config.Delegate == nil || !m.tasks.BeginCallback() {
		return
	}
	defer m.tasks.EndCallback()
	m.config.Delegate.MergeRemoteState(remote.user, remote.join)
}

// nodeOfState returns a Node for a state.
func nodeOfState(s *wire.PushNodeState) *Node {
	n := nodeOfAlive(&wire.Alive{Node: s.Name, Addr: s.Addr, Port: s.Port, Meta: s.Meta, Vsn: s.Vsn})
	n.State = NodeStateType(s.State)
	return n
}
