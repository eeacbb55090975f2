package attacks

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// strangePing is a ping without names, in 9 bytes.
var strangePing = []byte{byte(wire.TypePing), 0x81, 0xa5, 'S', 'e', 'q', 'N', 'o', 1}

// strangersPings: acks carry gossip, whose transmissions are counted, so that acks to strangers use them up.
func strangersPings() Attack {
	return Attack{
		Name: "strangers-pings",
		Does: "sends pings of 9 bytes to each of 8 members, 500 a second, from an address that is no member's",
		Figures: []Figure{
			{What: "metadata updates of 24 that a member misses, beyond those missed without the attack", Unit: "updates"},
			{What: "acks that carry gossip or the user's payload", Unit: "acks"},
		},
		Run: func(ctx context.Context, r *Run) ([]float64, error) {
			n := scaled(r, 8, 3)
			attacked, err := r.cluster(ctx, n, Options{AckPayload: "payload"})
			if err != nil {
				return nil, err
			}
			calm, err := r.cluster(ctx, n, Options{AckPayload: "payload"})
			if err != nil {
				return nil, err
			}
			conn, err := r.socket("127.0.0.2")
			if err != nil {
				return nil, err
			}
			attacking, stop := context.WithCancel(ctx)
			var with, without, laden atomic.Int64
			var attack, updates sync.WaitGroup
			attack.Go(func() { laden.Store(ladenAcks(conn)) })
			attack.Go(func() {
				every(attacking, 500, 20_000, func(int) {
					for _, m := range attacked {
						conn.WriteToUDPAddrPort(strangePing, m.Addr())
					}
				})
			})
			updates.Go(func() { with.Store(missedUpdates(ctx, r, attacked)) })
			updates.Go(func() { without.Store(missedUpdates(ctx, r, calm)) })
			updates.Wait()
			stop()
			conn.Close()
			attack.Wait()
			return []float64{float64(max(0, with.Load()-without.Load())), float64(laden.Load())}, nil
		},
	}
}

// missedUpdates updates the metadata of each member in a few rounds, and returns the number of updates that did not reach all in time.
func missedUpdates(ctx context.Context, r *Run, members []Member) int64 {
	var missed atomic.Int64
	for round := range scaled(r, 3, 1) {
		var updates sync.WaitGroup
		for _, m := range members {
			updates.Go(func() {
				meta := fmt.Sprintf("round %d", round)
				limit := scaled(r, 5*time.Second, time.Second)
				m.Update(meta, limit) // the result is counted from the others' views
				if until(ctx, limit, func() bool {
					return all(members, func(other Member) bool { return seesMeta(other, m.Name(), meta) })
				}) == never {
					missed.Add(1)
				}
			})
		}
		updates.Wait()
	}
	return missed.Load()
}

// ladenAcks reads acks until the socket is closed, and returns the number of those with more than a sequence number.
func ladenAcks(conn *net.UDPConn) (laden int64) {
	buf := make([]byte, 64<<10)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return laden
		}
		var ack wire.Ack
		packet := buf[:n]
		if n == 0 || packet[0] != byte(wire.TypeAck) || ack.Parse(packet[1:], nil) != nil || len(ack.Payload) > 0 {
			laden++
		}
	}
}
