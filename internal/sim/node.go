package sim

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// never is the time of an event that does not happen.
const never = math.MaxInt64

// node is a process: a core, and the state of its driver.
type node struct {
	id         int32
	life       uint32 // counts starts
	cluster    uint8
	number     int32 // of its name
	name       string
	place      place
	core       *swim.Core
	up         bool
	joined     bool // another member has accepted it
	leaving    bool
	handling   bool   // an eventHandle is scheduled
	syncing    bool   // a push/pull of its own is in progress
	moves      uint16 // number of fresh addresses
	paused     int    // number of faults that pause it
	hostPaused int    // number of faults that pause its host
	hostDown   bool   // its host is down too, until it is started again
	booted     int64  // time of the last start
	blocked    int    // number of faults that make its messages wait
	stuck      bool   // its probe waits for a message
	held       held
	faults     int // number of faults that affect it
	impaired   int64
	meta       uint32        // the metadata announced: its cluster, and a version of 24 bits
	clock      time.Duration // offset of its clock
	slow       time.Duration
	health     int       // the score after its last turn
	wakeup     time.Time // when its core has something to do, by its clock
	armed      int64     // time of its timer event
	inbox      inbox
	work       work

	bandwidth int   // bytes per second; 0: any
	lineFree  int64 // time at which everything sent has left

	past   []assertion // its alive messages
	seeds  []int32     // nodes that are its seeds
	zone   string      // that it announces; "": none
	reads  bool        // it reads the zones of others
	peers  []int32     // nodes to join, at any address; kept over a crash
	counts NodeCounts
}

// String returns the node for the trace: its name, which a node of the other cluster may have too.
func (n *node) String() string {
	if n.cluster > 0 {
		return n.name + "*"
	}
	return n.name
}

// versions are what every node announces.
var versions = swim.Versions{1, 5, 2, 0, 0, 0}

// readable is the name of a violation that only a broken simulator shows.
const readable = "messages can be read"

// noticeLeave is the ticket of a Leave.
const noticeLeave = 1

// time returns the time of the node's clock.
func (s *Sim) time(n *node) time.Time { return start.Add(time.Duration(s.now) + n.clock) }

// state returns a node's own state at an incarnation.
func (n *node) state(incarnation uint32) wire.PushNodeState {
	return wire.PushNodeState{Name: n.name, Addr: n.place.addrPort().Addr().AsSlice(), Port: port,
		Meta: binary.BigEndian.AppendUint32(nil, n.meta), Incarnation: incarnation, Vsn: versions[:], Zone: []byte(n.zone)}
}

// boot creates a node's core, which knows only itself, and starts its loops.
func (s *Sim) boot(n *node) {
	n.life++
	n.booted, n.hostDown = s.now, false
	s.moveTo(n, n.place)
	cfg := s.cfg.coreOf(n.id)
	cfg.Name, cfg.Keep, cfg.Room = n.name, s.sharedName, wire.Room(s.cfg.Room)
	cfg.Rand = rand.New(rand.NewPCG(s.cfg.Seed, uint64(n.life)<<32|uint64(n.id+1)))
	if s.cfg.Tamper.Config != nil {
		s.cfg.Tamper.Config(int(n.id), &cfg)
	}
	n.core = swim.New(cfg)
	n.zone, n.reads = cfg.Zone, cfg.Extensions
	n.up, n.joined, n.leaving, n.handling, n.syncing = true, false, false, false, false
	n.armed, n.lineFree, n.stuck, n.work = never, 0, false, work{}
	s.check.boot(n)
	s.announce(n, n.meta)
	t := s.beginTurn(n)
	t.Start()
	n.seeds = s.seedsOf(n)
	if len(n.seeds) > 0 {
		t.HaveSeeds()
	}
	s.endTurn(n, t)
}

// announce announces a version of the metadata.
func (s *Sim) announce(n *node, meta uint32) {
	n.meta = meta
	t := s.beginTurn(n)
	t.Announce(n.place.addrPort(), binary.BigEndian.AppendUint32(nil, meta), versions, 0)
	s.endTurn(n, t)
}

// crash stops a node at once.
func (s *Sim) crash(n *node) {
	if !n.up {
		return
	}
	s.remember(n)
	s.check.crashed(n)
	s.stop(n)
}

