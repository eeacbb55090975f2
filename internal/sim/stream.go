package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// exchange is a push/pull in progress: a snapshot of the table goes each way, taken when each side sends.
type exchange struct {
	from, to         int32
	fromLife, toLife uint32
	why              purpose
	failed           bool
	began            int64
	asked, answered  swim.Snapshot
	lost             swim.Member // of toLook: the member looked for; none for a seed
	differences      differences
}

// states returns the number of states that have been sent so far.
func (x *exchange) states() int { return x.asked.Len() + x.answered.Len() }

// purpose is the purpose of a push/pull.
type purpose uint8

const (
	toSync      purpose = iota // periodic: one at a time
	toCompare                  // the same, of differences
	toJoin                     // to be accepted; retried until it is
	toLook                     // to find out which node is at the address of a lost member or a seed, without sending states
	toReconnect                // with a lost member, or a seed
)

// isJoin reports whether it is a push/pull with a node that need not be known.
func (p purpose) isJoin() bool { return p != toSync && p != toCompare }

// pausedPoll is the interval at which an exchange checks whether a paused node has resumed.
const pausedPoll = 50 * time.Millisecond

// open opens a stream for a core.
func (s *Sim) open(n *node, st *swim.Stream) {
	if n.blocked > 0 {
		n.held.streams = append(n.held.streams, *st)
		return
	}
	if st.Kind == swim.StreamSeeds {
		s.trySeeds(n)
		return
	}
	to := s.routes(n, st.To.Name, st.To.Addr)
	switch {
	case st.Kind == swim.StreamPing:
		s.streamPing(n, to, st)
	case st.Kind == swim.StreamLeave:
		s.exchange(n, to, toReconnect)
	case st.Kind == swim.StreamReconnect:
		s.result.Reconnects++
		s.tracef("%v looks for %s at %v", n, st.To.Name, st.To.Addr)
		s.check.looked(n, &st.To)
		s.look(n, to, st.To)
	case n.syncing:
	case st.Kind == swim.StreamDifferences:
		n.syncing = true
		s.askDifferences(n, to, st.To.Name)
	default:
		n.syncing = true
		s.exchange(n, to, toSync)
	}
}

// look asks for the states of the node at the address of a lost member or a seed.
func (s *Sim) look(n *node, at place, lost swim.Member) {
	i := s.exchange(n, at, toLook)
	s.exchanges[i].lost = lost
}

// recognize joins the node that was found, if it is of the same cluster.
func (s *Sim) recognize(n *node, x *exchange) {
	found := swim.Recognition{With: x.lost}
	n.core.Recognize(&found, s.read(n, &x.answered))
	if didLeave := x.lost.State == swim.StateLeft && !found.FoundThere(); found.SameCluster() && !didLeave {
		s.exchange(n, s.nodes[x.to].place, toReconnect)
	}
	if !found.FoundThere() && x.lost.Name != "" {
		t := s.beginTurn(n)
		t.NotThere(x.lost)
		s.endTurn(n, t)
	}
}

// isThere reports whether the node at an address has a name, as its answer to a ping on a stream would tell.
func (s *Sim) isThere(p place, name string) bool {
	n := s.at(p)
	return n != nil && n.up && n.name == name
}

// seedsOf returns the seeds of a node's cluster.
func (s *Sim) seedsOf(n *node) []int32 {
	var own []int32
	for _, seed := range s.cfg.Seeds {
		if s.nodes[seed].cluster == n.cluster {
			own = append(own, int32(seed))
		}
	}
	return own
}

// forgetSeeds removes addresses of members that left.
func (s *Sim) forgetSeeds(n *node, changed []swim.Member) {
	if !s.cfg.FixedSeeds {
		return
	}
	for i := range changed {
		if m := &changed[i]; m.State == swim.StateLeft {
			n.seeds = slices.DeleteFunc(n.seeds, func(seed int32) bool { return home(seed, 0) == placeOf(m.Addr) })
		}
	}
}

// trySeeds joins a random seed that the node does not see: one that the program returns, or the node at an address
// that was joined once, if it is of the same cluster.
func (s *Sim) trySeeds(n *node) {
	for _, i := range s.rand.Perm(len(n.seeds)) {
		seed := n.seeds[i]
		to := s.nodes[seed].place
		if s.cfg.FixedSeeds {
			to = home(seed, 0)
		}
		if !n.core.MayBeUnknown(to.addrPort()) {
			continue
		}
		s.result.Reconnects++
		if s.cfg.FixedSeeds {
			s.look(n, to, swim.Member{})
		} else {
			s.exchange(n, to, toReconnect)
		}
		return
	}
}

