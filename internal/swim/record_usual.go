package swim

import (
	"encoding/binary"
	"math"
	"math/bits"
	"net/netip"

	"github.com/e3431adc/memberlist/internal/recorder"
	"github.com/e3431adc/memberlist/internal/wire"
)

// The encodings of the calls and outputs of most turns: pings, their acks, and gossip. They append what put and the codec append, without
// looking at the types each time. A test compares them.

func (r *Recorder) putPing(to *Endpoint) {
	r.commit(appendEndpoint(append(r.buffer(), r.calls.Ping.entry), to))
}

func (r *Recorder) putStepPing(from *Endpoint, p *wire.PingView, payload []byte) {
	b := appendEndpoint(append(r.buffer(), r.calls.StepPing.entry), from)
	b = recorder.AppendUvarint(b, uint64(p.SeqNo))
	b = recorder.AppendBytes(b, p.Node)
	b = recorder.AppendBytes(b, p.SourceAddr)
	b = recorder.AppendUvarint(b, uint64(p.SourcePort))
	b = recorder.AppendBytes(b, p.SourceNode)
	b = recorder.AppendUvarint(b, p.View)
	r.commit(recorder.AppendMetadata(b, payload, !r.metadata))
}

func (r *Recorder) putStep(from *Endpoint, message wire.Message) {
	ack, ok := message.(*wire.Ack)
	if !ok {
		put(r, &r.calls.Step, callStep{*from, message})
		return
	}
	b := append(appendEndpoint(append(r.buffer(), r.calls.Step.entry), from), messageAck)
	b = recorder.AppendUvarint(b, uint64(ack.SeqNo))
	b = recorder.AppendMetadata(b, ack.Payload, !r.metadata)
	r.commit(recorder.AppendUvarint(b, ack.View))
}

func (r *Recorder) putStepGossip(from *Endpoint, v *wire.GossipView) {
	b := append(appendEndpoint(append(r.buffer(), r.calls.StepGossip.entry), from), byte(v.Kind))
	b = recorder.AppendUvarint(b, uint64(v.Incarnation))
	b = recorder.AppendBytes(b, v.Node)
	b = recorder.AppendBytes(b, v.From)
	b = recorder.AppendBytes(b, v.Addr)
	b = recorder.AppendUvarint(b, uint64(v.Port))
	b = recorder.AppendMetadata(b, v.Meta, !r.metadata)
	b = recorder.AppendBytes(b, v.Vsn)
	r.commit(recorder.AppendBytes(b, v.Zone))
}

// sumOf returns a checksum of an Output, which follows that of packets that were filled. Messages may have metadata in them, so their part is
// a CRC: see the filler of package recorder.
func (r *Recorder) sumOf(out *Output, filled uint32) uint32 {
	if !out.isUsual() {
		r.outcome.Buf = r.outcome.Buf[:0]
		r.codecs.output.Append(&r.outcome, out)
		sum := recorder.Checksum(filled, r.outcome.Buf)
		if cap(r.outcome.Buf) > keptBytes {
			r.outcome.Buf = nil
		}
		return sum
	}
	h, messages := hash(len(out.Packets)), filled
	for i := range out.Packets {
		p := &out.Packets[i]
		h = h.endpoint(&p.To).word(uint64(len(p.Messages))).word(uint64(p.Room)).word(uint64(p.Features)<<32 | uint64(p.Ping))
		for _, m := range p.Messages {
			h, messages = h.word(uint64(len(m))), recorder.Checksum(messages, m)
		}
	}
	for i := range out.Pings {
		p := &out.Pings[i]
		h = h.word(uint64(p.Seq)<<1 | uint64(zeroOrOne(p.OK))).word(uint64(p.RTT))
	}
	wakeup := int64(math.MinInt64)
	if !out.Wakeup.IsZero() {
		wakeup = int64(out.Wakeup.Sub(r.calling.Base))
	}
	return h.word(uint64(out.Health)).word(uint64(wakeup)).fold() ^ messages
}

// hash is a hash of numbers, the same in all processes.
type hash uint64

func (h hash) word(v uint64) hash {
	high, low := bits.Mul64(uint64(h)^v^0x9e3779b97f4a7c15, 0xd6e8feb86659fd93)
	return hash(high ^ low)
}

func (h hash) fold() uint32 { return uint32(h>>32) ^ uint32(h) }

func (h hash) text(s string) hash {
	for ; len(s) >= 8; s = s[8:] {
		h = h.word(uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 | uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56)
	}
	rest := uint64(len(s))
	for i := range len(s) {
		rest = rest<<8 | uint64(s[i])
	}
	return h.word(rest)
}

func (h hash) endpoint(e *Endpoint) hash {
	h = h.text(e.Name).text(e.Text)
	a, port := e.AddrPort.Addr(), uint64(e.AddrPort.Port())
	if a.Is4() {
		ip := a.As4()
		return h.word(1<<48 | uint64(binary.LittleEndian.Uint32(ip[:]))<<16 | port)
	}
	ip := a.As16()
	h = h.word(binary.LittleEndian.Uint64(ip[:])).word(binary.LittleEndian.Uint64(ip[8:])).text(a.Zone())
	return h.word(uint64(a.BitLen())<<16 | port)
}

// isUsual reports whether there are only packets, and pings that did not fail to be sent.
func (o *Output) isUsual() bool {
	for i := range o.Pings {
		if o.Pings[i].Err != nil {
			return false
		}
	}
	return len(o.Streams)+len(o.Events)+len(o.Changed)+len(o.Forgotten)+len(o.Finished)+len(o.Probes) == 0 &&
		o.Counts == Counts{} && o.Selections == Selections{}
}

func zeroOrOne(b bool) byte {
	if b {
		return 1
	}
	return 0
}

func appendEndpoint(b []byte, e *Endpoint) []byte {
	return recorder.AppendText(appendAddrPort(recorder.AppendText(b, e.Name), e.AddrPort), e.Text)
}

func appendAddrPort(b []byte, a netip.AddrPort) []byte {
	return recorder.AppendUvarint(recorder.AppendAddr(b, a.Addr()), uint64(a.Port()))
}
