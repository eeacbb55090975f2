package attacks

import (
	"context"
	"math"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// pinnedIncarnation: nothing is newer than the last incarnation.
func pinnedIncarnation() Attack {
	return Attack{
		Name:    "pinned-incarnation",
		Does:    "pushes a member's incarnation to the last one, by a suspect message, and another one's by an alive message",
		Figures: []Figure{{What: "updates of 2, by these members, of which all learn", Unit: "updates", Bound: 2, AtLeast: true}},
		Run: func(ctx context.Context, r *Run) ([]float64, error) {
			members, err := r.cluster(ctx, 4, Options{})
			if err != nil {
				return nil, err
			}
			conn, err := r.socket("127.0.0.2")
			if err != nil {
				return nil, err
			}
			suspected, claimed := members[0], members[1]
			suspect := wire.Suspect{Incarnation: math.MaxUint32 - 1, Node: suspected.Name(), From: "m2"}
			suspectMsg, aliveMsg := suspect.Append(nil), alive(claimed.Name(), claimed.Addr(), math.MaxUint32)
			every(ctx, 20, scaled(r, 20, 4), func(int) { // repeated, as packets may be lost
				conn.WriteToUDPAddrPort(suspectMsg, suspected.Addr())
				for _, m := range members {
					conn.WriteToUDPAddrPort(aliveMsg, m.Addr())
				}
			})
			return []float64{float64(update(ctx, r, members, suspected) + update(ctx, r, members, claimed))}, nil
		},
	}
}

// update updates a member's metadata, and returns 1 if all learn of it.
func update(ctx context.Context, r *Run, members []Member, m Member) int {
	limit := scaled(r, 5*time.Second, time.Second)
	if m.Update("updated", limit) != nil {
		return 0
	}
	if until(ctx, limit, func() bool {
		return all(members, func(other Member) bool { return seesMeta(other, m.Name(), "updated") })
	}) == never {
		return 0
	}
	return 1
}