// stop ends a run.
func (s *Sim) stop(n *node) {
	n.up, n.joined, n.core = false, false, nil
	for n.inbox.len() > 0 {
		s.release(n.inbox.pop().packet)
	}
	s.dropHeld(n)
	s.clearUser(n)
	s.check.stopped(n)
	s.tracef("%v is down", n)
}

// remember keeps some of the members that a node knows, to join them after a restart.
func (s *Sim) remember(n *node) {
	n.peers = n.peers[:0]
	s.members = n.core.Members(s.members[:0])
	for i := range s.members {
		if m := &s.members[i]; m.State == swim.StateAlive && len(n.peers) < 5 {
			if other := s.at(placeOf(m.Addr)); other != nil && other != n && other.cluster == n.cluster {
				n.peers = append(n.peers, other.id)
			}
		}
	}
}

// restart starts a node again after a fault.
func (s *Sim) restart(n *node, why Kind, at place) {
	if n.up {
		if !n.leaving {
			return
		}
		s.stop(n)
	}
	switch why {
	case Amnesia:
		n.peers = n.peers[:0]
		n.meta++
	case Move:
		n.moves++
		s.moveTo(n, home(n.id, n.moves))
	case Swap, Take:
		s.moveTo(n, at)
	case Rename:
		s.rename(n, s.newName())
	}
	s.tracef("%v starts anew", n)
	s.boot(n)
	s.tryJoin(n)
}

// leave makes a node leave; it stops when the broadcast has been sent, or after a while.
func (s *Sim) leave(n *node) {
	if n.leaving {
		return
	}
	n.leaving = true
	s.remember(n)
	s.check.leaving(n)
	t := s.beginTurn(n)
	heard := t.Leave(noticeLeave)
	s.endTurn(n, t)
	switch {
	case !n.up:
	case !heard:
		s.stop(n)
	default:
		s.schedule(leaveTimeout, event{kind: eventShutdown, node: n.id, life: n.life})
	}
}

// leaveTimeout is the time limit for the leave broadcast.
const leaveTimeout = 5 * time.Second

// jump sets a node's clock.
func (s *Sim) jump(n *node, by time.Duration) {
	n.clock += by
	n.armed = never
	s.arm(n)
}

// resume ends a pause.
func (s *Sim) resume(n *node) {
	if !n.up {
		return
	}
	n.armed = never
	s.arm(n)
	if s.costs() {
		s.toil(n)
		return
	}
	if n.inbox.len() > 0 && !n.handling {
		n.handling = true
		s.schedule(0, event{kind: eventHandle, node: n.id, life: n.life})
	}
}

// arm schedules a node's next tick, if that is before the one scheduled.
func (s *Sim) arm(n *node) {
	if n.wakeup.IsZero() || n.work.timer {
		return
	}
	at := max(int64(n.wakeup.Sub(start)-n.clock), s.now)
	if at < n.armed {
		n.armed = at
		s.heap.push(event{at: at, kind: eventTimer, node: n.id, life: n.life})
	}
}

// tick runs a node's due deadlines.
func (s *Sim) tick(n *node, at int64) {
	if at != n.armed {
		return // armed for another time since
	}
	n.armed = never
	if n.paused > 0 || n.stuck {
		return
	}
	if s.costs() {
		n.work.timer = true
		s.toil(n)
		return
	}
	s.tickNow(n)
}

// tickNow runs a node's due deadlines now.
func (s *Sim) tickNow(n *node) {
	now := s.time(n)
	if n.wakeup.After(now) {
		s.arm(n)
		return
	}
	t := s.beginTurn(n)
	t.SetCompressionBudget(s.cfg.CompressionBudget)
	t.Tick()
	s.byPacket = true // a claim that a check accepts arrived in a packet
	s.endTurn(n, t)
	s.byPacket = false
	if !n.up {
		return
	}
	if !n.wakeup.IsZero() && !n.wakeup.After(now) {
		s.fail(n, ruleTimers, -1, "a timer is overdue")
	}
}

