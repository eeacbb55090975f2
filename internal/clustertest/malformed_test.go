package clustertest

import (
	"bytes"
	"compress/lzw"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist/internal/simnet"
	"github.com/e3431adc/memberlist/internal/wire"

	"github.com/e3431adc/memberlist"
)

// TestBombsDelayNoAck: packets that inflate to 40 MiB are cut off at 64 KiB, and
// a ping among them is answered. In the reference 20 of them allocated 1.9 GB
// and the ping was lost.
func TestBombsDelayNoAck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(2, nil)
		defer c.stop()
		end := c.outsider(66)
		bomb := compressed(t, bytes.Repeat([]byte{byte(wire.TypeUser)}, 40<<20))
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		before := stats.TotalAlloc
		for range 20 {
			end.Send(bomb, simAddr(0))
		}
		rtt, err := c.members[1].Ping("m0", mustUDP(simAddr(0)))
		if err != nil {
			t.Errorf("ping: %v", err)
		}
		time.Sleep(time.Second)
		runtime.ReadMemStats(&stats)
		if took := stats.TotalAlloc - before; took > 10<<20 {
			t.Errorf("20 bombs of %d bytes allocated %d bytes", len(bomb), took)
		}
		t.Logf("ping answered in %v, %d kB allocated", rtt, (stats.TotalAlloc-before)/1000)
	})
}

// attacker sends whatever it likes to the first member of a cluster of two.
type attacker struct {
	t   *testing.T
	c   *simCluster
	end *simnet.Endpoint
	key []byte
}

var attackKey = bytes.Repeat([]byte{7}, 32)

// attack lets f loose on a member and checks that it goes on as if nothing had
// been: nobody came, went or changed, it answers pings, others can join.
func attack(t *testing.T, change func(*memberlist.Config), f func(*attacker)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		t.Helper()
		c := newSimCluster(t).grow(2, change)
		defer c.stop()
		c.await(settles, func() bool { return c.agree(2) })
		end := c.outsider(66)
		a := &attacker{t: t, c: c, end: end, key: attackKey}
		before := c.events[0].list()
		f(a)
		time.Sleep(20 * time.Second)
		victim := c.members[0]
		if got := c.events[0].list(); !slices.Equal(got, before) {
			t.Errorf("events %v after %v", got, before)
		}
		if victim.NumMembers() != 2 || victim.LocalNode().State != memberlist.StateAlive {
			t.Errorf("members %v", victim.Members())
		}
		if _, err := c.members[1].Ping("m0", mustUDP(simAddr(0))); err != nil {
			t.Errorf("no answer to a ping: %v", err)
		}
		m := c.add(change)
		if n, err := m.Join([]string{simAddr(0).String()}); n != 1 || err != nil {
			t.Errorf("a join fails: %v", err)
		}
	})
}

// packet sends one packet.
func (a *attacker) packet(b []byte) {
	a.t.Helper()
	if err := a.end.Send(b, simAddr(0)); err != nil {
		a.t.Error(err)
	}
}

