package visitor

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/e3431adc/memberlist/internal/envelope"
	"github.com/e3431adc/memberlist/internal/wire"
)

// ErrNack is returned for a ping through another member that had no ack from its target in time.
var ErrNack = errors.New("the relaying member got no ack")

// Pinger pings members in packets, from a UDP socket of its own. Its methods may be called from any goroutine.
type Pinger struct {
	envelope *envelope.Envelope
	conn     *net.UDPConn
	done     chan struct{} // closed when receive has ended

	mu struct {
		sync.Mutex
		packer  envelope.Packer
		waiting map[uint32]chan<- reply // of one slot, by sequence number
	}
}

// reply is an ack or a nack.
type reply struct {
	at     time.Time
	nacked bool
	bare   bool
}

// Ack is the result of a ping.
type Ack struct {
	RTT time.Duration

	// Bare is set if the ack has no field for a payload. Members of this library leave it out of acks for strangers, and those
	// of the reference do not.
	Bare bool
}

// NewPinger returns a Pinger, which must be closed. The error is that of the socket.
func (v *Visitor) NewPinger() (*Pinger, error) {
	conn, err := net.ListenUDP("udp", nil)
	if err != nil {
		return nil, err
	}
	p := &Pinger{envelope: v.envelope, conn: conn, done: make(chan struct{})}
	p.mu.waiting = make(map[uint32]chan<- reply)
	go p.receive() // ends with the socket
	return p, nil
}

// Close closes the socket. Pings that are under way wait for their contexts.
func (p *Pinger) Close() error {
	err := p.conn.Close()
	<-p.done
	return err
}

// Ping pings the member of a name at an address in a packet of the given size in bytes, or of no more than it takes if that is
// less. It waits for the ack until ctx ends, and returns the context's error then.
func (p *Pinger) Ping(ctx context.Context, to netip.AddrPort, name string, size int) (Ack, error) {
	seq := newSeqNo()
	return p.roundTrip(ctx, to, seq, (&wire.Ping{SeqNo: seq, Node: name}).Append(nil), size)
}

// PingThrough asks the member at an address to ping another one (SWIM section 3.1: ping-req). The error is ErrNack if that had
// no answer.
func (p *Pinger) PingThrough(ctx context.Context, through, target netip.AddrPort, name string) (Ack, error) {
	seq := newSeqNo()
	request := wire.IndirectPing{SeqNo: seq, Target: target.Addr().Unmap().AsSlice(), Port: target.Port(), Node: name, Nack: true}
	return p.roundTrip(ctx, through, seq, request.Append(nil), 0)
}

func (p *Pinger) roundTrip(ctx context.Context, to netip.AddrPort, seq uint32, message []byte, size int) (Ack, error) {
	answered := make(chan reply, 1)
	p.mu.Lock()
	p.mu.waiting[seq] = answered
	packet := p.packLocked(message, size)
	began := time.Now()
	_, err := p.conn.WriteToUDPAddrPort(packet, to)
	p.mu.Unlock()
	defer p.forget(seq)
	if err != nil {
		return Ack{}, err
	}
	select {
	case r := <-answered:
		if r.nacked {
			return Ack{}, ErrNack
		}
		return Ack{RTT: r.at.Sub(began), Bare: r.bare}, nil
	case <-ctx.Done():
		return Ack{}, ctx.Err()
	}
}

func (p *Pinger) forget(seq uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.mu.waiting, seq)
}

// packLocked returns the packet of a message, padded to a size.
func (p *Pinger) packLocked(message []byte, size int) []byte {
	packet := p.envelope.Wrap(&p.mu.packer, message, 0)
	padding := size - len(packet) - paddingHeader
	if padding < 0 || padding > wire.MaxPacket {
		return packet
	}
	return p.envelope.Wrap(&p.mu.packer, pad(message, padding), 0)
}

const (
	paddingKey    = "\xa1_"             // a name that no message has a field for: receivers skip it
	paddingHeader = len(paddingKey) + 3 // and the length
)

// pad appends a field of n zero bytes to a message, whose second byte has the number of its fields.
func pad(message []byte, n int) []byte {
	message[1]++
	message = append(message, paddingKey...)
	message = binary.BigEndian.AppendUint16(append(message, 0xda), uint16(n))
	return append(message, make([]byte, n)...)
}

// receive reads packets until the socket is closed.
func (p *Pinger) receive() {
	defer close(p.done)
	var (
		opener   envelope.Opener
		unpacker wire.Unpacker
		buf      = make([]byte, wire.MaxPacket)
	)
	for {
		n, from, err := p.conn.ReadFromUDPAddrPort(buf)
		at := time.Now()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // such as a refusal of an earlier packet
		}
		content, err := p.envelope.Open(&opener, buf[:n], at, envelope.Source{Addr: from})
		if err != nil {
			continue
		}
		// What else is in the packet, such as gossip, is not for a visitor.
		_, _ = unpacker.Unpack(content, func(kind wire.Type, body []byte) { p.take(at, kind, body) })
	}
}

// take passes an ack or a nack to the ping that waits for it.
func (p *Pinger) take(at time.Time, kind wire.Type, body []byte) {
	r := reply{at: at, nacked: kind == wire.TypeNack}
	var seq uint32
	switch kind {
	case wire.TypeAck:
		var ack wire.Ack
		if ack.Parse(body, nil) != nil {
			return
		}
		seq, r.bare = ack.SeqNo, isBare(body)
	case wire.TypeNack:
		var nack wire.Nack
		if nack.Parse(body, nil) != nil {
			return
		}
		seq = nack.SeqNo
	default:
		return
	}
	p.mu.Lock()
	answered := p.mu.waiting[seq]
	delete(p.mu.waiting, seq) // for the first answer
	p.mu.Unlock()
	if answered != nil {
		answered <- r
	}
}

// isBare reports whether an ack has one field.
func isBare(body []byte) bool {
	const mapOfOne = 0x81
	return len(body) > 0 && body[0] == mapOfOne
}
