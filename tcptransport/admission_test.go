package tcptransport

import (
	"net"
	"net/netip"
	"testing"
	"time"
)

// fakeConn is a connection that only knows its address and whether it is closed.
type fakeConn struct {
	net.Conn
	from   netip.AddrPort
	closed bool
}

func (c *fakeConn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.from) }
func (c *fakeConn) Close() error         { c.closed = true; return nil }

// TestAdmission: the connection that is closed for another one is that of the source that has most, the least recently used.
func TestAdmission(t *testing.T) {
	const a, b, c = "10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"
	const six, sixToo = "[2001:db8::1]:1", "[2001:db8::2]:1" // of one network
	for _, tt := range []struct {
		name string
		from []string // the last one is the fifth, one too many
		used []int    // again, in this order
		want int
	}{
		{"one source", []string{a, a, a, a, a}, nil, 0},
		{"one source, the first was used again", []string{a, a, a, a, a}, []int{0}, 1},
		{"two sources that have most", []string{b, a, a, c, b}, []int{0, 3}, 1},
		{"the last source has most", []string{a, b, c, c, c}, nil, 2},
		{"networks of IPv6", []string{a, b, six, sixToo, c}, nil, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			set := admission{limit: 4}
			var conns []*fakeConn
			var all []*inbound
			tick := int64(0)
			for i, from := range tt.from {
				conn := &fakeConn{from: netip.MustParseAddrPort(from)}
				in := newInbound(conn)
				tick++
				in.used.Store(tick)
				conns, all = append(conns, conn), append(all, in)
				if i == 4 {
					for _, k := range tt.used {
						tick++
						all[k].used.Store(tick)
					}
				}
				evicted, ok := set.admit(in)
				if !ok || (evicted != nil) != (i == 4) {
					t.Fatalf("connection %d: evicted %v, admitted %v", i, evicted, ok)
				}
			}
			for i, conn := range conns {
				if conn.closed != (i == tt.want) {
					t.Errorf("connection %d: closed is %v, want %v", i, conn.closed, i == tt.want)
				}
			}
			for _, in := range all {
				set.remove(in)
				set.remove(in)
			}
			if set.len() != 0 || len(set.mu.sources) != 0 {
				t.Errorf("%d connections and %d sources are left", set.len(), len(set.mu.sources))
			}
		})
	}
}

func TestAdmissionAfterClose(t *testing.T) {
	var set admission
	set.limit = 1
	conn := &fakeConn{from: netip.MustParseAddrPort("10.0.0.1:1")}
	in := newInbound(conn)
	if _, ok := set.admit(in); !ok || time.Since(time.Unix(0, in.used.Load())) > time.Minute {
		t.Fatal("not admitted")
	}
	set.close()
	if !conn.closed {
		t.Error("not closed")
	}
	if _, ok := set.admit(newInbound(conn)); ok {
		t.Error("admitted after close")
	}
}