// stream opens a stream, writes, and waits for the other side to end it.
func (a *attacker) stream(b []byte) []byte {
	a.t.Helper()
	conn, err := a.end.Dial(context.Background(), simAddr(0))
	if err != nil {
		a.t.Error(err)
		return nil
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := conn.Write(b); err != nil {
		return nil
	}
	var reply bytes.Buffer
	reply.ReadFrom(conn)
	return reply.Bytes()
}

func (a *attacker) sealed(version uint8, plain, aad []byte) []byte {
	a.t.Helper()
	c, err := wire.NewCipher(a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return c.AppendSealed(nil, version, newNonce(), plain, aad)
}

func lzwOf(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := lzw.NewWriter(&out, lzw.LSB, 8)
	w.Write(b)
	w.Close()
	return out.Bytes()
}

// compressed returns a compress message around b.
func compressed(t *testing.T, b []byte) []byte {
	t.Helper()
	packed := lzwOf(t, b)
	message := []byte{byte(wire.TypeCompress), 0x82, 0xa4, 'A', 'l', 'g', 'o', 0, 0xa3, 'B', 'u', 'f', 0xdb}
	message = binary.BigEndian.AppendUint32(message, uint32(len(packed)))
	return append(message, packed...)
}

func encrypted(c *memberlist.Config) { c.SecretKey = attackKey }

func TestMalformedCompound(t *testing.T) {
	attack(t, nil, func(a *attacker) {
		for count := range 256 {
			a.packet([]byte{byte(wire.TypeCompound), byte(count)})
			a.packet([]byte{byte(wire.TypeCompound), byte(count), 0})
			a.packet(append([]byte{byte(wire.TypeCompound), byte(count)}, make([]byte, count)...))
			a.packet(append([]byte{byte(wire.TypeCompound), byte(count)}, bytes.Repeat([]byte{0xff}, 2*count)...))
		}
	})
}

func TestMalformedEmptyCommand(t *testing.T) {
	attack(t, nil, func(a *attacker) {
		a.packet(nil)
		a.packet(compressed(t, nil))
		a.packet([]byte{byte(wire.TypeCompound), 3, 0, 0, 0, 0, 0, 0})
		a.packet([]byte{byte(wire.TypeChecksum), 0, 0, 0, 0})
		a.packet([]byte{byte(wire.TypeChecksum)})
		for kind := range 256 {
			a.packet([]byte{byte(kind)})
		}
	})
	attack(t, encrypted, func(a *attacker) {
		a.packet(a.sealed(wire.SealVersion0, nil, nil))
		a.packet(a.sealed(wire.SealVersion1, nil, nil))
		a.packet(a.sealed(wire.SealVersion1, compressed(t, nil), nil))
	})
}

func TestMalformedEmptyStream(t *testing.T) {
	attack(t, nil, func(a *attacker) {
		a.stream(compressed(t, nil))
		for kind := range 256 {
			if kind != int(wire.TypeLabel) {
				a.stream([]byte{byte(kind), 0xc1})
			}
		}
	})
	attack(t, encrypted, func(a *attacker) {
		for version := range uint8(2) {
			header := []byte{byte(wire.TypeEncrypt), 0, 0, 0, byte(wire.SealedSize(version, 0))}
			a.stream(append(header, a.sealed(version, nil, header)...))
		}
	})
}

func TestMalformedVersions(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*memberlist.Config)
	}{
		{"plain", nil},
		{"alive delegate", func(c *memberlist.Config) { c.Alive = refuser{} }},
		{"merge delegate", func(c *memberlist.Config) { c.Merge = refuser{} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			attack(t, tt.change, func(a *attacker) {
				var states []byte
				n := 0
				for size := range 6 {
					vsn := []byte{0, 0, 0, 0, 0}[:size]
					name := fmt.Sprintf("v%d", size)
					a.packet((&wire.Alive{Incarnation: 1, Node: name, Addr: []byte{10, 0, 0, 9}, Port: 1, Vsn: vsn}).Append(nil))
					states = (&wire.PushNodeState{Name: name, Addr: []byte{10, 0, 0, 9}, Port: 1, Incarnation: 1, Vsn: vsn}).Append(states)
					n++
				}
				header := wire.PushPullHeader{Nodes: n, Join: true}
				a.stream(append(header.Append(nil), states...))
			})
		})
	}
}

