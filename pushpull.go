package memberlist

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"time"

	"github.com/e3431adc/memberlist/internal/logging"
	"github.com/e3431adc/memberlist/internal/metrics"
	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// maxPushPulls is the number of push/pulls of peers that are answered at once.
const maxPushPulls = 128

// remoteState is what the other side of a push/pull says.
type remoteState struct {
	join   bool
	states wire.States // valid until the session ends
	user   []byte
}

// servePushPull answers a push/pull: it reads all that the peer says, refuses
// it with an error, or merges and replies with the state that we had before.
// When the peer has the reply, we know the peer.
//
// Compat: the reference replies first and judges then, so that who joins takes
// a refusal for success.
func (m *Memberlist) servePushPull(c *session) error {
	remote, err := m.readState(c)
	if err != nil {
		_ = c.writeError(err)
		return err
	}
	defer m.pushPulls.Add(-1)
	if m.pushPulls.Add(1) > maxPushPulls {
		return fmt.Errorf("%w: %d push/pulls are being answered", ErrBusy, maxPushPulls)
	}
	var meant swim.Meant
	if !remote.join {
		self := m.LocalNode()
		meant.Name, meant.At = self.Name, endpointOfNode(self).AddrPort
	}
	if err := m.judge(&remote, c.conn, meant); err != nil {
		_ = c.writeError(err)
		if errors.Is(err, errMistaken) {
			m.log.Limited("mistaken", slog.LevelDebug, "refusing state exchange meant for another member", logging.Err(err))
			return nil
		}
		return err
	}
	state, err := m.localState(remote.join, c)
	if err != nil {
		return err
	}
	if !remote.join { // that of a member that leaves does not overtake what the member said before
		m.userMessages.awaitHandled(m.userMessages.queue.Put())
	}
	m.mergeMembers(&remote, (*turn).commit)
	if err := c.writeReply(state); err != nil {
		return err
	}
	m.exchanged()
	m.delivery.await()
	m.mergeUserState(&remote)
	return nil
}

// pushPullWith exchanges states with a member, as the core asked.
func (m *Memberlist) pushPullWith(member swim.Member) {
	if m.pushPulling.Swap(true) {
		return // the last one is still under way
	}
	defer m.pushPulling.Store(false)
	m.syncWith(member)
}

// syncWith exchanges states with a member.
func (m *Memberlist) syncWith(member swim.Member) {
	err := m.pushPull(context.Background(), addressOfMember(&member), exchangePeriodic)
	m.noteStream(&member, err)
	switch {
	case err == nil, errors.Is(err, ErrShutdown):
	case errors.Is(err, errMistaken): // the probes find out
		m.log.Limited("mistaken", slog.LevelDebug, "another member answers at this member's address", memberAttrs(&member, logging.Err(err))...)
	default:
		m.log.Limited("push/pull", slog.LevelError, "push/pull failed", memberAttrs(&member, logging.Err(err))...)
	}
}

// exchangeKind says what a push/pull is part of.
type exchangeKind uint8

const (
	exchangePeriodic  exchangeKind = iota
	exchangeReconnect              // a join that nobody asked for now
	exchangeJoin                   // one that the program asked for
)

// isJoin reports whether it is a join to the delegates of both sides.
func (k exchangeKind) isJoin() bool { return k != exchangePeriodic }

// pushPull exchanges states with the member at an address and merges what it
// says.
func (m *Memberlist) pushPull(ctx context.Context, to Address, kind exchangeKind) error {
	start := time.Now()
	defer m.metrics.MeasureSince(metrics.PushPullNode, start)
	c := m.newSession()
	defer m.endSession(c)
	var remote remoteState
	err := m.exchange(ctx, c, to, start.Add(m.config.TCPTimeout), func() error {
		if kind == exchangeJoin {
			m.rejoin()
		}
		state, err := m.localState(kind.isJoin(), c)
		if err != nil {
			return err
		}
		if err := c.writeRequest(state); err != nil {
			return err
		}
		remote, err = m.readStateReply(c)
		return err
	})
	if err != nil {
		return err
	}
	remote.join = kind.isJoin()
	var meant swim.Meant
	if kind == exchangePeriodic {
		meant.Name, meant.At = to.Name, endpointOf(to.Addr).AddrPort
	}
	if err := m.judge(&remote, c.conn, meant); err != nil {
		return err
	}
	m.mergeMembers(&remote, (*turn).commitAndNotify)
	m.noteAnswer(to)
	m.exchanged()
	m.mergeUserState(&remote)
	return nil
}

// noteAnswer tells the core that a member at an address answered us.
func (m *Memberlist) noteAnswer(at Address) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.core.Answered(endpointOf(at.Addr).AddrPort)
}

// readStateReply reads what a peer answers to a push/pull.
func (m *Memberlist) readStateReply(c *session) (remoteState, error) {
	reply, err := c.readReply()
	if err != nil {
		return remoteState{}, err
	}
	if reply != wire.TypePushPull {
		return remoteState{}, fmt.Errorf("%w: %v in reply to a push/pull", wire.ErrUnknownType, reply)
	}
	return m.readState(c)
}

