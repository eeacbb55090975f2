package attacks

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// dials: a member opens streams to members that it has only heard of: to probe them, to exchange states, and to ask them whether
// they are still there when another address claims their name.
func dials() Attack {
	return Attack{
		Name:    "dials",
		Does:    "announces 50 members a second at the address of a third party, and a second later claims their names for another one",
		Figures: []Figure{{What: "streams a second that one member opens there", Unit: "dials/s", Bound: 2}},
		Run: func(ctx context.Context, r *Run) ([]float64, error) {
			members, err := r.cluster(ctx, 2, Options{})
			if err != nil {
				return nil, err
			}
			conn, err := r.socket("127.0.0.2")
			if err != nil {
				return nil, err
			}
			l, err := net.Listen("tcp4", "127.0.0.3:0")
			if err != nil {
				return nil, err
			}
			r.closers = append(r.closers, l.Close)
			var accepted atomic.Int64
			var acceptor sync.WaitGroup
			acceptor.Go(func() { count(l, &accepted) })
			thirdParty := l.Addr().(*net.TCPAddr).AddrPort()
			seconds := scaled(r, 15, 1)
			every(ctx, 50, seconds*50, func(i int) {
				packet := alive(fmt.Sprintf("fake-%d", i), thirdParty, 1)
				if i >= 50 {
					packet = compound(packet, alive(fmt.Sprintf("fake-%d", i-50), addrOf(conn), 2))
				}
				conn.WriteToUDPAddrPort(packet, members[0].Addr())
			})
			l.Close()
			acceptor.Wait()
			// The other member hears of all of it too.
			return []float64{float64(accepted.Load()) / float64(seconds) / float64(len(members))}, ctx.Err()
		},
	}
}

// count accepts streams until the listener is closed; each is answered with silence for a second.
func count(l net.Listener, accepted *atomic.Int64) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		accepted.Add(1)
		time.AfterFunc(time.Second, func() { conn.Close() })
	}
}
