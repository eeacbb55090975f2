package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Kind is the kind of a fault.
type Kind uint8

// The faults. For faults of links, Nodes are the senders and To the receivers, nil being all (see Partition and
// Bandwidth).
const (
	Loss      Kind = iota // packets are lost with probability Rate
	Duplicate             // packets arrive twice with probability Rate
	Reorder               // packets are delayed further, by Delay, with probability Rate
	Delay                 // packets and streams take longer by Delay
	Cut                   // nothing gets through, in this direction
	Partition             // nothing gets through between Nodes and To (nil: all others), in both directions
	NoPackets             // packets are lost, in both directions; streams work
	NoStreams             // exchanges over streams fail with probability Rate, in both directions
	Bandwidth             // Nodes can send only Bytes per second
	Refuse                // sending a packet fails with an error of the receiver

	Slow  // Nodes take Delay to handle each packet, one after the other
	Pause // Nodes stop: timers and packets are late by up to For
	Block // messages that Nodes send or receive wait until the end; timers run until a probe waits
	Jump  // the clocks of Nodes jump by Delay, which may be negative
	Crash // Nodes stop; after For, unless 0, they restart

	HostCrash // as Crash, with their hosts: nothing answers there, while the host of a node that crashed refuses streams
	HostPause // as Pause, with their hosts, while the host of a paused node opens streams

	Amnesia // as Crash, and they know only the seeds and announce other metadata afterwards
	Move    // as Crash, and they have another address afterwards
	Leave   // Nodes leave, and stop when the broadcast has been sent; after For, unless 0, they restart
	Meta    // Nodes announce new metadata, and again every Delay (unless 0) during For
	Join    // Nodes join To (nil: the seeds), as if an operator asked them to

	Swap    // as Crash, and each has the address of the next one afterwards
	Take    // as Crash, and each has the address of one of To afterwards, unless that is up
	Rename  // as Crash, and they have new names afterwards, at the same addresses
	Twin    // as Crash, and they have the names of To afterwards, which others have too
	Ghosts  // Nodes learn of Count names that are alive, dead at once, and never return; Rate of them never answered
	Movers  // Nodes learn of Count names that claim other addresses at once; the claims are checked after Delay, for a time For
	Replay  // Nodes receive old alive messages of To, and again every Delay (unless 0) during For
	Strange // Nodes receive alive messages of Count names without usable versions, or with those of another program
	Say     // the programs of Nodes broadcast a message
	Forge   // Nodes receive forged leave messages of To, from no member's address or, with probability Rate, from that of another
	Attack  // Nodes receive a Forgery about To, or in its name, each Delay during For; with probability Rate from another's address

	numKinds
)

var kindNames = [numKinds]string{"loss", "duplicate", "reorder", "delay", "cut", "partition", "no packets", "no streams",
	"bandwidth", "refuse", "slow", "pause", "block", "jump", "crash", "host crash", "host pause", "amnesia", "move", "leave", "meta", "join", "swap",
	"take", "rename", "twin", "ghosts", "movers", "replay", "strange", "say", "forge", "attack"}

// String returns the kind's name in lower case.
func (k Kind) String() string {
	if k < numKinds {
		return kindNames[k]
	}
	return "unknown"
}

// Kinds returns all kinds of faults.
func Kinds() []Kind {
	kinds := make([]Kind, numKinds)
	for i := range kinds {
		kinds[i] = Kind(i)
	}
	return kinds
}

// ofLinks reports whether the kind is a rule of the network while it is active.
func (k Kind) ofLinks() bool { return k <= Refuse }

// Fault is a fault at a time and for a duration.
type Fault struct {
	Kind  Kind
	At    time.Duration // since the start
	For   time.Duration // 0: it is instantaneous, or does not end
	Nodes []int         // nil: all
	To    []int
	Rate  float64
	Delay time.Duration
	Bytes int
	Count int

	Forgery Forgery // of an Attack
}

// String describes the fault in one line.
func (f Fault) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v at %v", f.Kind, f.At)
	if f.For > 0 {
		fmt.Fprintf(&b, " for %v", f.For)
	}
	if f.Nodes != nil {
		fmt.Fprintf(&b, ", nodes %v", f.Nodes)
	}
	if f.To != nil {
		fmt.Fprintf(&b, ", to %v", f.To)
	}
	if f.Rate != 0 {
		fmt.Fprintf(&b, ", rate %.2f", f.Rate)
	}
	if f.Delay != 0 {
		fmt.Fprintf(&b, ", delay %v", f.Delay)
	}
	if f.Bytes != 0 {
		fmt.Fprintf(&b, ", %d bytes/s", f.Bytes)
	}
	if f.Count != 0 {
		fmt.Fprintf(&b, ", %d names", f.Count)
	}
	if f.Kind == Attack {
		fmt.Fprintf(&b, ", %v", f.Forgery)
	}
	return b.String()
}

// lastEnd returns the end of the last fault.
func lastEnd(faults []Fault) time.Duration {
	var end time.Duration
	for i := range faults {
		end = max(end, faults[i].At+faults[i].For)
	}
	return end
}

// begin starts fault i.
func (s *Sim) begin(i int) {
	f := &s.cfg.Faults[i]
	s.tracef("begin %v", f)
	if f.Kind.ofLinks() {
		s.rules = append(s.rules, s.compile(i))
	}
	s.strike(i)
	s.impair(f, 1)
	switch {
	case f.For > 0:
		s.schedule(f.For, event{kind: eventEnd, arg: uint32(i)})
	case f.Kind == Jump:
		s.impair(f, -1)
	}
	if f.repeats() && f.Delay > 0 && f.For > f.Delay {
		s.schedule(f.Delay, event{kind: eventAgain, arg: uint32(i)})
	}
}