// TestNoVersionsPoisonNoJoin: a process that announces no versions, impossible ones or those of another program is no
// member, is not gossiped about, and keeps no other from joining.
func TestNoVersionsPoisonNoJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(2, nil)
		defer c.stop()
		end := c.outsider(66)
		for i, vsn := range [][]byte{nil, {1, 5}, {0, 0, 0, 0, 0, 0}, {1, 5, 2, 9, 0, 0}, {1, 5, 2, 4, 6, 5}} {
			name := fmt.Sprintf("ghost-%d", i)
			end.Send((&wire.Alive{Incarnation: 1, Node: name, Addr: []byte{10, 0, 0, 66}, Port: 7946, Vsn: vsn}).Append(nil), simAddr(0))
		}
		time.Sleep(100 * time.Millisecond)
		if got := c.members[0].NumMembers(); got != 2 {
			t.Errorf("%d members, want 2", got)
		}
		m := c.add(nil)
		if _, err := m.Join([]string{simAddr(0).String()}); err != nil {
			t.Errorf("join: %v", err)
		}
		for member := range m.All() {
			if strings.HasPrefix(member.Name, "ghost") {
				t.Errorf("%s was told", member.Name)
			}
		}
	})
}

// TestForeignMemberInStates: what a peer says of one that is incompatible with us is left out, and the peer is not refused for
// it: only for itself.
func TestForeignMemberInStates(t *testing.T) {
	own, foreign := []byte{1, 5, 2, 0, 0, 0}, []byte{1, 5, 2, 4, 6, 5}
	state := func(name string, host byte, vsn []byte, state int) wire.PushNodeState {
		return wire.PushNodeState{Name: name, Addr: []byte{10, 0, 0, host}, Port: 7946, Incarnation: 1, State: state, Vsn: vsn}
	}
	for _, tt := range []struct {
		name    string
		states  []wire.PushNodeState // sent from 10.0.0.66
		refused bool
	}{
		{"another is foreign", []wire.PushNodeState{state("peer", 66, own, 0), state("other", 67, foreign, 0)}, false},
		{"the peer is foreign", []wire.PushNodeState{state("other", 67, own, 0), state("peer", 66, foreign, 0)}, true},
		{"one of two at the peer's host is", []wire.PushNodeState{state("peer", 66, own, 0), state("other", 66, foreign, 0)}, false},
		{"all are, from elsewhere", []wire.PushNodeState{state("a", 67, foreign, 0), state("b", 68, nil, 0)}, true},
		{"some are, from elsewhere", []wire.PushNodeState{state("a", 67, foreign, 0), state("b", 68, own, 0)}, false},
		{"one that is dead", []wire.PushNodeState{state("peer", 66, foreign, 2)}, false},
		{"nobody", nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newSimCluster(t).grow(1, nil)
				defer c.stop()
				conn, err := c.outsider(66).Dial(t.Context(), simAddr(0))
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				said := (&wire.PushPullHeader{Nodes: len(tt.states)}).Append(nil)
				for i := range tt.states {
					said = tt.states[i].Append(said)
				}
				if _, err := conn.Write(said); err != nil {
					t.Fatal(err)
				}
				kind, err := wire.NewStreamReader(conn, nil).ReadType()
				if err != nil || (kind == wire.TypeErr) != tt.refused {
					t.Errorf("answered with %v, %v; want a refusal: %v", kind, err, tt.refused)
				}
				synctest.Wait()
				want := 1
				for i := range tt.states {
					if !tt.refused && string(tt.states[i].Vsn) == string(own) {
						want++
					}
				}
				if got := c.members[0].NumMembers(); got != want {
					t.Errorf("%d members, want %d", got, want)
				}
			})
		})
	}
}

func TestIncompatibleVersionsAreNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(1, nil)
		defer c.stop()
		m := c.add(func(c *memberlist.Config) {
			c.DelegateProtocolMin, c.DelegateProtocolMax, c.DelegateProtocolVersion = 3, 4, 4
		})
		_, err := m.Join([]string{simAddr(0).String()})
		if err == nil || !strings.Contains(err.Error(), "m0") && !strings.Contains(err.Error(), "m1") {
			t.Errorf("error %v, want one that names the member", err)
		}
		if c.members[0].NumMembers() != 1 || m.NumMembers() != 1 {
			t.Error("incompatible members joined")
		}
	})
}

