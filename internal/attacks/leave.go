package attacks

import (
	"context"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// leaveMessage returns a forged message by which a member leaves.
func leaveMessage(name string) []byte {
	m := wire.Dead{Incarnation: 100, Node: name, From: name}
	return m.Append(nil)
}

// forgedLeaves: members that left are not gossiped to, pinged or looked for, so that nothing refutes it.
func forgedLeaves() Attack {
	return Attack{
		Name:    "forged-leaves",
		Does:    "sends each of 8 members one packet in which all the others leave",
		Figures: []Figure{{What: "time until all see all again", Unit: "s", Bound: 5}},
		Run: func(ctx context.Context, r *Run) ([]float64, error) {
			members, err := r.cluster(ctx, scaled(r, 8, 3), Options{})
			if err != nil {
				return nil, err
			}
			conn, err := r.socket("127.0.0.2")
			if err != nil {
				return nil, err
			}
			for _, m := range members {
				var leaves [][]byte
				for _, other := range members {
					if other.Name() != m.Name() {
						leaves = append(leaves, leaveMessage(other.Name()))
					}
				}
				if _, err := conn.WriteToUDPAddrPort(compound(leaves...), m.Addr()); err != nil {
					return nil, err
				}
			}
			return []float64{recovery(ctx, r, members)}, nil
		},
	}
}

func forgedLeave() Attack {
	return Attack{
		Name:    "forged-leave",
		Does:    "sends three of 8 members one packet of 37 bytes each, in which another one leaves",
		Figures: []Figure{{What: "time until all see all again", Unit: "s", Bound: 5}},
		Run: func(ctx context.Context, r *Run) ([]float64, error) {
			members, err := r.cluster(ctx, scaled(r, 8, 4), Options{})
			if err != nil {
				return nil, err
			}
			conn, err := r.socket("127.0.0.2")
			if err != nil {
				return nil, err
			}
			for i := range scaled(r, 3, 2) {
				if _, err := conn.WriteToUDPAddrPort(leaveMessage(members[2*i+1].Name()), members[2*i].Addr()); err != nil {
					return nil, err
				}
			}
			return []float64{recovery(ctx, r, members)}, nil
		},
	}
}

// recovery returns after how many seconds all members see all, and go on seeing all.
func recovery(ctx context.Context, r *Run, members []Member) float64 {
	return settled(ctx, scaled(r, 30*time.Second, 3*time.Second), scaled(r, 3*time.Second, 300*time.Millisecond), func() bool {
		return allSeeAll(members)
	})
}
