package attacks

import (
	"context"
	"slices"

	"github.com/e3431adc/memberlist/internal/wire"
)

// heldHealth: each refutation raises the health score, and with it the time between probes.
func heldHealth() Attack {
	return Attack{
		Name:    "held-health",
		Does:    "sends a member 4 suspect messages about itself a second, at rising incarnations",
		Figures: []Figure{{What: "health score, median", Unit: "points", Bound: 2}},
		Run: func(ctx context.Context, r *Run) ([]float64, error) {
			members, err := r.cluster(ctx, 3, Options{})
			if err != nil {
				return nil, err
			}
			conn, err := r.socket("127.0.0.2")
			if err != nil {
				return nil, err
			}
			var scores []int
			n := scaled(r, 60, 4)
			every(ctx, 4, n, func(i int) {
				m := wire.Suspect{Incarnation: uint32(10 + 10*i), Node: members[0].Name(), From: members[1].Name()}
				conn.WriteToUDPAddrPort(m.Append(nil), members[0].Addr())
				if i >= n/2 {
					scores = append(scores, members[0].Health())
				}
			})
			if len(scores) == 0 {
				return nil, ctx.Err()
			}
			slices.Sort(scores)
			return []float64{float64(scores[len(scores)/2])}, ctx.Err()
		},
	}
}
