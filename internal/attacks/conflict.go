package attacks

import (
	"context"
	"sync"
	"sync/atomic"
)

// conflictStorm: programs alert on conflicts, and some end the member.
func conflictStorm() Attack {
	return Attack{
		Name:    "conflict-storm",
		Does:    "claims a member's name for another address, 100 times a second for 4 seconds, and answers pings there",
		Figures: []Figure{{What: "calls of NotifyConflict", Unit: "calls", Bound: 5}},
		Run: func(ctx context.Context, r *Run) ([]float64, error) {
			var calls atomic.Int64
			members, err := r.cluster(ctx, 2, Options{OnConflict: func() { calls.Add(1) }})
			if err != nil {
				return nil, err
			}
			conn, err := r.socket("127.0.0.2")
			if err != nil {
				return nil, err
			}
			var answering sync.WaitGroup
			answering.Go(func() { answerPings(conn, conn, members[0].Addr()) })
			every(ctx, 100, scaled(r, 400, 20), func(i int) {
				conn.WriteToUDPAddrPort(alive(members[1].Name(), addrOf(conn), uint32(10+i)), members[0].Addr())
			})
			conn.Close()
			answering.Wait()
			return []float64{float64(calls.Load())}, ctx.Err()
		},
	}
}
