package memberlist

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// remoteState is what the other side of a push/pull says.
type remoteState struct {
	join   bool
	states []wire.PushNodeState
	user   []byte
}

// exchangeMemory is what an exchange of states works in. It is used again: nothing
// may hold on to it after the exchange, nor to the states.
type exchangeMemory struct {
	states []wire.PushNodeState // what the other side says
	local  []byte               // what we say
}

// endExchange makes the memory of an exchange ready for the next.
func (m *Memberlist) endExchange(mem *exchangeMemory) {
	clear(mem.states) // they refer to what was read
	mem.states = mem.states[:0]
	m.exchanges.Put(mem)
}

// servePushPull answers a push/pull: it reads all that the peer says, refuses
// it with an error, or merges and replies with the state that we had before.
// When the peer has the reply, we know the peer.
//
// Compat: the reference replies first and judges then, so that who joins takes
// a refusal for success.
func (m *Memberlist) servePushPull(in *input, r *wire.StreamReader) error {
	mem := m.exchanges.Get().(*exchangeMemory)
	defer m.endExchange(mem)
	remote, err := m.readState(in, r, mem)
	if err != nil {
		_ = m.answerError(in, err)
		return err
	}
	defer m.streams.pushPulls.Add(-1)
	if m.streams.pushPulls.Add(1) > maxPushPulls {
		return fmt.Errorf("%w: %d push/pulls are being answered", ErrBusy, maxPushPulls)
	}
	if err := m.judge(&remote); err != nil {
		_ = m.answerError(in, err)
		return err
	}
	state, err := m.localState(remote.join, mem)
	if err != nil {
		return err
	}
	m.mergeMembers(&remote, m.endTurn)
	if err := m.writeStream(in.conn, in.label.text, nil, state); err != nil {
		return err
	}
	m.exchanged()
	m.awaitEvents()
	m.mergeUserState(&remote)
	return nil
}

// pushPullWith exchanges states with a member, as the core asked.
func (m *Memberlist) pushPullWith(member swim.Member) {
	select {
	case m.pushPullToken <- struct{}{}:
		defer func() { <-m.pushPullToken }()
	default:
		return // the last one is still under way
	}
	m.syncWith(member)
}

// syncWith exchanges states with a member.
func (m *Memberlist) syncWith(member swim.Member) {
	err := m.pushPull(context.Background(), addressOfMember(&member), exchangePeriodic)
	m.noteStream(&member, err)
	if err != nil {
		m.log.limited("push/pull", slog.LevelError, "push/pull failed", memberAttrs(&member, errAttr(err))...)
	}
}

// exchangeKind says what a push/pull is part of.
type exchangeKind bool

const (
	exchangePeriodic exchangeKind = false
	exchangeJoin     exchangeKind = true
)

// pushPull exchanges states with the member at an address and merges what it
// says.
func (m *Memberlist) pushPull(ctx context.Context, to Address, kind exchangeKind) error {
	start := time.Now()
	defer measureSince(keyPushPullNode, start, m.config.MetricLabels)
	mem := m.exchanges.Get().(*exchangeMemory)
	defer m.endExchange(mem)
	state, err := m.localState(bool(kind), mem)
	if err != nil {
		return err
	}
	var remote remoteState
	err = m.exchange(ctx, to, start.Add(m.config.TCPTimeout), state, func(in *input, r *wire.StreamReader) error {
		reply, r, err := m.readReply(in, r)
		if err != nil {
			return err
		}
		if reply != wire.TypePushPull {
			return fmt.Errorf("%w: %v in reply to a push/pull", wire.ErrUnknownType, reply)
		}
		remote, err = m.readState(in, r, mem)
		return err
	})
	if err != nil {
		return err
	}
	remote.join = bool(kind)
	if err := m.judge(&remote); err != nil {
		return err
	}
	m.mergeMembers(&remote, m.endTurnAndDeliver)
	m.exchanged()
	m.mergeUserState(&remote)
	return nil
}

