package attacks

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// reopenedStreams: a member serves a limited number of streams, and a source that opens streams faster than others gets them all.
func reopenedStreams() Attack {
	return Attack{
		Name:    "reopened-streams",
		Does:    "holds 128 silent streams from each of 8 addresses, and opens them again as soon as they are closed",
		Figures: []Figure{{What: "joins of 20 that work", Unit: "joins", Bound: 20, AtLeast: true}},
		Run: func(ctx context.Context, r *Run) ([]float64, error) {
			victim, err := r.member(Options{Name: "m0"})
			if err != nil {
				return nil, err
			}
			joining, err := r.joiners(scaled(r, 20, 2))
			if err != nil {
				return nil, err
			}
			attacking, stop := context.WithCancel(ctx)
			var attack, joins sync.WaitGroup
			defer attack.Wait()
			defer stop()
			var open atomic.Int64
			for source := range scaled(r, 8, 2) {
				host := fmt.Sprintf("127.0.0.%d", 10+source)
				reopen(attacking, &attack, host, victim.Addr(), scaled(r, 128, 16), &open)
			}
			until(ctx, 5*time.Second, func() bool { return open.Load() >= scaled(r, int64(500), 32) })
			var joined atomic.Int64
			every(ctx, 4, len(joining), func(i int) {
				joins.Go(func() {
					if joining[i].Join(victim.Addr()) == nil {
						joined.Add(1)
					}
				})
			})
			joins.Wait()
			return []float64{float64(joined.Load())}, nil
		},
	}
}

// joiners starts n members that know no other.
func (r *Run) joiners(n int) ([]Member, error) {
	joining := make([]Member, n)
	for i := range joining {
		m, err := r.member(Options{Name: fmt.Sprintf("joining-%d", i)})
		if err != nil {
			return nil, err
		}
		joining[i] = m
	}
	return joining, nil
}

// reopen holds n streams from a host, which say nothing, and dials at most 250 a second.
func reopen(ctx context.Context, wg *sync.WaitGroup, host string, to netip.AddrPort, n int, open *atomic.Int64) {
	slots := make(chan struct{}, n)
	wg.Go(func() {
		every(ctx, 250, 10_000, func(int) {
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return
			}
			wg.Go(func() {
				hold(ctx, host, to, open)
				<-slots
			})
		})
	})
}

// hold opens a stream from a host and reads it until its end.
func hold(ctx context.Context, host string, to netip.AddrPort, open *atomic.Int64) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(host)}}
	conn, err := d.DialContext(ctx, "tcp4", to.String())
	if err != nil {
		return
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	open.Add(1)
	defer open.Add(-1)
	var buf [256]byte
	for {
		if _, err := conn.Read(buf[:]); err != nil {
			return
		}
	}
}
