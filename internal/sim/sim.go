package sim

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// start is the time at which every simulation starts.
var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Sim is one simulation. It is not safe for concurrent use; several may run at once.
type Sim struct {
	cfg       Config
	now       int64 // virtual time since start, in nanoseconds
	heap      eventHeap
	rand      *rand.Rand // of the network
	nodes     []node
	places    map[place]int32 // the last node that started at each
	names     []string        // by number
	plain     []string        // names of Config.Plain
	namesUsed int
	brought   map[int][]int32 // names that each fault introduced
	rules     []rule          // of the active faults
	check     *checker
	patience  time.Duration // time for which a fault may have consequences for its nodes
	hash      uint64
	result    Result

	users          []userMessage
	packets        []packet
	sparePackets   []uint32
	exchanges      []exchange
	spareExchanges []uint32

	// Scratch.
	out     *swim.Output
	fill    *swim.Output // of turns that fill packets of another
	refused []uint32
	members []swim.Member
	scratch struct {
		names    *wire.Names
		ping     wire.PingView
		indirect wire.IndirectPing
		ack      wire.Ack
		nack     wire.Nack
		gossip   wire.GossipView

		compressor           *wire.Compressor // nil: packets are not compressed
		compound, compressed []byte
	}

	seen      []recorded // packets, by an attacker
	recording bool       // an attacker sees packets
	attacked  bool       // messages have been forged
	byPacket  bool       // the effect of a packet on a node is being checked
}

// New returns a simulation at time 0, with its faults scheduled. It panics if the Config is invalid.
func New(cfg Config) *Sim {
	if cfg.N < 1 || cfg.N > MaxNodes {
		panic(fmt.Sprintf("sim: %d nodes", cfg.N))
	}
	cfg = cfg.withDefaults()
	s := &Sim{cfg: cfg, rand: rand.New(rand.NewPCG(cfg.Seed, 0)), nodes: make([]node, cfg.N), out: new(swim.Output), fill: new(swim.Output),
		places: make(map[place]int32, cfg.N), names: make([]string, numNames(&cfg)), namesUsed: cfg.N, brought: make(map[int][]int32)}
	s.scratch.names = wire.NewNames()
	s.recording = cfg.isAttacked()
	if cfg.CompressionBudget > 0 {
		s.scratch.compressor = new(wire.Compressor)
	}
	s.patience = longestSuspicion(cfg.Core, cfg.N) + 2*probeTime(cfg.Core)
	for i := range s.names {
		s.names[i] = nodeName(i)
	}
	for i := range s.nodes {
		cluster, name := cfg.clusterOf(i)
		s.nodes[i] = node{id: int32(i), cluster: cluster, number: name, name: s.names[name], place: home(int32(i), 0),
			meta: uint32(cluster) << 24, armed: never, impaired: -1, bandwidth: cfg.Link.Bandwidth}
		s.places[s.nodes[i].place] = int32(i)
	}
	for _, i := range cfg.Plain {
		s.plain = append(s.plain, s.nodes[i].name)
	}
	s.check = newChecker(s)
	s.populate()
	for i := range cfg.Faults {
		s.heap.push(event{at: int64(cfg.Faults[i].At), kind: eventBegin, arg: uint32(i)})
	}
	return s
}

// populate starts the nodes.
func (s *Sim) populate() {
	if s.cfg.Start == Joining {
		for i := range s.nodes {
			s.heap.push(event{at: int64(i) * int64(s.cfg.JoinEvery), kind: eventJoin, node: int32(i)})
		}
		return
	}
	for i := range s.nodes {
		s.boot(&s.nodes[i])
		s.admit(&s.nodes[i])
	}
	first := s.cfg.N - s.cfg.Strangers
	s.introduce(s.nodes[:first])
	s.introduce(s.nodes[first:])
}

// introduce makes the nodes of a cluster know each other, as many as View allows.
func (s *Sim) introduce(nodes []node) {
	n := len(nodes)
	k := min(s.cfg.View, max(n-1, 0))
	states := make([]wire.PushNodeState, n)
	for i := range states {
		states[i] = nodes[i].state(1)
	}
	all := wire.StatesOf(states...)
	chosen := make([]wire.PushNodeState, 0, k)
	for i := range nodes {
		if k == n-1 {
			s.settle(&nodes[i], all)
			continue
		}
		for chosen = chosen[:0]; len(chosen) < k; {
			chosen = append(chosen, states[s.rand.IntN(n)])
		}
		s.settle(&nodes[i], wire.StatesOf(chosen...))
	}
}

// settle makes a node know states as old news.
func (s *Sim) settle(n *node, states wire.States) {
	const atOnce = 32 // broadcasts that are dropped together: a core keeps the memory of the maximum
	for states.Len() > 0 {
		some := states.Cut(atOnce)
		t := s.beginTurn(n)
		t.Merge(new(swim.Peer), &some)
		t.Settle(s.plain)
		s.endTurn(n, t)
	}
	n.settled(s)
}

// schedule schedules an event after a time.
func (s *Sim) schedule(after time.Duration, e event) {
	e.at = s.now + int64(after)
	s.heap.push(e)
}

// Now returns the virtual time since the start.
func (s *Sim) Now() time.Duration { return time.Duration(s.now) }