func TestMalformedLabel(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*memberlist.Config)
	}{
		{"labelled", func(c *memberlist.Config) { c.Label = "blue" }},
		{"unlabelled", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			attack(t, tt.change, func(a *attacker) {
				suspect := (&wire.Suspect{Incarnation: 9, Node: "m1", From: "x"}).Append(nil)
				header, _ := wire.AppendLabel(nil, "green")
				double, _ := wire.AppendLabel(bytes.Clone(header), "blue")
				blue, _ := wire.AppendLabel(nil, "blue")
				long, _ := wire.AppendLabel(nil, strings.Repeat("x", 255))
				for _, h := range [][]byte{header, double, long, {244, 0}, {244}, {244, 9, 'x'}, slices.Concat(blue, blue)} {
					for cut := range len(h) + 1 {
						if cut == 0 && tt.change == nil {
							continue // no header at all is right there
						}
						b := append(bytes.Clone(h[:cut]), suspect...)
						if cut == len(blue) && bytes.Equal(h[:cut], blue) && tt.change != nil {
							continue // that is the right one
						}
						a.packet(b)
						a.packet(h[:cut])
					}
					go a.stream(h)
					go a.stream(append(bytes.Clone(h), (&wire.PushPullHeader{Nodes: 1}).Append(nil)...))
				}
			})
		})
	}
}

func TestMalformedPadding(t *testing.T) {
	attack(t, encrypted, func(a *attacker) {
		for pad := range 256 {
			for _, size := range []int{0, 16, 32} {
				plain := bytes.Repeat([]byte{byte(pad)}, size)
				sealed := a.sealed(wire.SealVersion1, plain, nil)
				sealed[0] = wire.SealVersion0 // the version is not authenticated
				a.packet(sealed)
			}
		}
		a.packet([]byte{2})
		for size := range 40 {
			a.packet(make([]byte, size))
		}
	})
}

func TestMalformedStreamHeaders(t *testing.T) {
	attack(t, nil, func(a *attacker) {
		for _, n := range []int{-1, math.MinInt32, 1<<20 + 1, 1 << 20, math.MaxInt32} {
			go a.stream((&wire.PushPullHeader{Nodes: n}).Append(nil))
			go a.stream((&wire.PushPullHeader{UserStateLen: n}).Append(nil))
			go a.stream((&wire.UserHeader{UserMsgLen: n}).Append(nil))
		}
		// Numbers that an int of 32 bits does not hold; the last two would be 1 if they were truncated.
		for _, n := range []int64{math.MaxInt64, math.MinInt64, 1<<32 + 1, -1<<32 + 1} {
			go a.stream(binary.BigEndian.AppendUint64([]byte("\x06\x81\xa5Nodes\xd3"), uint64(n)))
			go a.stream(binary.BigEndian.AppendUint64([]byte("\x06\x81\xacUserStateLen\xd3"), uint64(n)))
			go a.stream(binary.BigEndian.AppendUint64([]byte("\x08\x81\xaaUserMsgLen\xd3"), uint64(n)))
		}
		a.stream([]byte{byte(wire.TypeEncrypt), 0xff, 0xff, 0xff, 0xff})
	})
	attack(t, encrypted, func(a *attacker) {
		a.stream([]byte{byte(wire.TypeEncrypt), 0xff, 0xff, 0xff, 0xff})
		go a.stream([]byte{byte(wire.TypeEncrypt), 0x01, 0x00, 0x00, 0x00, 1, 2, 3})
		a.stream((&wire.PushPullHeader{Nodes: 0}).Append(nil)) // in plain text
	})
}

func TestMalformedBombs(t *testing.T) {
	attack(t, nil, func(a *attacker) {
		bomb := compressed(t, bytes.Repeat([]byte{byte(wire.TypeCompound)}, 40<<20))
		if len(bomb) > simnet.MaxPacket {
			t.Fatalf("bomb has %d bytes", len(bomb))
		}
		for range 5 {
			a.packet(bomb)
		}
		nested := (&wire.Suspect{Incarnation: 9, Node: "m1", From: "x"}).Append(nil)
		for range 10 {
			nested = compressed(t, nested)
		}
		a.packet(nested)
		a.stream(compressed(t, compressed(t, (&wire.UserHeader{UserMsgLen: 1}).Append(nil))))
		a.stream(compressed(t, bytes.Repeat([]byte{0}, 41<<20)))
		deep := []byte{byte(wire.TypeUser)}
		for range 10 {
			deep, _ = wire.AppendCompound(nil, [][]byte{deep, deep})
			a.packet(deep)
		}
	})
}

