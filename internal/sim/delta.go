package sim

import (
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// differences is the state of a push/pull of differences: see swim.Digests. Every message is encoded and decoded.
type differences struct {
	name     string // of the node that is asked
	from     string // of the dialler
	view     uint64 // of the dialler
	step     differencesStep
	digests  *swim.Digests // of the acceptor
	list     *swim.Listing
	compared *swim.Comparison
	wanted   *swim.WantedStates
}

// differencesStep is what was sent last.
type differencesStep uint8

const (
	noDifferences differencesStep = iota // it is a push/pull of all states
	askedView
	sentEqual
	sentDigests
	sentList
	sentCompared
	sentWanted
)

// askDifferences begins a push/pull of differences.
func (s *Sim) askDifferences(n *node, at place, name string) {
	i := s.exchange(n, at, toCompare)
	x := &s.exchanges[i]
	if x.failed {
		return
	}
	x.differences = differences{name: name, from: n.name, view: n.core.ViewChecksum(), step: askedView}
	s.countStream(n, x.to, &wire.PushPullHeader{Node: name, From: n.name, View: x.differences.view}, 0)
}

// countStream counts a message on a stream to another node.
func (s *Sim) countStream(n *node, to int32, header *wire.PushPullHeader, body int) {
	s.countBytes(n, to, len(header.Append(nil))+body)
}

// serveDifferences answers at the acceptor.
func (s *Sim) serveDifferences(n *node, i uint32) {
	x := &s.exchanges[i]
	d := &x.differences
	switch d.step {
	case askedView:
		s.serveView(n, x)
	case sentList:
		var err error
		if d.compared, err = swim.NewComparison(d.digests, d.list.Buckets, d.list.Hashes); err != nil {
			s.fail(n, readable, -1, err.Error())
			return
		}
		for n.core.Compare(d.compared) {
		}
		wanted := d.compared.Wanted()
		s.countStream(n, x.from, &wire.PushPullHeader{Nodes: d.compared.Len(), Hashes: len(wanted) / 4}, len(d.compared.States)+len(wanted))
		d.step = sentCompared
	case sentWanted:
		from := &s.nodes[x.from]
		s.merge(n, n.core.DiallerNamed(from.place.addrPort(), d.from).OfDifferences(), s.read(n, &d.wanted.Snapshot))
		s.spareExchanges = append(s.spareExchanges, i)
		return
	}
	s.schedule(s.segment(n.id, x.from), event{kind: eventReply, node: x.from, arg: i})
}

// serveView compares two views. A node without extensions answers as to a push/pull without states.
func (s *Sim) serveView(n *node, x *exchange) {
	d := &x.differences
	switch own := n.core.ViewChecksum(); {
	case !s.extended(n):
		d.step = noDifferences
		s.snapshot(n, x.from, &x.answered)
	case d.name != n.name:
		x.failed = true
	case own == d.view:
		s.countStream(n, x.from, &wire.PushPullHeader{View: own}, 0)
		d.step = sentEqual
	default:
		d.digests = n.core.NewDigests()
		for n.core.Digest(d.digests) {
		}
		s.countStream(n, x.from, &wire.PushPullHeader{View: own, Digests: d.digests.Append(nil)}, 0)
		d.step = sentDigests
	}
}

// continueDifferences sends the next message of the dialler, and reports whether the exchange goes on.
func (s *Sim) continueDifferences(n *node, i uint32) bool {
	x := &s.exchanges[i]
	d := &x.differences
	if d.step != sentDigests {
		return false
	}
	theirs, err := swim.ParseDigests(d.digests.Append(nil))
	if err != nil {
		s.fail(n, readable, -1, err.Error())
		return false
	}
	own := theirs.Like()
	for n.core.Digest(own) {
	}
	d.list = swim.NewListing(own, theirs)
	for n.core.List(d.list) {
	}
	s.countStream(n, x.to, &wire.PushPullHeader{Digests: d.list.Buckets, Hashes: len(d.list.Hashes) / 4}, len(d.list.Hashes))
	d.step = sentList
	s.schedule(s.segment(n.id, x.to), event{kind: eventServe, node: x.to, arg: i})
	return true
}

// endDifferences sends the states of the dialler that differ, merges those of the acceptor, and reports whether the last message
// is on its way.
func (s *Sim) endDifferences(n *node, i uint32) (sent bool) {
	x := &s.exchanges[i]
	d := &x.differences
	s.result.Differences++
	states, wanted := s.read(n, &d.compared.Snapshot), d.compared.Wanted()
	if states.Len() == 0 && len(wanted) == 0 {
		return false
	}
	var err error
	if d.wanted, err = swim.NewWantedStates(wanted, states); err != nil {
		s.fail(n, readable, -1, err.Error())
		return false
	}
	for n.core.Collect(d.wanted) {
	}
	s.countStream(n, x.to, &wire.PushPullHeader{Nodes: d.wanted.Len()}, len(d.wanted.States))
	d.step = sentWanted
	s.schedule(s.segment(n.id, x.to), event{kind: eventServe, node: x.to, arg: i})
	s.merge(n, swim.Dialled(s.nodes[x.to].place.addrPort()).OfDifferences(), states)
	return true
}

// extended reports whether a node has extensions.
func (s *Sim) extended(n *node) bool { return s.cfg.coreOf(n.id).Extensions }

// isLate reports whether the time limit of an exchange has passed.
func (s *Sim) isLate(x *exchange) bool { return time.Duration(s.now-x.began) > s.cfg.StreamTimeout }
