package clustertest

import (
	"bytes"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/internal/simnet"
	"github.com/e3431adc/memberlist/internal/wire"
)

// connectionTransport is a ConnectionTransport that counts packets by the first message in them.
type connectionTransport struct {
	*simTransport
	urgent, other [256]atomic.Int64
	last          [256]atomic.Int64 // time of the last urgent one, in nanoseconds
	secure        bool
}

func (c *connectionTransport) WriteToAddress(b []byte, a memberlist.Address) (time.Time, error) {
	c.other[firstType(b)].Add(1)
	return c.WriteTo(b, a.Addr)
}

func (c *connectionTransport) Redial(memberlist.Address) {}

func (c *connectionTransport) WriteUrgent(b []byte, a memberlist.Address) (time.Time, error) {
	c.urgent[firstType(b)].Add(1)
	c.last[firstType(b)].Store(time.Now().UnixNano())
	return c.WriteTo(b, a.Addr)
}

func (c *connectionTransport) DialAddressTimeout(a memberlist.Address, timeout time.Duration) (net.Conn, error) {
	return c.DialTimeout(a.Addr, timeout)
}

func (c *connectionTransport) Secure() bool { return c.secure }

// firstType returns the type of the first message in a packet that is neither compressed nor encrypted.
func firstType(b []byte) wire.Type {
	kind := wire.Type(b[0])
	if kind == wire.TypeChecksum {
		b = b[5:]
		kind = wire.Type(b[0])
	}
	if kind == wire.TypeCompound {
		kind = wire.Type(b[2+2*int(b[1])])
	}
	return kind
}

// connectionCluster is a cluster with transports of that kind.
func connectionCluster(t *testing.T, n int) (*simCluster, []*connectionTransport) {
	var transports []*connectionTransport
	c := newSimCluster(t).grow(n, func(config *memberlist.Config) {
		tr := &connectionTransport{simTransport: config.Transport.(*simTransport), secure: true}
		config.Transport, config.EnableCompression = tr, false
		transports = append(transports, tr)
	})
	return c, transports
}

// TestPacketsOnConnections: pings and their answers are urgent, and nothing else; a member that is gone is found by packets alone.
func TestPacketsOnConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, transports := connectionCluster(t, 4)
		defer c.stop()
		c.await(settles, func() bool { return c.agree(4) })
		time.Sleep(10 * time.Minute)
		dials := transports[0].dials.Load()
		c.network.Down(simAddr(3))
		c.await(time.Minute, func() bool { return c.agree(3, 3) })
		if got := transports[0].dials.Load() - dials; got > 12 { // push/pulls, and one in each round of a lead
			t.Errorf("%d streams were opened while a member was gone, want push/pulls and those that may be refused", got)
		}
		for i, tr := range transports {
			for kind := range tr.urgent {
				ping := wire.Type(kind) == wire.TypePing || wire.Type(kind) == wire.TypeIndirectPing || wire.Type(kind) == wire.TypeAck || wire.Type(kind) == wire.TypeNack
				if n := tr.urgent[kind].Load(); n > 0 && !ping {
					t.Errorf("member %d: %d packets for %v were urgent", i, n, wire.Type(kind))
				}
				if n := tr.other[kind].Load(); n > 0 && ping {
					t.Errorf("member %d: %d packets for %v were not urgent", i, n, wire.Type(kind))
				}
			}
			if tr.urgent[wire.TypePing].Load() == 0 || tr.urgent[wire.TypeAck].Load() == 0 {
				t.Errorf("member %d sent no urgent pings or acks", i)
			}
		}
	})
}

// TestWriteErrorEndsDirectProbe: an error that the transport knows about a member makes a probe ask others at once.
func TestWriteErrorEndsDirectProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, transports := connectionCluster(t, 3)
		defer c.stop()
		c.await(settles, func() bool { return c.agree(3) })
		var refused error = net.ErrClosed
		for _, tr := range transports {
			tr.writeErr.Store(&refused)
		}
		tr := transports[0]
		before := tr.urgent[wire.TypeIndirectPing].Load()
		c.await(5*time.Second, func() bool { return tr.urgent[wire.TypeIndirectPing].Load() > before })
		if took := time.Duration(tr.last[wire.TypeIndirectPing].Load() - tr.last[wire.TypePing].Load()); took != 0 {
			t.Errorf("others were asked %v after the ping, want at once", took)
		}
	})
}

// namedAddr is an address with a name that was verified.
type namedAddr struct {
	net.TCPAddr
	name string
}

func (a *namedAddr) VerifiedName() string { return a.name }

// TestVerifiedNames: pings and acks count in the name that the transport has verified only.
func TestVerifiedNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(2, nil)
		defer c.stop()
		c.await(settles, func() bool { return c.agree(2) })
		outsider := c.outsider(7)
		pinged := func(verified, source string) bool {
			ping := wire.Ping{SeqNo: 7, Node: "m0", SourceAddr: simAddr(7).Addr().AsSlice(), SourcePort: 7946, SourceNode: source}
			from := &namedAddr{*net.TCPAddrFromAddrPort(simAddr(7)), verified}
			c.transport(0).packets <- &memberlist.Packet{Buf: ping.Append(nil), From: from, Timestamp: time.Now()}
			return answered(outsider)
		}
		if !pinged("m7", "m7") || !pinged("m7", "") {
			t.Error("a ping in the sender's own name is not answered")
		}
		if pinged("m7", "m1") {
			t.Error("a ping in the name of another member is answered")
		}
		if got := c.members[0].Stats().Dropped.Stranger; got != 1 {
			t.Errorf("%d messages of strangers were dropped, want 1", got)
		}
	})
}

// answered reports whether a packet arrives within 10 ms.
func answered(end *simnet.Endpoint) bool {
	select {
	case <-end.Packets():
		return true
	case <-time.After(10 * time.Millisecond):
		return false
	}
}

// TestPublicAddressOfSecureTransport: there is no warning if the transport encrypts.
func TestPublicAddressOfSecureTransport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t)
		defer c.stop()
		for _, secure := range []bool{false, true} {
			var lines bytes.Buffer
			end := newSimTransport(t, c.network, netip.MustParseAddrPort("8.8.8.8:7946"))
			m := c.add(func(config *memberlist.Config) {
				config.Transport = &connectionTransport{simTransport: end, secure: secure}
				config.LogOutput = &lines
			})
			m.Shutdown()
			if warned := strings.Contains(lines.String(), "public address"); warned == secure {
				t.Errorf("secure: %v, log: %s", secure, lines.String())
			}
		}
	})
}