func TestMalformedNesting(t *testing.T) {
	attack(t, nil, func(a *attacker) {
		nested := append([]byte{byte(wire.TypeSuspect), 0x81, 0xa1, 'x'}, bytes.Repeat([]byte{0x91}, 60_000)...)
		a.packet(nested)
		nested[0] = byte(wire.TypePing)
		a.packet(nested)
		a.stream(append([]byte{byte(wire.TypePushPull), 0x81, 0xa1, 'x'}, bytes.Repeat([]byte{0x91}, 1<<20)...))
	})
}

func TestMalformedIncarnations(t *testing.T) {
	attack(t, nil, func(a *attacker) {
		for _, name := range []string{"m0", "m1"} {
			a.packet((&wire.Suspect{Incarnation: math.MaxUint32, Node: name, From: "x"}).Append(nil))
			a.packet((&wire.Dead{Incarnation: math.MaxUint32, Node: name, From: "x"}).Append(nil))
			a.packet((&wire.Dead{Incarnation: math.MaxUint32, Node: name, From: name}).Append(nil))
			for _, state := range []memberlist.NodeStateType{memberlist.StateSuspect, memberlist.StateDead, memberlist.StateLeft} {
				buf := (&wire.PushPullHeader{Nodes: 1}).Append(nil)
				a.stream((&wire.PushNodeState{Name: name, Addr: []byte{10, 0, 0, 0}, Port: 7946, State: int(state),
					Incarnation: math.MaxUint32}).Append(buf))
			}
		}
	})
}

func TestMalformedAcks(t *testing.T) {
	attack(t, nil, func(a *attacker) {
		for seq := range uint32(2000) {
			a.packet((&wire.Ack{SeqNo: seq * 2_147_483}).Append(nil))
			a.packet((&wire.Nack{SeqNo: seq * 2_147_483}).Append(nil))
		}
	})
}

func TestMalformedMembers(t *testing.T) {
	attack(t, nil, func(a *attacker) {
		for _, size := range []int{0, 1, 3, 5, 15, 17, 255} {
			a.packet((&wire.Alive{Incarnation: 1, Node: "odd", Addr: make([]byte, size), Port: 1, Vsn: []byte{1, 5, 2, 0, 0, 0}}).Append(nil))
			buf := (&wire.PushPullHeader{Nodes: 1}).Append(nil)
			a.stream((&wire.PushNodeState{Name: "odd", Addr: make([]byte, size), Port: 1, Incarnation: 1}).Append(buf))
			a.packet((&wire.IndirectPing{SeqNo: 1, Target: make([]byte, size), Node: "odd"}).Append(nil))
			a.packet((&wire.Ping{SeqNo: 1, SourceAddr: make([]byte, size), SourcePort: 1}).Append(nil))
		}
		a.packet((&wire.Alive{Incarnation: 1, Addr: []byte{10, 0, 0, 9}, Port: 1}).Append(nil))
		a.packet((&wire.Alive{Incarnation: 1, Node: "big", Addr: []byte{10, 0, 0, 9}, Port: 1, Meta: make([]byte, 513)}).Append(nil))
	})
}

// TestOddButLegalMembers: a port of 0 means the default port, and a name may
// hold a slash.
func TestOddButLegalMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(1, nil)
		defer c.stop()
		end := c.believed()
		end.Send((&wire.Alive{Incarnation: 1, Node: "dc1/rack2", Addr: []byte{10, 0, 0, 66},
			Vsn: []byte{1, 5, 2, 0, 0, 0}}).Append(nil), simAddr(0))
		time.Sleep(100 * time.Millisecond)
		n := c.events[0].last()
		if n.Name != "dc1/rack2" || n.Port != 7946 {
			t.Errorf("member %q at port %d", n.Name, n.Port)
		}
	})
}