// localState asks the delegate for its state and encodes all that we know, in
// mem.
func (m *Memberlist) localState(join bool, mem *exchangeMemory) ([]byte, error) {
	var user []byte
	if m.config.Delegate != nil {
		if !m.tasks.goAway() {
			return nil, ErrShutdown
		}
		user = m.config.Delegate.LocalState(join)
		m.tasks.comeBack()
	}
	if len(user) > wire.MaxUserState {
		return nil, fmt.Errorf("%w: local state of the delegate has %d bytes, the limit is %d",
			ErrMessageTooLarge, len(user), wire.MaxUserState)
	}
	snapshot := m.snapshot(mem.local, len(user))
	mem.local = snapshot.States
	// The header goes right before the states: how many there are is known only now.
	var headerRoom [maxPushPullHeader]byte
	header := (&wire.PushPullHeader{Nodes: snapshot.Len(), UserStateLen: len(user), Join: join}).Append(headerRoom[:0])
	buf := snapshot.States[maxPushPullHeader-len(header):]
	copy(buf, header)
	for state, n := range snapshot.Counts {
		setGauge(keyNodeInstances, float32(n),
			withLabel(m.config.MetricLabels, "node_state", NodeStateType(state).metricName()))
	}
	buf = append(buf, user...)
	setGauge(keySizeLocal, float32(len(buf)), m.config.MetricLabels)
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

// readState reads the states, into mem, and the user state of a push/pull.
func (m *Memberlist) readState(in *input, r *wire.StreamReader, mem *exchangeMemory) (remoteState, error) {
	var header wire.PushPullHeader
	if err := r.ReadMessage(&header); err != nil {
		return remoteState{}, err
	}
	if err := header.Validate(); err != nil {
		return remoteState{}, err
	}
	remote := remoteState{join: header.Join}
	states, err := r.ReadStates(mem.states[:0], header.Nodes)
	mem.states = states
	if err != nil {
		return remoteState{}, err
	}
	for i := range states {
		if states[i].Port == 0 {
			states[i].Port = uint16(m.config.BindPort)
		}
	}
	remote.states = states
	if header.UserStateLen > 0 {
		user, err := r.ReadN(header.UserStateLen, wire.MaxUserState)
		if err != nil {
			return remoteState{}, fmt.Errorf("read user state of %d bytes: %w", header.UserStateLen, err)
		}
		remote.user = bytes.Clone(user)
	}
	addSample(keySizeRemote, float32(in.size), m.config.MetricLabels)
	return remote, nil
}

// judge decides whether states may be merged: their versions must go with ours,
// and on a join the merge delegate must agree. States that the alive delegate
// refuses, or without versions that can be, are taken out.
func (m *Memberlist) judge(remote *remoteState) error {
	if err := m.checkVersions(remote.states); err != nil {
		return err
	}
	if remote.join && m.config.Merge != nil {
		nodes := make([]*Node, 0, len(remote.states))
		for i := range remote.states {
			nodes = append(nodes, nodeOfState(&remote.states[i]))
		}
		if !m.tasks.goAway() {
			return ErrShutdown
		}
		err := m.config.Merge.NotifyMerge(nodes)
		m.tasks.comeBack()
		if err != nil {
			return err
		}
	}
	return nil
}

// mergeAtOnce is how many states are merged in one turn: at most some hundred microseconds, for which acks wait.
const mergeAtOnce = 256

// mergeMembers gives the core the states that nobody refuses.
func (m *Memberlist) mergeMembers(remote *remoteState, end func(*turn)) {
	for states := range slices.Chunk(m.allowedStates(remote.states), mergeAtOnce) {
		t := m.beginTurn()
		t.core.Merge(t.now, states)
		end(t)
	}
}

// mergeUserState gives the delegate its part of a peer's state.
func (m *Memberlist) mergeUserState(remote *remoteState) {
	if remote.user == nil || m.config.Delegate == nil || !m.tasks.goAway() {
		return
	}
	defer m.tasks.comeBack()
	m.config.Delegate.MergeRemoteState(remote.user, remote.join)
}

// allowedStates takes out the alive states that the alive delegate refuses.
func (m *Memberlist) allowedStates(states []wire.PushNodeState) []wire.PushNodeState {
	if m.config.Alive == nil {
		return states
	}
	allowed := states[:0:0]
	for i := range states {
		s := &states[i]
		a := wire.Alive{Incarnation: s.Incarnation, Node: s.Name, Addr: s.Addr, Port: s.Port, Meta: s.Meta, Vsn: s.Vsn}
		if swim.State(s.State) != swim.StateAlive || m.aliveAllowed(&a) {
			allowed = append(allowed, *s)
		}
	}
	return allowed
}

// nodeOfState makes a Node that says what a state says.
func nodeOfState(s *wire.PushNodeState) *Node {
	n := nodeOfAlive(&wire.Alive{Node: s.Name, Addr: s.Addr, Port: s.Port, Meta: s.Meta, Vsn: s.Vsn})
	n.State = NodeStateType(s.State)
	return n
}

// versionRange bounds the versions that all members of a cluster understand.
type versionRange struct{ low, high [2]uint8 } // of the protocol, of the delegate

// include narrows the range by what one member understands.
func (r *versionRange) include(v swim.Versions) {
	for i := range r.low {
		r.low[i] = max(r.low[i], v[3*i])
		r.high[i] = min(r.high[i], v[3*i+1])
	}
}

// check refuses a member that speaks a version which not all understand.
func (r *versionRange) check(name string, v swim.Versions) error {
	for i, what := range []string{"protocol", "delegate protocol"} {
		if speaks := v[3*i+2]; speaks < r.low[i] || speaks > r.high[i] {
			return fmt.Errorf("%w: %s version %d of member %q, the cluster understands [%d, %d]",
				ErrIncompatibleVersion, what, speaks, name, r.low[i], r.high[i])
		}
	}
	return nil
}

// possible reports whether versions say anything: a member that never told
// them, or told nonsense, is not judged by them.
func possible(v swim.Versions) bool { return v[0] > 0 && v[0] <= v[1] && v[3] <= v[4] }

// checkVersions refuses states if not all alive members, ours and theirs,
// understand what each member speaks, be it alive or not. Members without
// versions are left out of that: one such must not keep the others from
// joining.
//
// Compat: in the reference one such makes every join fail.
func (m *Memberlist) checkVersions(remote []wire.PushNodeState) error {
	r := versionRange{high: [2]uint8{255, 255}}
	m.mu.Lock()
	local := m.mu.core.DistinctVersions(nil)
	m.mu.Unlock()
	for i := range local {
		if local[i].State == swim.StateAlive && possible(local[i].Versions) {
			r.include(local[i].Versions)
		}
	}
	for i := range remote {
		if v, ok := judgedVersions(&remote[i]); ok && swim.State(remote[i].State) == swim.StateAlive {
			r.include(v)
		}
	}
	for i := range local {
		if possible(local[i].Versions) {
			if err := r.check(local[i].Name, local[i].Versions); err != nil {
				return err
			}
		}
	}
	for i := range remote {
		if v, ok := judgedVersions(&remote[i]); ok {
			if err := r.check(remote[i].Name, v); err != nil {
				return err
			}
		}
	}
	return nil
}

// judgedVersions are the versions of a state that takes part in the check.
func judgedVersions(s *wire.PushNodeState) (swim.Versions, bool) {
	if len(s.Vsn) < len(swim.Versions{}) {
		return swim.Versions{}, false
	}
	v := swim.Versions(s.Vsn[:len(swim.Versions{})])
	return v, possible(v)
}
