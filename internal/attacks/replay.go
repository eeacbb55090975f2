package attacks

import (
	"bytes"
	"context"
	"sync"
	"time"
)

// replay: a member that left is removed, and then an old message about it is news.
func replay() Attack {
	return Attack{
		Name:    "replay-after-leave",
		Does:    "records the sealed packets of a cluster without having its key, and sends them again after a member has left",
		Figures: []Figure{{What: "members that see the one that left, within 38 s", Unit: "members"}},
		Run: func(ctx context.Context, r *Run) ([]float64, error) {
			var rec recorder
			members, err := r.cluster(ctx, 4, Options{Key: bytes.Repeat([]byte{7}, 16), Tap: rec.record})
			if err != nil {
				return nil, err
			}
			conn, err := r.socket("127.0.0.2")
			if err != nil {
				return nil, err
			}
			limit := scaled(r, 5*time.Second, time.Second)
			leaver, rest := members[3], members[:3]
			if err := leaver.Update("recorded", limit); err != nil {
				return nil, err
			}
			packets := rec.stop()
			if err := leaver.Leave(limit); err != nil {
				return nil, err
			}
			if err := leaver.Shutdown(); err != nil {
				return nil, err
			}
			until(ctx, limit, func() bool { return all(rest, func(m Member) bool { return !sees(m, leaver.Name()) }) })
			replaying, stop := context.WithTimeout(ctx, scaled(r, 38*time.Second, 2*time.Second))
			defer stop()
			ghosts := 0
			every(replaying, 4, 200, func(int) {
				for _, m := range rest {
					for _, packet := range packets {
						conn.WriteToUDPAddrPort(packet, m.Addr())
					}
				}
				if ghosts = max(ghosts, countSeers(rest, leaver.Name())); ghosts == len(rest) {
					stop()
				}
			})
			return []float64{float64(ghosts)}, ctx.Err()
		},
	}
}

func countSeers(members []Member, name string) (n int) {
	for _, m := range members {
		if sees(m, name) {
			n++
		}
	}
	return n
}

// recorder records packets, the last hundred. The zero value is ready.
type recorder struct {
	mu      sync.Mutex
	stopped bool
	packets [][]byte
}

func (rec *recorder) record(packet []byte) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if rec.stopped {
		return
	}
	if len(rec.packets) == 100 {
		rec.packets = rec.packets[1:]
	}
	rec.packets = append(rec.packets, bytes.Clone(packet))
}

func (rec *recorder) stop() [][]byte {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.stopped = true
	return rec.packets
}
