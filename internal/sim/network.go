package sim

import (
	"errors"
	"fmt"
	"hash/crc32"
	"iter"
	"net/netip"
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// port is the port of every node.
const port = 7946

// packet is a packet in transit. Its messages are in buf; ends has the end of each.
type packet struct {
	buf    []byte
	ends   []int32
	from   netip.AddrPort
	to     place
	copies int8 // in transit
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errRefused = errors.New("refused by the simulated network")

// datagrams iterates over the datagrams of a packet: one, or more if its messages do not shrink enough together.
func (s *Sim) datagrams(p *swim.Packet) iter.Seq2[[][]byte, int] {
	return func(yield func([][]byte, int) bool) {
		for left := p.Messages; len(left) > 0; {
			n, size := len(left), 0
			for size = s.datagramSize(left[:n], p.Features); size > s.cfg.Room && n > 1; size = s.datagramSize(left[:n], p.Features) {
				n /= 2
			}
			if !yield(left[:n], size) {
				return
			}
			left = left[n:]
		}
	}
}

// datagramSize returns the size in bytes of messages in one datagram, with a compound and a checksum if there are
// such, compressed if that is shorter.
func (s *Sim) datagramSize(messages [][]byte, to wire.Features) int {
	size := 0
	for _, m := range messages {
		size += len(m)
	}
	if k := len(messages); k > 1 {
		size += wire.CompoundHeaderSize + k*wire.CompoundPartOverhead
	}
	if x := &s.scratch; x.compressor != nil && len(messages) > 1 {
		x.compound, _ = wire.AppendCompound(x.compound[:0], messages)
		var shorter bool
		if x.compressed, shorter = x.compressor.AppendShorter(x.compressed[:0], x.compound); shorter {
			size = len(x.compressed)
		}
	}
	if to.Has(wire.FeatureChecksum) {
		size += wire.ChecksumSize
	}
	return size
}

// send sends a packet. It returns an error if the network refuses it.
func (s *Sim) send(n *node, p *swim.Packet) error {
	var refused error
	for messages, size := range s.datagrams(p) {
		if err := s.sendDatagram(n, p, messages, size); err != nil {
			refused = err
		}
	}
	return refused
}

func (s *Sim) sendDatagram(n *node, p *swim.Packet, messages [][]byte, size int) error {
	n.counts.PacketsOut++
	n.work.cost += s.cfg.CPU.Packet + time.Duration(len(messages))*s.cfg.CPU.Message
	n.counts.BytesOut += uint64(size)
	if to := s.at(s.routes(n, p.To.Name, p.To.AddrPort)); to != nil && s.cfg.isAcross(n.id, to.id) {
		n.counts.BytesAcross += uint64(size)
	}
	for _, m := range messages {
		s.result.Sent[m[0]&15]++
	}
	i := s.newPacket()
	pk := &s.packets[i]
	for _, m := range messages {
		pk.buf = append(pk.buf, m...)
		pk.ends = append(pk.ends, int32(len(pk.buf)))
	}
	pk.from, pk.to = n.place.addrPort(), s.routes(n, p.To.Name, p.To.AddrPort)
	if s.recording {
		s.record(n.place, pk.to, messages)
	}
	s.mix(uint64(n.id)<<32|uint64(pk.to), uint64(crc32.Update(0, castagnoli, pk.buf)))
	if s.cfg.Trace != nil {
		s.traceSend(n, pk, size)
	}
	if s.cfg.CompressionBudget > 0 && size > s.cfg.Room {
		s.fail(n, rulePacket, -1, fmt.Sprintf("a datagram of %d bytes, there is room for %d", size, s.cfg.Room))
	}
	if n.blocked > 0 {
		s.hold(n, messages, heldPacket{i, size, p.Ping})
		return nil
	}
	return s.dispatch(n, i, size)
}

// dispatch routes a packet, unless it is lost at once.
func (s *Sim) dispatch(n *node, i uint32, size int) error {
	err := s.route(n, i, size)
	if s.packets[i].copies == 0 {
		s.result.Lost++
		s.freePacket(i)
	}
	return err
}

// route schedules the arrival of a packet: never, once or twice.
func (s *Sim) route(n *node, i uint32, size int) error {
	to := s.at(s.packets[i].to)
	if to == nil {
		return nil
	}
	wait, ok := s.queueUp(n, size)
	if !ok {
		return nil
	}
	link := &s.cfg.Link
	copies := 1
	if s.cfg.isAcross(n.id, to.id) {
		if wait += s.cfg.Across.Latency; s.cfg.Across.Loss > 0 && s.rand.Float64() < s.cfg.Across.Loss {
			return nil
		}
	}
	if link.Loss > 0 && s.rand.Float64() < link.Loss {
		return nil
	}
	if link.Duplicate > 0 && s.rand.Float64() < link.Duplicate {
		copies++
	}
	if link.Reorder > 0 && s.rand.Float64() < link.Reorder {
		wait += link.ReorderBy
	}
	for j := range s.rules {
		r := &s.rules[j]
		if !r.applies(n.id, to.id) {
			continue
		}
		f := &s.cfg.Faults[r.fault]
		switch r.kind {
		case Cut, Partition, NoPackets:
			s.result.Fired[r.kind]++
			return nil
		case Refuse:
			s.result.Fired[r.kind]++
			return errRefused
		case Loss:
			if s.rand.Float64() < f.Rate {
				s.result.Fired[r.kind]++
				return nil
			}
		case Duplicate:
			if s.rand.Float64() < f.Rate {
				s.result.Fired[r.kind]++
				copies++
			}
		case Reorder:
			if s.rand.Float64() < f.Rate {
				s.result.Fired[r.kind]++
				wait += f.Delay
			}
		case Delay:
			s.result.Fired[r.kind]++
			wait += f.Delay
		}
	}
	for range copies {
		s.packets[i].copies++
		s.schedule(wait+link.Latency.draw(s.rand), event{kind: eventPacket, arg: i})
	}
	return nil
}

// queueUp returns the time that a packet waits for its sender's bandwidth, and false if that is too long.
func (s *Sim) queueUp(n *node, size int) (wait time.Duration, ok bool) {
	if n.bandwidth == 0 {
		return 0, true
	}
	n.lineFree = max(n.lineFree, s.now)
	wait = time.Duration(n.lineFree - s.now)
	if wait > 0 {
		s.result.Fired[Bandwidth]++
	}
	if wait > MaxBacklog {
		return 0, false
	}
	n.lineFree += int64(size) * int64(time.Second) / int64(n.bandwidth)
	return wait, true
}

func (s *Sim) newPacket() uint32 {
	if k := len(s.sparePackets); k > 0 {
		i := s.sparePackets[k-1]
		s.sparePackets = s.sparePackets[:k-1]
		return i
	}
	s.packets = append(s.packets, packet{})
	return uint32(len(s.packets) - 1)
}

func (s *Sim) freePacket(i uint32) {
	p := &s.packets[i]
	p.buf, p.ends = p.buf[:0], p.ends[:0]
	s.sparePackets = append(s.sparePackets, i)
}

// maxInbox is the number of packets that wait at a slow or paused node, as in a socket's buffer.
const maxInbox = 1024

// arrive delivers a packet to the node at its address, which handles it now or later.
func (s *Sim) arrive(i uint32) {
	n := s.at(s.packets[i].to)
	if n == nil || !n.up {
		s.result.Lost++
		s.release(i)
		return
	}
	if n.receives() && n.slow == 0 && n.inbox.len() == 0 && !s.costs() {
		s.handle(n, arrived{i, s.now})
		return
	}
	if n.inbox.len() >= maxInbox {
		s.result.Lost++
		s.release(i)
		return
	}
	if n.slow > 0 {
		s.result.Fired[Slow]++
	}
	n.inbox.push(arrived{i, s.now})
	if s.costs() {
		s.toil(n)
		return
	}
	if n.receives() && !n.handling {
		n.handling = true
		s.schedule(n.slow, event{kind: eventHandle, node: n.id, life: n.life})
	}
}

// handleNext handles the first waiting packet.
func (s *Sim) handleNext(n *node) {
	n.handling = false
	if !n.receives() || n.inbox.len() == 0 {
		return
	}
	s.handle(n, n.inbox.pop())
	if n.up && n.inbox.len() > 0 {
		n.handling = true
		s.schedule(n.slow, event{kind: eventHandle, node: n.id, life: n.life})
	}
}

// release removes one copy of a packet from transit.
func (s *Sim) release(i uint32) {
	p := &s.packets[i]
	if p.copies--; p.copies == 0 {
		s.freePacket(i)
	}
}

// arrived is a packet, and the virtual time at which it arrived.
type arrived struct {
	packet uint32
	at     int64
}

// inbox is a queue of packets.
type inbox struct {
	packets []arrived
	head    int
}

func (q *inbox) len() int { return len(q.packets) - q.head }

func (q *inbox) push(p arrived) { q.packets = append(q.packets, p) }

func (q *inbox) pop() arrived {
	p := q.packets[q.head]
	if q.head++; q.head == len(q.packets) {
		q.packets, q.head = q.packets[:0], 0
	}
	return p
}