// TestDisallowedSenders: packets and streams from outside of the allowed networks are dropped.
func TestDisallowedSenders(t *testing.T) {
	allow := func(c *memberlist.Config) { c.CIDRsAllowed, _ = memberlist.ParseCIDRs([]string{"10.0.0.0/27"}) } // up to 10.0.0.31
	attack(t, allow, func(a *attacker) {
		a.packet((&wire.Suspect{Incarnation: 9, Node: "m1", From: "x"}).Append(nil))
		a.packet((&wire.Dead{Incarnation: 9, Node: "m1", From: "m1"}).Append(nil))
		a.packet((&wire.Ping{SeqNo: 1}).Append(nil))
		if reply := a.stream((&wire.PushPullHeader{}).Append(nil)); len(reply) != 0 {
			t.Errorf("a stream was answered: %x", reply)
		}
		time.Sleep(time.Second)
		select {
		case p := <-a.end.Packets():
			t.Errorf("a packet was answered: %x", p.Data)
		default:
		}
	})
}

// TestNothingIsSentOutsideOfTheAllowedNetworks: whatever addresses an allowed sender names, nothing goes to those that are
// not allowed: no ack, relayed ping, nack, gossip or stream.
func TestNothingIsSentOutsideOfTheAllowedNetworks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(2, func(c *memberlist.Config) { c.CIDRsAllowed, _ = memberlist.ParseCIDRs([]string{"10.0.0.0/27"}) })
		defer c.stop()
		inside, outside := c.outsider(20), c.outsider(66) // up to 10.0.0.31 is allowed
		victim := []byte{10, 0, 0, 66}
		vsn := []byte{1, 5, 2, 0, 0, 0}
		states := (&wire.PushPullHeader{Nodes: 2, Join: true}).Append(nil)
		for _, state := range []memberlist.NodeStateType{memberlist.StateAlive, memberlist.StateSuspect} {
			states = (&wire.PushNodeState{Name: "away" + string(rune('0'+state)), Addr: victim, Port: 7946, Incarnation: 1,
				State: int(state), Vsn: vsn}).Append(states)
		}
		for _, m := range []wire.Message{
			&wire.Ping{SeqNo: 1, SourceAddr: victim, SourcePort: 7946, SourceNode: "away"},
			&wire.IndirectPing{SeqNo: 2, Target: victim, Port: 7946, Node: "away", Nack: true},
			&wire.IndirectPing{SeqNo: 3, Target: []byte{10, 0, 0, 1}, Port: 7946, Node: "m1", Nack: true, SourceAddr: victim,
				SourcePort: 7946},
			&wire.IndirectPing{SeqNo: 4, Target: []byte{10, 0, 0, 9}, Port: 7946, Node: "nobody", Nack: true, SourceAddr: victim,
				SourcePort: 7946}, // no ack comes: a nack is due
			&wire.Alive{Incarnation: 1, Node: "away", Addr: victim, Port: 7946, Vsn: vsn},
			&wire.Alive{Incarnation: 9, Node: "m1", Addr: victim, Port: 7946, Vsn: vsn},
		} {
			inside.Send(m.Append(nil), simAddr(0))
		}
		conn, err := inside.Dial(t.Context(), simAddr(0))
		if err != nil {
			t.Fatal(err)
		}
		conn.Write(states)
		time.Sleep(2 * time.Minute) // probes, gossip and push/pulls
		conn.Close()
		select {
		case p := <-outside.Packets():
			t.Errorf("a packet was sent: %x", p.Data)
		case <-outside.Streams():
			t.Error("a stream was opened")
		default:
		}
		if n := c.members[0].NumMembers(); n != 2 {
			t.Errorf("%d members, want 2", n)
		}
	})
}