// reaches reports whether a stream between two nodes can work now, in both directions.
func (s *Sim) reaches(n *node, at place) bool {
	other := s.at(at)
	return other != nil && other.up && s.reachesHost(n, other.id)
}

// reachesHost reports whether the host of another node answers a stream now, by opening or by refusing it.
func (s *Sim) reachesHost(n *node, to int32) bool {
	if s.nodes[to].hostDown || s.nodes[to].hostPaused > 0 {
		return false
	}
	if s.cfg.Link.Fail > 0 && s.rand.Float64() < s.cfg.Link.Fail {
		return false
	}
	for i := range s.rules {
		r := &s.rules[i]
		if !r.applies(n.id, to) && !r.applies(to, n.id) {
			continue
		}
		switch r.kind {
		case Cut, Partition:
			s.result.Fired[r.kind]++
			return false
		case NoStreams:
			if s.rand.Float64() < s.cfg.Faults[r.fault].Rate {
				s.result.Fired[r.kind]++
				return false
			}
		}
	}
	return true
}

// canReach reports whether streams between two nodes that are up are certain to work, in both directions and in time.
func (s *Sim) canReach(n, other *node) bool {
	if s.cfg.Link.Fail > 0 || s.cfg.Link.Loss > 0 || s.cfg.Across.Loss > 0 || !other.receives() {
		return false
	}
	return !slices.ContainsFunc(s.rules, func(r rule) bool {
		return (r.applies(n.id, other.id) || r.applies(other.id, n.id)) && r.kind != Refuse
	})
}

// segment returns the time until a segment of a stream arrives, retransmissions included.
func (s *Sim) segment(from, to int32) time.Duration {
	d := s.cfg.Link.Latency.draw(s.rand)
	loss := s.cfg.Link.Loss
	if s.cfg.isAcross(from, to) {
		d += s.cfg.Across.Latency
		loss = max(loss, s.cfg.Across.Loss)
	}
	for i := range s.rules {
		if r := &s.rules[i]; r.applies(from, to) {
			switch r.kind {
			case Delay:
				d += s.cfg.Faults[r.fault].Delay
			case Loss:
				loss = max(loss, s.cfg.Faults[r.fault].Rate)
			}
		}
	}
	for again := 200 * time.Millisecond; loss > 0 && again < maxLatency && s.rand.Float64() < loss; again *= 2 {
		d += again
	}
	return d
}

// streamPing pings a node on a stream: a handshake and a round trip. The host of a node that is down refuses the stream; that of
// a paused node opens it.
func (s *Sim) streamPing(n *node, at place, st *swim.Stream) {
	s.result.StreamPings++
	other := s.at(at)
	if other == nil || !s.reachesHost(n, other.id) {
		return
	}
	to, took := other.id, time.Duration(0)
	answer := func(kind eventKind) {
		took += s.segment(n.id, to) + s.segment(to, n.id)
		if !s.time(n).Add(took).After(st.Deadline) {
			s.schedule(took, event{kind: kind, node: n.id, life: n.life, arg: st.Seq})
		}
	}
	if !other.up {
		answer(eventRefused)
		return
	}
	answer(eventOpened)
	if other.receives() && s.isThere(at, st.To.Name) {
		answer(eventStreamPing)
	}
}

// streamPinged passes the outcome of a ping on a stream to the node that opened it.
func (s *Sim) streamPinged(n *node, e event) {
	if !n.receives() {
		s.schedule(pausedPoll, e)
		return
	}
	t := s.beginTurn(n)
	switch e.kind {
	case eventRefused:
		t.StreamRefused(e.arg)
	case eventOpened:
		t.StreamOpened(e.arg)
	default:
		t.StreamPingDone(e.arg)
	}
	s.endTurn(n, t)
}

// exchange starts a push/pull.
func (s *Sim) exchange(n *node, at place, why purpose) (number uint32) {
	i := s.newExchange()
	x := &s.exchanges[i]
	x.from, x.fromLife, x.why, x.began = n.id, n.life, why, s.now
	if !s.reaches(n, at) {
		x.failed = true
		s.schedule(s.cfg.JoinRetry, event{kind: eventReply, node: n.id, arg: i})
		return i
	}
	to := s.at(at).id
	x.to, x.toLife = to, s.nodes[to].life
	if why != toLook && why != toCompare {
		s.snapshot(n, to, &x.asked)
	}
	took := s.segment(n.id, to) + s.segment(to, n.id) + s.segment(n.id, to)
	s.schedule(took, event{kind: eventServe, node: to, arg: i})
	return i
}

