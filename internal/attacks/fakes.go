package attacks

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// fakeMembers: an announced member counts as alive until it is probed, which is late if there are many.
func fakeMembers() Attack {
	return Attack{
		Name: "fake-members",
		Does: "announces 10,000 members that do not exist to each of 8 that do, 2,000 a second",
		Figures: []Figure{
			{What: "time in which news of a real member reach all during it", Unit: "s", Bound: 1},
			{What: "time until all see the crash of a real member", Unit: "s", Bound: 14},
			{What: "fakes that a member holds 15 s later", Unit: "members"},
		},
		Alone: true,
		Run: func(ctx context.Context, r *Run) ([]float64, error) {
			members, err := r.cluster(ctx, scaled(r, 8, 3), Options{})
			if err != nil {
				return nil, err
			}
			silent, err := r.socket("127.0.0.2") // the address of all fakes; it is not read
			if err != nil {
				return nil, err
			}
			packets := fakePackets(scaled(r, 10_000, 300), addrOf(silent))
			flooded := make(chan struct{})
			go func() {
				defer close(flooded)
				every(ctx, 100, len(packets), func(i int) {
					for _, m := range members {
						silent.WriteToUDPAddrPort(packets[i], m.Addr())
					}
				})
			}()
			limit := scaled(r, 20*time.Second, time.Second)
			news, crash := newsAndCrash(ctx, members, limit)
			<-flooded
			until(ctx, scaled(r, 15*time.Second, 100*time.Millisecond), func() bool { return mostFakes(members) == 0 })
			return []float64{news, crash, float64(mostFakes(members))}, nil
		},
	}
}

// fakePackets returns alive messages about n fakes, 20 in a packet.
func fakePackets(n int, addr netip.AddrPort) (packets [][]byte) {
	for i := 0; i < n; i += 20 {
		var messages [][]byte
		for j := i; j < i+20; j++ {
			messages = append(messages, alive(fmt.Sprintf("fake-%d", j), addr, 1))
		}
		packets = append(packets, compound(messages...))
	}
	return packets
}

// newsAndCrash crashes the last member, and measures meanwhile how long an update of another one takes to spread.
func newsAndCrash(ctx context.Context, members []Member, limit time.Duration) (news, crash float64) {
	last := len(members) - 1
	crashed, rest := members[last], members[:last]
	crashed.Shutdown()
	seen := make(chan float64, 1)
	go func() {
		seen <- until(ctx, limit, func() bool {
			return all(rest, func(m Member) bool { return !sees(m, crashed.Name()) })
		})
	}()
	begin := time.Now()
	go rest[0].Update("news", limit)
	news = until(ctx, limit, func() bool {
		return all(rest, func(m Member) bool { return seesMeta(m, rest[0].Name(), "news") })
	})
	if news != never {
		news = time.Since(begin).Seconds()
	}
	return news, <-seen
}

// mostFakes returns the number of fakes that the member with the most holds.
func mostFakes(members []Member) int {
	most := 0
	for _, m := range members[:len(members)-1] { // the last one crashed
		fakes := 0
		for _, i := range m.Members() {
			if strings.HasPrefix(i.Name, "fake-") {
				fakes++
			}
		}
		most = max(most, fakes)
	}
	return most
}
