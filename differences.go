package memberlist

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/e3431adc/memberlist/internal/logging"
	"github.com/e3431adc/memberlist/internal/metrics"
	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// The push/pull of differences, on one stream. Package swim (delta.go) has the rules. User state goes both ways in full, with the first
// message of each side.
//
//	dialler                                            acceptor
//	  {Node, From, Vw, UserStateLen}, user state ------->
//	  <------------- {Vw, UserStateLen, Dg: sums of buckets}, user state      without Dg: the views are equal, the end
//	  {Dg: which buckets, Hs}, hashes ------------------>
//	  <------------- {Nodes, Hs}, states, hashes
//	  {Nodes}, states ---------------------------------->
//
// An acceptor that does not know it, as one of the reference, takes the first message for a push/pull without states, and replies with
// all of its own.

// differences exchanges the states that differ with a member.
func (p *pushPulls) differences(to Address) error {
	m, start := p.m, time.Now()
	defer m.metrics.MeasureSince(metrics.PushPullNode, start)
	p.countInstances()
	s := m.newSession()
	defer s.end()
	var first, differing remoteState
	err := s.roundTrip(context.Background(), to, start.Add(m.config.TCPTimeout), func() (err error) {
		user, err := p.userState(false)
		if err != nil {
			return err
		}
		header := wire.PushPullHeader{Node: to.Name, From: m.config.Name, View: m.ViewChecksum(), UserStateLen: len(user)}
		if err := s.writeRequest(s.message(&header, user)); err != nil {
			return err
		}
		if first, err = s.readStateReply(); err != nil || len(first.digests) == 0 {
			return err
		}
		differing, err = s.exchangeDifferences(first.digests)
		return err
	})
	if err != nil {
		return err
	}
	peer := swim.Dialled(senderOf(s.conn.RemoteAddr()).AddrPort)
	if first.view == 0 { // they are all states of the other side
		if err := p.judge(s, &first, swim.Recipient{Name: to.Name, At: endpointOf(to.Addr).AddrPort}); err != nil {
			return err
		}
		first.peer = peer
		p.merge(&first, (*turn).commitAndNotify)
	}
	differing.peer = peer.OfDifferences()
	p.merge(&differing, (*turn).commitAndNotify)
	p.finish(s, to, &first)
	return nil
}

// exchangeDifferences compares the digests of the acceptor with those of this member, receives the acceptor's states that differ, and
// sends this member's.
func (s *session) exchangeDifferences(digests []byte) (differing remoteState, err error) {
	m := s.m
	theirs, err := swim.ParseDigests(digests)
	if err != nil {
		return remoteState{}, err
	}
	own := theirs.Like()
	inParts(m, own, (*swim.Core).Digest)
	list := swim.NewListing(own, theirs)
	inParts(m, list, (*swim.Core).List)
	header := wire.PushPullHeader{Digests: list.Buckets, Hashes: len(list.Hashes) / 4}
	if err := s.writeNext(s.message(&header, list.Hashes)); err != nil {
		return remoteState{}, err
	}
	s.nextMessage()
	if differing, err = s.readStateReply(); err != nil || differing.states.Len() == 0 && len(differing.hashes) == 0 {
		return remoteState{}, err
	}
	wanted, err := swim.NewWantedStates(differing.hashes, differing.states)
	if err != nil {
		return remoteState{}, err
	}
	inParts(m, wanted, (*swim.Core).Collect)
	return differing, s.writeNext(s.message(&wire.PushPullHeader{Nodes: wanted.Len()}, wanted.States))
}

