package sockets

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// Packet is a received packet. Its fields are those of memberlist.Packet, so that one can be converted to the other.
type Packet struct {
	Buf       []byte
	From      net.Addr // a *net.UDPAddr
	Timestamp time.Time
}

// packetSizes are the capacities in bytes of pooled packets: of acks and single messages, packets of the default size,
// larger ones, and any.
var packetSizes = [...]int{256, 1536, 8 << 10, 64 << 10}

// pool keeps packets of each size for reuse, with their buffers and addresses. The zero value is empty and ready for use.
type pool struct {
	classes [len(packetSizes)]sync.Pool
}

// packets is the pool of all Sockets of the process.
var packets pool

// get returns a packet with a copy of the bytes.
func (pool *pool) get(b []byte, from netip.AddrPort, at time.Time) *Packet {
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

// put takes back a packet of get. Other packets, such as ingested ones, are left to the garbage collector.
func (pool *pool) put(p *Packet) {
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
