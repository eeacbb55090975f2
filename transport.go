package memberlist

import (
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Packet is one datagram received from a peer, as a Transport hands it over.
type Packet struct {
	// Buf is the whole content of the packet. Whoever receives the Packet owns it: the transport keeps no reference.
	Buf []byte

	// From is where the packet came from; the answer to a ping without a source address goes there.
	From net.Addr

	// Timestamp is when the packet arrived, taken as soon after the read as possible: round trips are measured with it.
	Timestamp time.Time
}

// Transport carries packets and streams between the members of a cluster. Packets are best effort: they may be lost,
// doubled and reordered. Streams are reliable. Any goroutine may call any method at any time, several at once.
//
// Nil in Config.Transport means a NetTransport (UDP and TCP). A transport that addresses its peers by name rather than
// by IP address implements NodeAwareTransport too.
type Transport interface {
	// FinalAdvertiseAddr says under which IP address and port the other members reach this one. It is given
	// Config.AdvertiseAddr and Config.AdvertisePort, either of which may be zero, by Create, and no address by
	// Memberlist.SetAdvertiseAddr if that is given none.
	FinalAdvertiseAddr(ip string, port int) (net.IP, int, error)

	// WriteTo sends one packet to an address of the form "host:port" and says when it left, as precisely as it can:
	// round trips are measured from there. The transport must not keep b after it returned, nor change it.
	WriteTo(b []byte, addr string) (time.Time, error)

	// PacketCh is where the packets that arrive are received from. It gives the same channel every time, which need not
	// ever be closed.
	PacketCh() <-chan *Packet

	// DialTimeout opens a stream to an address of the form "host:port", giving up when the timeout has passed. Streams
	// carry what does not fit in a packet: push/pull exchanges, reliable user messages, and pings when packets fail.
	DialTimeout(addr string, timeout time.Duration) (net.Conn, error)

	// StreamCh is where the streams that peers opened are received from. Whoever receives one closes it.
	StreamCh() <-chan net.Conn

	// Shutdown stops listening and releases everything. Create calls it when it fails, Memberlist.Shutdown always; it may
	// be called more than once. Until it returns, packets and streams are still received from both channels: packets are
	// dropped, streams closed. So it may wait for goroutines that hand one over, and may close the channels.
	Shutdown() error
}

// Address is where a member can be reached, and under which name it is known.
type Address struct {
	// Addr is the address in the form "host:port". It is required.
	Addr string

	// Name is the member's name. It may be empty, unless Config.RequireNodeNames is set or the transport needs it.
	Name string
}

// String gives "name (host:port)", or the address alone if there is no name.
func (a *Address) String() string {
	if a.Name == "" {
		return a.Addr
	}
	return a.Name + " (" + a.Addr + ")"
}

// NodeAwareTransport is a Transport that is told the name of the member it sends to, besides the address. A transport
// that implements it gets WriteToAddress and DialAddressTimeout called, and never WriteTo or DialTimeout.
type NodeAwareTransport interface {
	Transport

	// WriteToAddress is WriteTo with the member's name.
	WriteToAddress(b []byte, addr Address) (time.Time, error)

	// DialAddressTimeout is DialTimeout with the member's name.
	DialAddressTimeout(addr Address, timeout time.Duration) (net.Conn, error)
}

// IngestionAwareTransport is a transport that can be handed packets and streams which somebody else accepted.
//
// Deprecated: nothing in this package uses the interface. Declare the methods you need in an interface of your own.
type IngestionAwareTransport interface {
	// IngestPacket reads conn to its end and treats what it read as one packet from addr that arrived at now.
	IngestPacket(conn net.Conn, addr net.Addr, now time.Time, shouldClose bool) error

	// IngestStream treats conn as a stream that a peer opened.
	IngestStream(conn net.Conn) error
}

// maxIngest bounds, in bytes, the packet that IngestPacket reads from a connection.
const maxIngest = 64 << 10

// readIngested reads the packet of a call of IngestPacket.
func readIngested(conn net.Conn, addr net.Addr) ([]byte, error) {
	buf, err := io.ReadAll(io.LimitReader(conn, maxIngest+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("failed to read packet: %w", err)
	case len(buf) == 0:
		return nil, fmt.Errorf("packet is empty %s", LogAddress(addr))
	case len(buf) > maxIngest:
		return nil, fmt.Errorf("packet of more than %d bytes %s: %w", maxIngest, LogAddress(addr), ErrMessageTooLarge)
	}
	return buf, nil
}

// shutDown shuts a transport down. Until that is done it receives what the transport still hands over, so that a Shutdown
// that waits for the goroutines that do so returns. Other receivers may have ended, or never begun.
func shutDown(t Transport) error {
	down := make(chan struct{})
	var discarding sync.WaitGroup
	discarding.Go(func() { discard(t.PacketCh(), t.StreamCh(), down) })
	err := t.Shutdown()
	close(down)
	discarding.Wait()
	return err
}

// discard drops packets and closes streams until the transport is down; then it closes the streams that are left in a
// buffer.
func discard(packets <-chan *Packet, streams <-chan net.Conn, down <-chan struct{}) {
	for {
		select {
		case _, ok := <-packets:
			if !ok {
				packets = nil
			}
		case conn, ok := <-streams:
			if !ok {
				streams = nil
				continue
			}
			conn.Close()
		case <-down:
			closeBuffered(streams)
			return
		}
	}
}

// closeBuffered closes the streams that can be received without waiting.
func closeBuffered(streams <-chan net.Conn) {
	for {
		select {
		case conn, ok := <-streams:
			if !ok {
				return
			}
			conn.Close()
		default:
			return
		}
	}
}

// asNodeAware gives t itself if it takes names, and else a view of t that drops them.
func asNodeAware(t Transport) NodeAwareTransport {
	if aware, ok := t.(NodeAwareTransport); ok {
		return aware
	}
	return nameDroppingTransport{t}
}

// nameDroppingTransport makes a plain Transport usable as a NodeAwareTransport.
type nameDroppingTransport struct{ Transport }

func (t nameDroppingTransport) WriteToAddress(b []byte, addr Address) (time.Time, error) {
	return t.WriteTo(b, addr.Addr)
}

func (t nameDroppingTransport) DialAddressTimeout(addr Address, timeout time.Duration) (net.Conn, error) {
	return t.DialTimeout(addr.Addr, timeout)
}
