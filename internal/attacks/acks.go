package attacks

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/e3431adc/memberlist/internal/wire"
)

// forgedAcks: an ack is believed if its sequence number is right, wherever it comes from.
func forgedAcks() Attack {
	return Attack{
		Name:    "forged-acks",
		Does:    "answers pings of a silent address from another address",
		Figures: []Figure{{What: "pings of 20 that succeed", Unit: "pings"}},
		Run: func(ctx context.Context, r *Run) ([]float64, error) {
			m, err := r.member(Options{Name: "m0"})
			if err != nil {
				return nil, err
			}
			silent, err := r.socket("127.0.0.2")
			if err != nil {
				return nil, err
			}
			elsewhere, err := r.socket("127.0.0.3")
			if err != nil {
				return nil, err
			}
			var forger, pings sync.WaitGroup
			forger.Go(func() { answerPings(silent, elsewhere, m.Addr()) })
			var acked atomic.Int64
			every(ctx, 20, scaled(r, 20, 2), func(int) {
				pings.Go(func() {
					if m.Ping("silent", addrOf(silent)) == nil {
						acked.Add(1)
					}
				})
			})
			pings.Wait()
			silent.Close()
			forger.Wait()
			return []float64{float64(acked.Load())}, nil
		},
	}
}

// answerPings reads pings at a socket until it is closed, and answers them from another one or the same.
func answerPings(at, from *net.UDPConn, to netip.AddrPort) {
	buf := make([]byte, 64<<10)
	for {
		n, err := at.Read(buf)
		if err != nil {
			return
		}
		if ping, ok := firstPing(buf[:n]); ok {
			ack := wire.Ack{SeqNo: ping.SeqNo}
			from.WriteToUDPAddrPort(ack.Append(nil), to)
		}
	}
}

// firstPing returns the ping at the beginning of a packet, where members put it.
func firstPing(packet []byte) (ping wire.Ping, ok bool) {
	if len(packet) > 0 && packet[0] == byte(wire.TypeChecksum) {
		packet, _ = wire.CheckChecksum(packet[1:])
	}
	if len(packet) > 1 && packet[0] == byte(wire.TypeCompound) {
		header := wire.CompoundHeaderSize + wire.CompoundPartOverhead*int(packet[1])
		packet = packet[min(header, len(packet)):]
	}
	if len(packet) == 0 || packet[0] != byte(wire.TypePing) {
		return ping, false
	}
	return ping, ping.Parse(packet[1:], nil) == nil
}