// serveDifferences answers a push/pull of differences.
func (p *pushPulls) serveDifferences(s *session, asked *remoteState) error {
	m := p.m
	if asked.node != m.config.Name { // whose address was that of this member before
		err := fmt.Errorf("%w: %q", swim.ErrMistaken, asked.node)
		_ = s.writeError(err)
		m.log.Limited("mistaken", slog.LevelDebug, "refusing state exchange meant for another member", logging.Err(err))
		return nil
	}
	p.countInstances()
	user, err := p.userState(false)
	if err != nil {
		return err
	}
	header := wire.PushPullHeader{View: m.ViewChecksum(), UserStateLen: len(user)}
	var digests *swim.Digests
	if header.View != asked.view {
		m.mu.Lock()
		digests = m.mu.core.NewDigests()
		m.mu.Unlock()
		inParts(m, digests, (*swim.Core).Digest)
		header.Digests = digests.Append(nil)
	}
	if err := s.writeReply(s.message(&header, user)); err != nil {
		return err
	}
	if digests != nil {
		m.mu.Lock()
		peer := m.mu.core.DiallerNamed(senderOf(s.conn.RemoteAddr()).AddrPort, asked.from)
		m.mu.Unlock()
		if err := p.serveComparison(s, peer, digests); err != nil {
			return err
		}
	}
	p.noteExchange()
	m.delivery.await()
	p.mergeUserState(asked)
	return nil
}

// serveComparison receives hashes of the dialler's members, sends this member's states that differ, and receives the dialler's.
func (p *pushPulls) serveComparison(s *session, peer swim.Peer, digests *swim.Digests) error {
	m := p.m
	listed, err := s.readNext()
	if err != nil {
		return err
	}
	if err := s.reserveMemory(2 * len(listed.hashes)); err != nil {
		return err
	}
	x, err := swim.NewComparison(digests, listed.digests, listed.hashes)
	if err != nil {
		_ = s.writeError(err)
		return err
	}
	inParts(m, x, (*swim.Core).Compare)
	wanted := x.Wanted()
	header := wire.PushPullHeader{Nodes: x.Len(), Hashes: len(wanted) / 4}
	if err := s.writeReply(s.message(&header, append(x.States, wanted...))); err != nil || x.Len() == 0 && len(wanted) == 0 {
		return err
	}
	differing, err := s.readNext()
	if err != nil {
		return err
	}
	m.userMessages.awaitHandled(m.userMessages.queue.Put()) // see serve
	differing.peer = peer.OfDifferences()
	p.merge(&differing, (*turn).commit)
	return nil
}

// countInstances sets the metrics of the numbers of members by state.
func (p *pushPulls) countInstances() {
	var n swim.Instances
	inParts(p.m, &n, (*swim.Core).Count)
	p.reportInstances(&n)
}

// inParts calls step, with the core locked, until it reports that there is no more.
func inParts[T any](m *Memberlist, to T, step func(*swim.Core, T) (more bool)) {
	for more := true; more; {
		m.mu.Lock()
		more = step(m.mu.core, to)
		m.mu.Unlock()
	}
}

// message encodes a message in the session's memory.
func (s *session) message(header *wire.PushPullHeader, body []byte) []byte {
	s.local = append(header.Append(s.local[:0]), body...)
	if header.View != 0 { // the first one
		s.m.metrics.SetGauge(metrics.SizeLocal, float32(len(s.local)))
	}
	return s.local
}

// readNext reads a further push/pull message on a stream that a peer opened.
func (s *session) readNext() (remoteState, error) {
	s.nextMessage()
	kind, err := s.m.envelope.ReadNext(&s.reader, s.label, s.source())
	if err != nil {
		return remoteState{}, err
	}
	if kind != wire.TypePushPull {
		return remoteState{}, fmt.Errorf("%w: %v in a push/pull", wire.ErrUnknownType, kind)
	}
	return s.readState()
}

// nextMessage ends the use of the last message: the reader reads the stream itself again.
func (s *session) nextMessage() {
	s.release()
	s.reader.Reset(s, s.reserve)
}

// writeNext writes a further message to a stream that this member opened.
func (s *session) writeNext(message []byte) error {
	n, err := s.m.envelope.WriteReply(s.conn, s.m.envelope.OwnLabel(), message, s.features)
	return s.wrote(n, err)
}
