package memberlist

import (
	"bytes"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// keepingTransport keeps the packets that it sends, as the reference's MockTransport does.
type keepingTransport struct {
	*voidTransport
	kept, copies [][]byte
}

func (k *keepingTransport) WriteTo(b []byte, _ string) (time.Time, error) {
	k.kept, k.copies = append(k.kept, b), append(k.copies, slices.Clone(b))
	return time.Now(), nil
}

// TestTransportMayKeepPackets: packets given to a transport other than NetTransport are not written to again.
func TestTransportMayKeepPackets(t *testing.T) {
	for _, tt := range pingKinds {
		t.Run(tt.name, func(t *testing.T) {
			k := &keepingTransport{voidTransport: newVoidTransport()}
			m := benchMember(t, func(c *Config) {
				tt.change(c)
				c.Transport = k
			})
			ack := pingToAck(m)
			addMembers(m, 3)
			to := m.Members()[1]
			for i := range 20 {
				ack()
				if err := m.SendBestEffort(to, bytes.Repeat([]byte{byte(i)}, 50*i)); err != nil {
					t.Fatal(err)
				}
			}
			if len(k.kept) != 40 {
				t.Fatalf("%d packets sent, want 40", len(k.kept))
			}
			for i := range k.kept { // it may append to them, too
				_ = append(k.kept[i], bytes.Repeat([]byte{0xff}, 100)...)
			}
			for i := range k.kept {
				if !bytes.Equal(k.kept[i], k.copies[i]) {
					t.Errorf("packet %d was %x when it was sent, and is %x", i, k.copies[i], k.kept[i])
				}
			}
		})
	}
}

// TestNothingKeepsPackets: the bytes of a packet may be overwritten once it has been handled.
func TestNothingKeepsPackets(t *testing.T) {
	message := []byte("news of the user")
	heard := make(chan []byte, 1)
	m := benchMember(t, func(c *Config) {
		c.Delegate = &forwardingDelegate{heard: heard}
		c.ProbeInterval = time.Hour // suspicions last a multiple of it
	})
	alive := (&wire.Alive{Node: "m1", Addr: []byte{10, 0, 0, 1}, Port: 7946, Incarnation: 1, Meta: []byte("its metadata"),
		Vsn: []byte{1, 5, 2, 0, 0, 0}}).Append(nil)
	suspect := (&wire.Suspect{Node: "m1", From: "m2", Incarnation: 1}).Append(nil)
	user := append([]byte{byte(wire.TypeUser)}, message...)
	for _, messages := range [][][]byte{{alive}, {suspect}, {user}, {alive, suspect, user}} {
		buf := messages[0]
		if len(messages) > 1 {
			buf, _ = wire.AppendCompound(nil, messages)
		}
		p := &Packet{Buf: slices.Clone(buf), From: &net.UnixAddr{Name: "a transport without IP addresses"}}
		newReceiver(m).handlePacket(p)
		for i := range p.Buf {
			p.Buf[i] = 0xff
		}
	}
	for range 2 {
		if got := <-heard; !bytes.Equal(got, message) {
			t.Errorf("the delegate got %q, want %q", got, message)
		}
	}
	i := slices.IndexFunc(m.Members(), func(n *Node) bool { return n.Name == "m1" })
	if i < 0 {
		t.Fatalf("no member m1 among %v", m.Members())
	}
	n := m.Members()[i]
	if string(n.Meta) != "its metadata" || !n.Addr.Equal(net.IPv4(10, 0, 0, 1)) || n.State != StateSuspect {
		t.Errorf("m1 is %+v", n)
	}
}

// forwardingDelegate forwards a copy of each user message.
type forwardingDelegate struct{ heard chan []byte }

func (h *forwardingDelegate) NotifyMsg(message []byte)        { h.heard <- slices.Clone(message) }
func (h *forwardingDelegate) NodeMeta(int) []byte             { return nil }
func (h *forwardingDelegate) GetBroadcasts(int, int) [][]byte { return nil }
func (h *forwardingDelegate) LocalState(bool) []byte          { return nil }
func (h *forwardingDelegate) MergeRemoteState([]byte, bool)   {}

// TestMembersAreTheCallers: the caller of Members may sort the slice and append to it.
func TestMembersAreTheCallers(t *testing.T) {
	m := benchMember(t, nil)
	addMembers(m, 200)
	want := m.Members()
	mine := m.Members()
	slices.Reverse(mine)
	mine = append(mine[:100], &Node{Name: "other"})
	clear(mine)
	if got := m.Members(); !slices.Equal(got, want) {
		t.Errorf("the members became %v", got)
	}
}

// keepingDelegate keeps the slices of user messages and states themselves.
type keepingDelegate struct {
	forwardingDelegate
	kept [][]byte
}

func (k *keepingDelegate) NotifyMsg(message []byte)              { k.kept = append(k.kept, message) }
func (k *keepingDelegate) MergeRemoteState(state []byte, _ bool) { k.kept = append(k.kept, state) }

// TestDelegatesMayKeepWhatCameOnStreams: later streams are read into other memory.
func TestDelegatesMayKeepWhatCameOnStreams(t *testing.T) {
	k := new(keepingDelegate)
	m := benchMember(t, func(c *Config) { c.Delegate = k })
	var want [][]byte
	serve := func(stream []byte) {
		conn := &cannedConn{from: peer(1)}
		conn.in.Reset(stream)
		if err := m.serveStream(conn); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 20 {
		said := bytes.Repeat([]byte{byte(i)}, 1<<i)
		serve(append((&wire.UserHeader{UserMsgLen: len(said)}).Append(nil), said...))
		serve(append((&wire.PushPullHeader{UserStateLen: len(said)}).Append(nil), said...))
		want = append(want, said, said)
	}
	if !slices.EqualFunc(k.kept, want, bytes.Equal) {
		t.Errorf("%d kept messages and states differ from those sent", len(k.kept))
	}
}