// RunUntil runs until a virtual time since the start. It stops at the first violation of a rule, and returns it.
func (s *Sim) RunUntil(t time.Duration) error {
	for len(s.heap.events) > 0 && s.heap.events[0].at <= int64(t) {
		s.do(s.heap.pop())
		if s.result.Violation != nil {
			return s.result.Violation
		}
	}
	s.now = max(s.now, int64(t))
	return nil
}

// do processes one event.
func (s *Sim) do(e event) {
	s.now = e.at
	s.result.Events++
	s.mix(uint64(e.at), uint64(e.kind)<<56^uint64(e.node)<<32^uint64(e.arg))
	n := &s.nodes[e.node]
	if e.life != 0 && (e.life != n.life || !n.up) {
		return
	}
	switch e.kind {
	case eventTimer:
		s.tick(n, e.at)
	case eventPacket:
		s.arrive(e.arg)
	case eventHandle:
		s.handleNext(n)
	case eventServe:
		if !s.waitForCPU(n, e, s.exchanges[e.arg].states()) {
			s.serve(n, e.arg)
		}
	case eventReply:
		if !s.waitForCPU(n, e, s.exchanges[e.arg].states()) {
			s.reply(n, e.arg)
		}
	case eventWork:
		s.workOnce(n)
	case eventStreamPing, eventRefused, eventOpened:
		s.streamPinged(n, e)
	case eventJoin:
		s.tryJoin(n)
	case eventBegin:
		s.begin(int(e.arg))
	case eventEnd:
		s.end(int(e.arg))
	case eventAgain:
		s.again(int(e.arg))
	case eventShutdown:
		s.stop(n)
	}
}

// tryJoin starts a node if necessary, and joins it: to node 0 at the start, to any node or one of its peers after a
// restart. If there is no member, the first node that is up needs no acceptance, as node 0 at the start.
func (s *Sim) tryJoin(n *node) {
	if !n.up {
		s.boot(n)
	}
	if s.founder(n.cluster) == n.id {
		s.admit(n)
		return
	}
	first, size := s.cluster(n.cluster)
	to := first
	switch {
	case len(n.peers) > 0 && s.rand.IntN(2) == 0:
		to = n.peers[s.rand.IntN(len(n.peers))]
	case n.life > 1 || !s.nodes[first].joined:
		to = first + (n.id-first+1+int32(s.rand.IntN(int(size-1))))%size
	}
	s.join(n, to)
}

// cluster returns the first node of a cluster, and its size.
func (s *Sim) cluster(number uint8) (first, size int32) {
	first = int32(s.cfg.N - s.cfg.Strangers)
	if number == 0 {
		return 0, first
	}
	return first, int32(s.cfg.Strangers)
}

// founder returns the node of a cluster that needs no acceptance; -1 if there is a member.
func (s *Sim) founder(cluster uint8) int32 {
	first := int32(-1)
	for i := range s.nodes {
		n := &s.nodes[i]
		if n.cluster != cluster {
			continue
		}
		if n.joined && !n.leaving {
			return -1
		}
		if n.up && first < 0 {
			first = n.id
		}
	}
	return first
}

// rejoin joins a node to others, or to the seeds.
func (s *Sim) rejoin(n *node, to []int) {
	if to == nil {
		to = []int{0, 1, 2}
	}
	for _, i := range to {
		if i < len(s.nodes) && int32(i) != n.id {
			s.join(n, int32(i))
		}
	}
}

func (s *Sim) join(n *node, to int32) {
	s.exchange(n, s.nodes[to].place, toJoin)
}

// admit makes a node a member for good.
func (s *Sim) admit(n *node) {
	if !n.joined {
		n.joined = true
		s.tracef("%v is let in", n)
		s.check.joined(n)
	}
}

// mix adds to the hash of the history.
func (s *Sim) mix(a, b uint64) {
	hi, lo := bits.Mul64(s.hash^a^0x9e3779b97f4a7c15, b^0xd6e8feb86659fd93)
	s.hash = bits.RotateLeft64(s.hash, 29) ^ hi ^ lo
}

// fail records the first violation.
func (s *Sim) fail(n *node, rule string, subject int32, detail string) {
	if s.attacked && slices.Contains(ofHonesty, rule) {
		return
	}
	if s.result.Violation == nil && !slices.Contains(s.cfg.Ignored, rule) {
		s.result.Violation = &Violation{Rule: rule, At: time.Duration(s.now), Node: int(n.id), Name: n.name, Subject: int(subject),
			Detail: detail}
		s.tracef("violation: %v", s.result.Violation)
	}
}

// tracef writes a line of the trace.
func (s *Sim) tracef(format string, args ...any) {
	if s.cfg.Trace != nil {
		fmt.Fprintf(s.cfg.Trace, "%12v "+format+"\n", append([]any{time.Duration(s.now)}, args...)...)
	}
}

// traceSend writes a line for a packet.
func (s *Sim) traceSend(n *node, p *packet, size int) {
	types := make([]wire.Type, 0, len(p.ends))
	begin := int32(0)
	for _, end := range p.ends {
		types = append(types, wire.Type(p.buf[begin]))
		begin = end
	}
	s.tracef("%v -> %s %d bytes %v", n, s.nameAt(p.to), size, types)
}

// nameAt returns the name of the node at a place, for the trace.
func (s *Sim) nameAt(p place) string {
	if n := s.at(p); n != nil {
		return n.String()
	}
	return p.addrPort().String()
}