// serve answers a push/pull, then merges it.
func (s *Sim) serve(n *node, i uint32) {
	x := &s.exchanges[i]
	from := &s.nodes[x.from]
	gone := !n.up || n.life != x.toLife || from.life != x.fromLife || x.why.isJoin() && !n.joined
	switch {
	case x.differences.step == sentWanted && (gone || s.isLate(x)):
		s.spareExchanges = append(s.spareExchanges, i)
	case gone, s.isLate(x), x.differences.step != sentWanted && !s.reaches(from, n.place):
		x.failed = true
		s.schedule(s.segment(n.id, x.from), event{kind: eventReply, node: x.from, arg: i})
	case !n.receives():
		s.schedule(pausedPoll, event{kind: eventServe, node: n.id, arg: i})
	case x.differences.step != noDifferences:
		s.serveDifferences(n, i)
	default:
		asked := s.read(n, &x.asked)
		var meant swim.Recipient
		if x.why == toSync {
			meant = swim.Recipient{Name: n.name, At: n.place.addrPort()}
		}
		x.failed = swim.CheckPeer(versions, asked, from.place.addrPort().Addr(), meant) != nil
		s.snapshot(n, x.from, &x.answered)
		s.schedule(s.segment(n.id, x.from), event{kind: eventReply, node: x.from, arg: i})
		if x.why != toLook && !x.failed {
			s.merge(n, n.core.Dialler(from.place.addrPort(), asked), asked)
		}
	}
}

// snapshot encodes the states of a node for another.
func (s *Sim) snapshot(n *node, to int32, states *swim.Snapshot) {
	for n.core.Snapshot(states) {
	}
	s.countBytes(n, to, len(states.States))
}

// countBytes counts bytes on a stream to another node.
func (s *Sim) countBytes(n *node, to int32, bytes int) {
	n.counts.StreamBytesOut += uint64(bytes)
	if s.cfg.isAcross(n.id, to) {
		n.counts.StreamBytesAcross += uint64(bytes)
	}
}

// read decodes the states of another node. They are valid until the exchange ends.
func (s *Sim) read(n *node, from *swim.Snapshot) wire.States {
	states, err := wire.ParseStates(from.States, from.Len())
	if err != nil {
		s.fail(n, readable, -1, fmt.Sprint("states of an exchange: ", err))
	}
	return states
}

// reply ends a push/pull at its dialler.
func (s *Sim) reply(n *node, i uint32) {
	x := &s.exchanges[i]
	sent := false
	if n.up && n.life == x.fromLife {
		late := s.isLate(x)
		if !n.receives() && !late {
			s.schedule(pausedPoll, event{kind: eventReply, node: n.id, arg: i})
			return
		}
		if !x.failed && !late && s.continueDifferences(n, i) {
			return
		}
		if !x.why.isJoin() {
			n.syncing = false
		}
		if !x.failed && !late && x.why == toLook {
			s.recognize(n, x)
		} else if !x.failed && !late {
			s.result.PushPulls++
			if x.differences.step == sentCompared {
				sent = s.endDifferences(n, i)
			} else {
				s.merge(n, swim.Dialled(s.nodes[x.to].place.addrPort()), s.read(n, &x.answered))
			}
			if n.up {
				t := s.beginTurn(n)
				t.Answered(s.nodes[x.to].place.addrPort())
				s.endTurn(n, t)
			}
			if x.why.isJoin() && n.up {
				s.admit(n)
			}
		} else {
			s.result.PushPullsFailed++
			if x.why == toJoin && !n.joined {
				s.schedule(s.cfg.JoinRetry, event{kind: eventJoin, node: n.id, life: n.life})
			}
		}
	}
	if !sent {
		s.spareExchanges = append(s.spareExchanges, i)
	}
}

// merge merges the states of a push/pull with a peer into a node, some in each turn.
func (s *Sim) merge(n *node, peer swim.Peer, states wire.States) {
	s.check.told(n, states)
	for n.up && states.Len() > 0 {
		all := states
		t := s.beginTurn(n)
		t.Merge(&peer, &states)
		for v := (wire.StateView{}); all.Len() > states.Len() && all.Next(&v); {
			name := string(v.Name())
			s.check.heard(n, name)
			if swim.State(v.State) != swim.StateAlive {
				s.check.accused(n, name, v.Incarnation)
			}
		}
		s.endTurn(n, t)
		s.check.checkHeard(n)
	}
}

func (s *Sim) newExchange() uint32 {
	if k := len(s.spareExchanges); k > 0 {
		i := s.spareExchanges[k-1]
		s.spareExchanges = s.spareExchanges[:k-1]
		x := &s.exchanges[i]
		*x = exchange{asked: swim.Snapshot{States: x.asked.States[:0]}, answered: swim.Snapshot{States: x.answered.States[:0]}}
		return i
	}
	s.exchanges = append(s.exchanges, exchange{})
	return uint32(len(s.exchanges) - 1)
}
