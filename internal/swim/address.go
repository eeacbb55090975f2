package swim

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
)

// address is an IP address and port in 20 bytes: a netip.AddrPort has 32, with a zone that the wire does not carry.
type address struct {
	ip   [16]byte // an IPv4 address as an IPv6 one
	port uint16
	size uint8 // size of the IP address on the wire: 4 or 16; 0: no address
}

func addressOf(a netip.AddrPort) address {
	packed := address{ip: a.Addr().As16(), port: a.Port()}
	switch {
	case a.Addr().Is4():
		packed.size = 4
	case a.Addr().IsValid():
		packed.size = 16
	}
	return packed
}

// addressFrom returns an address of the wire: 4 or 16 bytes, and defaultPort for port 0.
func addressFrom(ip []byte, port, defaultPort uint16) (address, bool) {
	if port == 0 {
		port = defaultPort
	}
	a := address{port: port, size: uint8(len(ip))}
	switch len(ip) {
	case 4:
		a.ip[10], a.ip[11] = 0xff, 0xff
		copy(a.ip[12:], ip)
	case 16:
		copy(a.ip[:], ip)
	default:
		return address{}, false
	}
	return a, true
}

// isIPv4 reports whether it is an IPv4 address, in either spelling.
func (a *address) isIPv4() bool { return [12]byte(a.ip[:12]) == [12]byte{10: 0xff, 11: 0xff} }

// same reports whether two addresses are equal, in either spelling of IPv4.
func (a address) same(b address) bool { return a.sameHost(b) && a.port == b.port }

// sameHost reports whether two addresses have the same IP address, in either spelling of IPv4.
func (a address) sameHost(b address) bool { return a.ip == b.ip }

// bytes returns the IP address as on the wire: a view into a.
func (a *address) bytes() []byte { return a.ip[16-a.size:] }

func (a address) addr() netip.Addr {
	switch a.size {
	case 4:
		return netip.AddrFrom4([4]byte(a.ip[12:]))
	case 16:
		return netip.AddrFrom16(a.ip)
	default:
		return netip.Addr{}
	}
}

func (a address) addrPort() netip.AddrPort { return netip.AddrPortFrom(a.addr(), a.port) }

// hash returns the same for addresses that are the same.
func (a address) hash(seed maphash.Seed) uint64 {
	var b [18]byte
	copy(b[:], a.ip[:])
	binary.BigEndian.PutUint16(b[16:], a.port)
	return maphash.Bytes(seed, b[:])
}

// key returns the same for addresses that are the same, as a key of a map.
func (a address) key() address {
	a.size = 0
	return a
}
