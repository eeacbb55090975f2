package suite

import (
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"
)

// The costs of Go and the kernel for the minimum work of a member, without a library: upper bounds of the ratios.

// BenchmarkBareCreate starts one goroutine that receives, and waits for its end.
func BenchmarkBareCreate(b *testing.B) {
	const work = 4 * time.Microsecond // the work before it: without a pause the other core would not go to sleep
	meter := newMeter(b)
	meter.start()
	for range b.N {
		for began := time.Now(); time.Since(began) < work; {
		}
		arrive := newWaiters()
		arrive.wait()
		arrive.end()
	}
	meter.stop()
	meter.report()
}

// BenchmarkBareSockets is BenchmarkBareCreate with a UDP and a TCP socket, each with a goroutine that reads.
func BenchmarkBareSockets(b *testing.B) {
	loopback := net.IPv4(127, 0, 0, 1)
	meter := newMeter(b)
	meter.start()
	for range b.N {
		packets, err := net.ListenUDP("udp4", &net.UDPAddr{IP: loopback})
		if err != nil {
			b.Fatal(err)
		}
		streams, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: loopback})
		if err != nil {
			b.Fatal(err)
		}
		arrive := newWaiters()
		arrive.wait()
		arrive.Go(func() { packets.Read(make([]byte, 1)) })
		arrive.Go(func() { streams.Accept() })
		packets.Close()
		streams.Close()
		arrive.end()
	}
	meter.stop()
	meter.report()
}

// BenchmarkBareIdle is 50 goroutines, each of which sends a message to another one every second and gets a reply.
// Each sets its timer twice for that: when it sends, and when the reply has arrived.
func BenchmarkBareIdle(b *testing.B) {
	size, watch := 50, *window
	if testing.Short() {
		size, watch = 5, 200*time.Millisecond
	}
	type packet struct {
		from   int
		answer bool
	}
	inboxes := make([]chan packet, size)
	for i := range inboxes {
		inboxes[i] = make(chan packet, 16)
	}
	members := newWaiters()
	for i := range inboxes {
		timer := time.NewTimer(rand.N(time.Second))
		members.Go(func() {
			for {
				select {
				case <-timer.C:
					timer.Reset(500 * time.Millisecond)
					inboxes[rand.IntN(size)] <- packet{from: i}
				case <-members.stopping:
					return
				}
			}
		})
		members.Go(func() {
			for {
				select {
				case p := <-inboxes[i]:
					if p.answer {
						timer.Reset(time.Second)
					} else {
						inboxes[p.from] <- packet{answer: true}
					}
				case <-members.stopping:
					return
				}
			}
		})
	}
	for range b.N {
		reportIdle(b, size, watch)
	}
	members.end()
}

// waiters are goroutines until their end.
type waiters struct {
	sync.WaitGroup
	stopping chan struct{}
}

func newWaiters() *waiters { return &waiters{stopping: make(chan struct{})} }

// wait starts a goroutine that receives.
func (w *waiters) wait() {
	arrived := make(chan int)
	w.Go(func() {
		select {
		case <-arrived:
		case <-w.stopping:
		}
	})
}

func (w *waiters) end() {
	close(w.stopping)
	w.Wait()
}