// localState asks the delegate for its state and encodes all that we know, in
// the session's memory.
func (m *Memberlist) localState(join bool, c *session) ([]byte, error) {
	var user []byte
	if m.config.Delegate != nil {
		if !m.tasks.BeginCallback() {
			return nil, ErrShutdown
		}
		user = m.config.Delegate.LocalState(join)
		m.tasks.EndCallback()
	}
	if len(user) > wire.MaxUserState {
		return nil, fmt.Errorf("%w: local state of the delegate has %d bytes, the limit is %d",
			ErrMessageTooLarge, len(user), wire.MaxUserState)
	}
	snapshot := m.snapshot(c.local, len(user))
	c.local = snapshot.States
	// The header goes right before the states: how many there are is known only now.
	var headerRoom [maxPushPullHeader]byte
	header := (&wire.PushPullHeader{Nodes: snapshot.Len(), UserStateLen: len(user), Join: join}).Append(headerRoom[:0])
	buf := snapshot.States[maxPushPullHeader-len(header):]
	copy(buf, header)
	for state, n := range snapshot.Counts {
		m.metrics.SetInstances(NodeStateType(state).metricName(), n)
	}
	buf = append(buf, user...)
	m.metrics.SetGauge(metrics.SizeLocal, float32(len(buf)))
	return buf, nil
}

// maxPushPullHeader is room for the header of a push/pull, in bytes.
const maxPushPullHeader = 64

// stateSize is about what the state of a member takes, in bytes, besides its metadata.
const stateSize = 96

// snapshot encodes the states of all members behind room for the header, with room for more bytes after them, into buf if
// that is large enough. The core is locked for a part of them at a time only.
func (m *Memberlist) snapshot(buf []byte, more int) *swim.Snapshot {
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
func (m *Memberlist) readState(c *session) (remoteState, error) {
	var header wire.PushPullHeader
	if err := c.reader.ReadMessage(&header); err != nil {
		return remoteState{}, err
	}
	if err := header.Validate(); err != nil {
		return remoteState{}, err
	}
	remote := remoteState{join: header.Join}
	states, err := c.reader.ReadStates(header.Nodes)
	if err != nil {
		return remoteState{}, err
	}
	remote.states = states
	if header.UserStateLen > 0 {
		user, err := c.reader.ReadN(header.UserStateLen, wire.MaxUserState)
		if err != nil {
			return remoteState{}, fmt.Errorf("read user state of %d bytes: %w", header.UserStateLen, err)
		}
		remote.user = bytes.Clone(user)
	}
	m.metrics.AddSample(metrics.SizeRemote, float32(c.size))
	return remote, nil
}

// judge decides whether states may be merged: the peer's versions must go with
// ours, and on a join the merge delegate must agree.
func (m *Memberlist) judge(remote *remoteState, conn net.Conn, meant swim.Meant) error {
	if err := m.checkPeer(remote.states, senderOf(conn.RemoteAddr()).AddrPort.Addr(), meant); err != nil {
		return err
	}
	if !remote.join || m.config.Merge == nil {
		return nil
	}
	nodes := make([]*Node, 0, remote.states.Len())
	for states := remote.states; states.Len() > 0; {
		for _, s := range m.takeStates(&states) {
			nodes = append(nodes, nodeOfState(&s))
		}
	}
	if !m.tasks.BeginCallback() {
		return ErrShutdown
	}
	defer m.tasks.EndCallback()
	return m.config.Merge.NotifyMerge(nodes)
}

// takenAtOnce is how many states delegates see at once, and are merged in one turn then.
const takenAtOnce = 256

// mergeMembers merges the states that the alive delegate allows, some in each turn.
func (m *Memberlist) mergeMembers(remote *remoteState, end func(*turn)) {
	states := remote.states
	if m.config.Alive == nil {
		m.mergeStates(&states, end)
		return
	}
	for states.Len() > 0 {
		allowed := states.Cut(takenAtOnce)
		allowed = allowed.Filter(m.stateAllowed)
		m.mergeStates(&allowed, end)
	}
}

func (m *Memberlist) mergeStates(states *wire.States, end func(*turn)) {
	for states.Len() > 0 {
		t := m.begin()
		t.core.Merge(t.now, states)
		end(t)
	}
}

// stateAllowed reports whether the alive delegate allows a state. It is asked about those that are alive.
func (m *Memberlist) stateAllowed(v *wire.StateView) bool {
	if swim.State(v.State) != swim.StateAlive {
		return true
	}
	a := wire.Alive{Incarnation: v.Incarnation, Node: string(v.Name()), Addr: v.Addr(), Port: v.Port, Meta: v.Meta(), Vsn: v.Vsn()}
	if a.Port == 0 {
		a.Port = uint16(m.config.BindPort)
	}
	return m.aliveAllowed(&a)
}

// takeStates takes the next states that delegates are to see.
func (m *Memberlist) takeStates(states *wire.States) []wire.PushNodeState {
	taken := states.Take(takenAtOnce)
	for i := range taken {
		if taken[i].Port == 0 {
			taken[i].Port = uint16(m.config.BindPort)
		}
	}
	return taken
}

// mergeUserState gives the delegate its part of a peer's state.
func (m *Memberlist) mergeUserState(remote *remoteState) {
	if remote.user == nil || m.config.Delegate == nil || !m.tasks.BeginCallback() {
		return
	}
	defer m.tasks.EndCallback()
	m.config.Delegate.MergeRemoteState(remote.user, remote.join)
}

// nodeOfState makes a Node that says what a state says.
func nodeOfState(s *wire.PushNodeState) *Node {
	n := nodeOfAlive(&wire.Alive{Node: s.Name, Addr: s.Addr, Port: s.Port, Meta: s.Meta, Vsn: s.Vsn})
	n.State = NodeStateType(s.State)
	return n
}