// repeats reports whether the fault strikes again every Delay.
func (f *Fault) repeats() bool {
	return f.Kind == Meta || f.Kind == Replay || f.Kind == Movers || f.Kind == Attack
}

// told reports whether the fault only sends messages to members.
func (f *Fault) told() bool { return f.Kind == Join || f.Kind == Meta || f.Kind >= Ghosts }

// strike applies the part of a fault that affects nodes.
func (s *Sim) strike(i int) {
	f := &s.cfg.Faults[i]
	names := s.strangeNames(i)
	for _, n := range s.those(f.Nodes) {
		if !n.up && f.Kind != Slow && f.Kind != Pause && f.Kind != HostPause && f.Kind != HostCrash && f.Kind != Block {
			continue
		}
		switch f.Kind {
		case Slow:
			n.slow = f.Delay
		case Pause:
			n.paused++
		case HostPause:
			n.paused++
			n.hostPaused++
		case HostCrash:
			s.crash(n)
			n.hostDown = !n.up
		case Block:
			n.blocked++
		case Jump:
			s.jump(n, f.Delay)
		case Crash, Amnesia, Move, Swap, Take, Rename, Twin:
			s.crash(n)
		case Leave:
			s.leave(n)
		case Meta:
			s.announce(n, n.meta+1)
		case Join:
			s.rejoin(n, f.To)
		case Ghosts:
			s.addGhosts(n, f, names)
		case Movers:
			s.move(n, names)
		case Replay:
			s.replay(n, f.To)
		case Strange:
			s.receiveStrange(n, names)
		case Say:
			s.say(n)
		case Forge:
			s.forge(n, f)
		case Attack:
			s.attack(n, f, names)
		case Bandwidth:
			n.bandwidth = f.Bytes
			continue // it has an effect once a message waits
		default:
			continue
		}
		if f.Kind != Slow {
			s.result.Fired[f.Kind]++
		}
	}
}

// again applies a repeated fault once more.
func (s *Sim) again(i int) {
	f := &s.cfg.Faults[i]
	if f.Kind == Movers {
		s.check.decided(s.those(f.Nodes), s.brought[i])
		return
	}
	s.strike(i)
	if time.Duration(s.now)+f.Delay < f.At+f.For {
		s.schedule(f.Delay, event{kind: eventAgain, arg: uint32(i)})
	}
}

// end ends fault i.
func (s *Sim) end(i int) {
	f := &s.cfg.Faults[i]
	s.tracef("end %v", f)
	if f.Kind.ofLinks() {
		s.rules = slices.DeleteFunc(s.rules, func(r rule) bool { return r.fault == i })
	}
	s.impair(f, -1)
	places := s.placesAfter(f)
	for j, n := range s.those(f.Nodes) {
		switch f.Kind {
		case Slow:
			n.slow = 0
			if n.up && n.inbox.len() > 0 { // handle the waiting packets at once
				s.schedule(0, event{kind: eventHandle, node: n.id, life: n.life})
			}
		case Pause, HostPause:
			if f.Kind == HostPause {
				n.hostPaused--
			}
			if n.paused--; n.paused == 0 {
				s.resume(n)
			}
		case Block:
			if n.blocked--; n.blocked == 0 {
				s.unblock(n)
			}
		case Bandwidth:
			n.bandwidth = s.cfg.Link.Bandwidth
		case Crash, HostCrash, Amnesia, Move, Leave, Rename:
			s.restart(n, f.Kind, n.place)
		case Swap, Take:
			s.restart(n, f.Kind, places[j%len(places)])
		case Twin:
			if other := &s.nodes[f.To[j%len(f.To)]]; other.up {
				s.rename(n, other.number)
			}
			s.restart(n, f.Kind, n.place)
		}
	}
}

// placesAfter returns the addresses of nodes after a fault that exchanges them.
func (s *Sim) placesAfter(f *Fault) []place {
	var places []place
	switch f.Kind {
	case Swap:
		nodes := s.those(f.Nodes)
		for i := range nodes {
			places = append(places, nodes[(i+1)%len(nodes)].place)
		}
	case Take:
		for _, n := range s.those(f.To) {
			places = append(places, n.place)
		}
	}
	return places
}

// compile returns the rule of a fault of links.
func (s *Sim) compile(i int) rule {
	f := &s.cfg.Faults[i]
	r := rule{fault: i, kind: f.Kind, from: newSet(f.Nodes, s.cfg.N), to: newSet(f.To, s.cfg.N)}
	r.both = f.Kind == Partition || f.Kind == NoPackets || f.Kind == NoStreams
	if f.Kind == Partition && f.To == nil {
		r.to = make(set, len(r.from))
		for j := range r.from {
			r.to[j] = ^r.from[j]
		}
	}
	return r
}

// those returns the nodes of the given numbers, or all.
func (s *Sim) those(nodes []int) []*node {
	var all []*node
	if nodes == nil {
		for i := range s.nodes {
			all = append(all, &s.nodes[i])
		}
		return all
	}
	for _, i := range nodes {
		all = append(all, &s.nodes[i])
	}
	return all
}

// impair changes the number of faults that affect nodes.
func (s *Sim) impair(f *Fault, delta int) {
	if f.told() {
		return
	}
	nodes := s.those(f.Nodes)
	if f.Kind.ofLinks() && f.To != nil {
		nodes = append(nodes, s.those(f.To)...)
	}
	for _, n := range nodes {
		n.faults += delta
		n.impaired = s.now
	}
}

// healthy reports whether a node is affected by no fault, and has not been for so long that no suspicion can stem
// from one.
func (s *Sim) healthy(n *node) bool {
	return n.faults == 0 && (n.impaired < 0 || s.now-n.impaired > int64(s.patience))
}
