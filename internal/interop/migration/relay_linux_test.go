package migration

import (
	"encoding/binary"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// relay is a switch in this process: it takes frames from the ends of links and gives them to others, late, out of order,
// or not at all.
type relay struct {
	ports   []int // sockets
	done    chan struct{}
	readers sync.WaitGroup

	frames, lost atomic.Int64
	delayed      atomic.Int64 // nanoseconds, in all

	mu    sync.RWMutex
	homes map[[6]byte]int // the port of an address
}

const (
	solPacket     = 263
	packetVnetHdr = 15 // the kernel's notes on a frame, such as a checksum that is yet to be filled in, go with it
	vnetHdrSize   = 10
	packetSentBy  = 4 // of a frame that this host sent
	largestFrame  = 1 << 17
	readPatience  = 200 * time.Millisecond
)

func newRelay(t *testing.T, interfaces []string) *relay {
	t.Helper()
	r := &relay{done: make(chan struct{}), homes: make(map[[6]byte]int)}
	for _, name := range interfaces {
		fd, err := openPort(name)
		if err != nil {
			t.Fatalf("packet socket on %s: %v", name, err)
		}
		r.ports = append(r.ports, fd)
	}
	for i := range r.ports {
		r.readers.Go(func() { r.read(i) }) // ends with stop
	}
	return r
}

func openPort(name string) (int, error) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return 0, err
	}
	all := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, syscall.ETH_P_ALL))
	fd, err := syscall.Socket(syscall.AF_PACKET, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, int(all))
	if err != nil {
		return 0, err
	}
	patience := syscall.NsecToTimeval(readPatience.Nanoseconds())
	for _, err := range []error{
		syscall.SetsockoptInt(fd, solPacket, packetVnetHdr, 1),
		syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &patience),
		syscall.Bind(fd, &syscall.SockaddrLinklayer{Protocol: all, Ifindex: i.Index}),
	} {
		if err != nil {
			syscall.Close(fd)
			return 0, err
		}
	}
	return fd, nil
}

// read takes what a member sends.
func (r *relay) read(port int) {
	buf := make([]byte, largestFrame)
	for {
		select {
		case <-r.done:
			return
		default:
		}
		n, from, err := syscall.Recvfrom(r.ports[port], buf, 0)
		link, ok := from.(*syscall.SockaddrLinklayer)
		if err != nil || !ok || link.Pkttype == packetSentBy || n < vnetHdrSize+14 {
			continue
		}
		r.relay(port, append([]byte(nil), buf[:n]...))
	}
}

// relay gives a frame to the port that it is for, or to all if that is not known.
func (r *relay) relay(from int, frame []byte) {
	to, source := [6]byte(frame[vnetHdrSize:]), [6]byte(frame[vnetHdrSize+6:])
	r.mu.Lock()
	r.homes[source] = from
	home, known := r.homes[to]
	r.mu.Unlock()
	for port := range r.ports {
		if port == from || known && port != home {
			continue
		}
		r.frames.Add(1)
		if rand.IntN(100) < networkLoss {
			r.lost.Add(1)
			continue
		}
		delay := networkDelay - networkJitter + rand.N(2*networkJitter)
		r.delayed.Add(int64(delay))
		time.AfterFunc(delay, func() {
			r.mu.RLock() // until stop has closed the sockets
			defer r.mu.RUnlock()
			if r.ports != nil {
				syscall.Write(r.ports[port], frame)
			}
		})
	}
}

// report says what came of the frames, and fails if the network was too good.
func (r *relay) report(t *testing.T) {
	t.Helper()
	frames, lost := r.frames.Load(), r.lost.Load()
	t.Logf("%d frames, %d lost (%.1f %%), the others late by %v", frames, lost, 100*float64(lost)/float64(frames),
		(time.Duration(r.delayed.Load()) / time.Duration(max(frames-lost, 1))).Round(time.Millisecond))
	if lost == 0 {
		t.Error("the network lost nothing")
	}
}

func (r *relay) stop() {
	close(r.done)
	r.readers.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, fd := range r.ports {
		syscall.Close(fd)
	}
	r.ports = nil
}