// handle passes the messages of a packet to a node.
func (s *Sim) handle(n *node, a arrived) {
	p := &s.packets[a.packet]
	n.counts.PacketsIn++
	n.counts.BytesIn += uint64(len(p.buf))
	t, from := s.beginTurn(n), swim.Endpoint{AddrPort: p.from}
	t.Waited(time.Duration(s.now - a.at))
	begin := int32(0)
	for _, end := range p.ends {
		n.work.cost += s.cfg.CPU.Message
		if !s.costs() || !s.queueNews(n, from, a.at, p.buf[begin:end]) {
			s.step(n, t, from, p.buf[begin:end])
		}
		begin = end
	}
	s.release(a.packet)
	s.byPacket = true
	s.endTurn(n, t)
	s.byPacket = false
	s.check.checkHeard(n)
}

// step passes one message to a node.
func (s *Sim) step(n *node, t *swim.Turn, from swim.Endpoint, b []byte) {
	var err error
	var m any
	x, kind, body := &s.scratch, wire.Type(b[0]), b[1:]
	switch kind {
	case wire.TypePing:
		err, m = x.ping.Parse(body), &x.ping
	case wire.TypeIndirectPing:
		err, m = x.indirect.Parse(body, x.names), &x.indirect
	case wire.TypeAck:
		err, m = x.ack.Parse(body, x.names), &x.ack
	case wire.TypeNack:
		err, m = x.nack.Parse(body, x.names), &x.nack
	case wire.TypeAlive, wire.TypeSuspect, wire.TypeDead:
		err, m = x.gossip.Parse(kind, body), &x.gossip
		if kind != wire.TypeAlive {
			s.check.accused(n, string(x.gossip.Node), x.gossip.Incarnation)
		}
	case wire.TypeUser:
		s.receiveUser(n, body)
		return
	default:
		err = wire.ErrUnknownType
	}
	if err != nil {
		s.fail(n, readable, -1, fmt.Sprintf("%x: %v", b, err))
		return
	}
	s.result.Received[b[0]&15]++
	if s.cfg.Tamper.In != nil && !s.cfg.Tamper.In(int(n.id), t, m) {
		return
	}
	switch m := m.(type) {
	case *wire.PingView:
		t.StepPing(from, m, nil)
	case *wire.GossipView:
		subject := string(m.Node)
		t.StepGossip(from, m)
		s.check.heard(n, subject)
	case wire.Message:
		t.Step(from, m)
	}
}

// observe reports changes of a node's view.
func (s *Sim) observe(n *node, changed []swim.Member) {
	for i := range changed {
		m := &changed[i]
		s.cfg.Observe(Belief{At: s.Now(), Node: int(n.id), Member: int(nodeNumber(m.Name)), State: m.State,
			Meta: metaOf(n, m) & 0xffffff})
	}
}

// beginTurn begins a turn of a node's core.
func (s *Sim) beginTurn(n *node) *swim.Turn { return n.core.Begin(s.time(n), s.out) }

// endTurn ends a turn of a node's core, and does what it puts out.
func (s *Sim) endTurn(n *node, t *swim.Turn) {
	out := s.out
	t.End()
	s.fillGossip(n, out)
	if s.cfg.Tamper.Out != nil {
		s.cfg.Tamper.Out(int(n.id), n.core, s.time(n), out)
	}
	n.wakeup = out.Wakeup
	s.check.turn(n, out)
	s.forgetSeeds(n, out.Changed)
	if s.cfg.Observe != nil {
		s.observe(n, out.Changed)
	}
	refused := s.refused[:0]
	for i := range out.Packets {
		p := &out.Packets[i]
		if err := s.send(n, p); err != nil && p.Ping != 0 {
			refused = append(refused, p.Ping)
		}
	}
	for i := range out.Streams {
		s.open(n, &out.Streams[i])
	}
	left := false
	for _, notice := range out.Finished {
		left = left || notice == noticeLeave
	}
	if left {
		s.stop(n)
		return
	}
	if len(refused) > 0 {
		again := s.beginTurn(n)
		for _, seq := range refused {
			again.SendFailed(seq, errRefused)
		}
		s.refused = nil // in use until the inner turns are done
		s.endTurn(n, again)
		s.refused = refused
		return
	}
	s.arm(n)
}
