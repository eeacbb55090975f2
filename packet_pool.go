package memberlist

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// packetSizes are the capacities, in bytes, of pooled packets: acks and single messages, packets of the default size,
// what compression or larger packets take, and anything.
var packetSizes = [...]int{256, 1536, 8 << 10, 64 << 10}

// packetPool keeps packets of each size for reuse, together with their buffers and *net.UDPAddr. The zero value is empty
// and ready for use.
type packetPool struct {
	classes [len(packetSizes)]sync.Pool
}

// get gives a packet with a copy of the bytes.
func (pool *packetPool) get(b []byte, from netip.AddrPort, at time.Time) *Packet {
	class := 0
	for class < len(packetSizes)-1 && packetSizes[class] < len(b) {
		class++
	}
	p, _ := pool.classes[class].Get().(*Packet)
	if p == nil {
		p = &Packet{
			Buf:  make([]byte, 0, packetSizes[class]),
			From: &net.UDPAddr{IP: make(net.IP, 0, net.IPv6len)},
		}
	}
	p.Buf = append(p.Buf[:0], b...)
	p.Timestamp = at
	setUDPAddr(p.From.(*net.UDPAddr), from)
	return p
}

// put takes back a packet whose buffer and address nobody else has. What it has no use for is left to the garbage
// collector.
func (pool *packetPool) put(p *Packet) {
	if _, ok := p.From.(*net.UDPAddr); !ok {
		return
	}
	for class, size := range packetSizes {
		if cap(p.Buf) == size {
			pool.classes[class].Put(p)
			return
		}
	}
}

// setUDPAddr writes an address in place. An IPv4 address has four bytes, also one that came through an IPv6 socket.
func setUDPAddr(dst *net.UDPAddr, src netip.AddrPort) {
	ip := src.Addr().Unmap()
	if ip.Is4() {
		b := ip.As4()
		dst.IP = append(dst.IP[:0], b[:]...)
	} else {
		b := ip.As16()
		dst.IP = append(dst.IP[:0], b[:]...)
	}
	dst.Port = int(src.Port())
	dst.Zone = ip.Zone()
}
