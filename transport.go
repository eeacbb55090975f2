package memberlist

import (
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Packet is a datagram that a Transport has received.
type Packet struct {
	// Buf is the whole content of the packet. The receiver of the Packet owns it: the transport keeps no reference.
	Buf []byte

	// From is the source address; the ack of a ping without a source address is sent there.
	From net.Addr

	// Timestamp is the time of arrival, taken as soon after the read as possible: round-trip times are measured with
	// it.
	Timestamp time.Time
}

// Transport carries packets and streams between the members of a cluster. Packets are best effort: they may be lost,
// duplicated and reordered. Streams are reliable. All methods are called concurrently.
//
// Nil in Config.Transport means a NetTransport (UDP and TCP). A transport that addresses its peers by name rather
// than by IP address implements NodeAwareTransport too.
type Transport interface {
	// FinalAdvertiseAddr returns the IP address and port at which other members reach this one. Create calls it with
	// Config.AdvertiseAddr and Config.AdvertisePort, which may be zero, and Memberlist.SetAdvertiseAddr with an empty
	// address if it was called without one.
	FinalAdvertiseAddr(ip string, port int) (net.IP, int, error)

	// WriteTo sends one packet to an address of the form "host:port" and returns the time at which it left, as
	// precisely as possible: round-trip times are measured from there. It must not modify b, nor keep it after it has
	// returned.
	WriteTo(b []byte, addr string) (time.Time, error)

	// PacketCh returns the channel of received packets, the same every time. It need not be closed.
	PacketCh() <-chan *Packet

	// DialTimeout opens a stream to an address of the form "host:port", with a time limit. Streams carry push/pulls,
	// reliable user messages, and pings when packets fail.
	DialTimeout(addr string, timeout time.Duration) (net.Conn, error)

	// StreamCh returns the channel of streams that peers opened. The receiver closes each stream.
	StreamCh() <-chan net.Conn

	// Shutdown stops listening and releases all resources. It is called by Memberlist.Shutdown and by a Create that
	// fails, and may be called more than once. Until it returns, the member receives from both channels, drops the
	// packets and closes the streams. So it may wait for goroutines that send to the channels, and may close them.
	Shutdown() error
}

// Address is the address of a member and its name.
type Address struct {
	// Addr is the address in the form "host:port". Required.
	Addr string

	// Name is the member's name. It may be empty, unless Config.RequireNodeNames is set or the transport needs it.
	Name string
}

// String returns "name (host:port)", or the address alone if there is no name.
func (a *Address) String() string {
	if a.Name == "" {
		return a.Addr
	}
	return a.Name + " (" + a.Addr + ")"
}

// NodeAwareTransport is a Transport that uses the names of members in addition to their addresses. WriteToAddress and
// DialAddressTimeout are called in place of WriteTo and DialTimeout.
type NodeAwareTransport interface {
	Transport

	// WriteToAddress is WriteTo with the member's name.
	WriteToAddress(b []byte, addr Address) (time.Time, error)

	// DialAddressTimeout is DialTimeout with the member's name.
	DialAddressTimeout(addr Address, timeout time.Duration) (net.Conn, error)
}

// ConnectionTransport is a transport whose packets travel on connections, as streams do. A Memberlist uses it in another way:
// packets are written by the goroutines of the protocol itself, and a member that does not answer a packet is not pinged on a stream too,
// which would tell nothing new. Streams are tried only to find out whether the host of a suspect member refuses them, and an error of
// WriteUrgent tells that too: see RefusalAwareTransport. Package tcptransport has one.
//
// The From of a Packet should be the advertised address of its sender. It may have a method VerifiedName() string, which returns the name
// that the sender has proved to have: a ping or an ack in the name of another member is then dropped.
type ConnectionTransport interface {
	NodeAwareTransport

	// WriteUrgent is WriteToAddress for a packet with a ping, an ack or a nack, to be dropped last. Both return at once, without waiting
	// for the network, and keep no reference to b. An error of an earlier attempt to reach the address may be returned: a probe then
	// asks other members at once.
	WriteUrgent(b []byte, addr Address) (time.Time, error)

	// Redial is called when a member does not answer a ping in time: the connection may be half-open, so that packets are lost on it
	// without an error. The next packet uses a new one. It returns at once.
	Redial(addr Address)

	// Secure reports whether traffic is encrypted, and peers are authenticated, so that a public address needs no warning.
	Secure() bool
}

// RefusalAwareTransport is a Transport that knows which errors of its dials mean that no process listens at an address, as a
// process that has ended. Several members that are refused declare a member dead early: see Config.RefusalGrace. For any
// other Transport an error counts that wraps syscall.ECONNREFUSED. That is wrong for a transport that dials a proxy or a
// gateway, which may refuse while the member runs.
type RefusalAwareTransport interface {
	Transport

	// IsRefused reports whether an error of DialTimeout, or DialAddressTimeout, is the answer of the member's host that no
	// process listens. Time limits, unreachable hosts and errors that anything else on the way may cause are not.
	IsRefused(err error) bool
}

// IngestionAwareTransport is a transport that accepts packets and streams from elsewhere.
//
// Deprecated: nothing in this package uses the interface. Declare the methods you need in an interface of your own.
type IngestionAwareTransport interface {
	// IngestPacket reads conn to its end and treats the bytes as one packet from addr that arrived at now.
	IngestPacket(conn net.Conn, addr net.Addr, now time.Time, shouldClose bool) error

	// IngestStream treats conn as a stream that a peer opened.
	IngestStream(conn net.Conn) error
}

// maxIngest bounds, in bytes, the packet that IngestPacket reads from a connection.
const maxIngest = 64 << 10

// readIngested reads the packet for IngestPacket.
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

// shutDown shuts a transport down, and receives from its channels meanwhile, so that a Shutdown that waits for
// goroutines that send to them returns. Other receivers may have ended, or never started.
func shutDown(t Transport) error {
	down := make(chan struct{})
	var discarding sync.WaitGroup
	discarding.Go(func() { discard(t.PacketCh(), t.StreamCh(), down) })
	err := t.Shutdown()
	close(down)
	discarding.Wait()
	return err
}

// discard drops packets and closes streams until the transport is down; then it closes the streams that remain in the
// channel's buffer.
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

// closeBuffered closes the streams that can be received without blocking.
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

// asNodeAware returns t itself if it is a NodeAwareTransport, else a wrapper that drops names.
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
