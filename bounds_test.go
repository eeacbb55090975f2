package memberlist

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist/internal/race"
	"github.com/e3431adc/memberlist/internal/simnet"
	"github.com/e3431adc/memberlist/internal/streamset"
	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// heap returns the number of bytes in use after a collection.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestHeadersClaimNothing: streams that declare large contents and send none take no memory for them. In the
// reference 20 of the first kind took 2,240 MB, 40 of the second 800 MB.
func TestHeadersClaimNothing(t *testing.T) {
	plain := func(*Config) {}
	for _, tt := range []struct {
		name   string
		change func(*Config)
		count  int
		opener []byte
	}{
		{"a million states", plain, 20, (&wire.PushPullHeader{Nodes: 1 << 20, UserStateLen: 20 << 20}).Append(nil)},
		{"a user message of 20 MiB", plain, 40, (&wire.UserHeader{UserMsgLen: 20 << 20}).Append(nil)},
		{"a compressed message of 20 MiB", plain, 40, []byte("\x09\x82\xa4Algo\x00\xa3Buf\xdb\x01\x40\x00\x00")},
		{"a sealed frame of 20 MiB", encrypted, 40, []byte{byte(wire.TypeEncrypt), 0x01, 0x3f, 0xff, 0xff}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := new(MockNetwork)
				victim := newMember(t, network, "victim", tt.change)
				end := outsider(t, network, 66)
				before := heap()
				var conns []net.Conn
				for range tt.count {
					conn, err := end.Dial(context.Background(), addrOf(victim))
					if err != nil {
						t.Fatal(err)
					}
					conn.Write(tt.opener)
					conns = append(conns, conn)
				}
				time.Sleep(time.Second)
				took := heap() - before
				if took > 10<<20 {
					t.Errorf("%d streams took %d bytes, want less than 10 MB", tt.count, took)
				}
				t.Logf("%d streams of %d bytes took %d kB", tt.count, len(tt.opener), took/1000)
				time.Sleep(10 * time.Second) // TCPTimeout
				for _, conn := range conns {
					conn.SetReadDeadline(time.Now().Add(time.Millisecond))
					if _, err := conn.Read(make([]byte, 1000)); err != nil && isTimeout(err) {
						t.Fatal("a stream is open after TCPTimeout")
					}
				}
				if n := victim.streams.Bytes(); n != 0 {
					t.Errorf("%d bytes still reserved", n)
				}
			})
		})
	}
}

func isTimeout(err error) bool {
	ne, ok := err.(net.Error)
	return ok && ne.Timeout()
}

// TestPacketStorm: a million random and mutated packets, in plain text or sealed with the right key, change no state
// and leave no memory in use.
func TestPacketStorm(t *testing.T) {
	cipher, err := wire.NewCipher(attackKey)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		change func(*Config)
		wrap   func([]byte) []byte
	}{
		{"plain", func(*Config) {}, func(b []byte) []byte { return b }},
		{"sealed", encrypted, func(b []byte) []byte {
			return cipher.AppendSealed(nil, wire.SealVersion1, new([wire.NonceSize]byte), b, nil)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := new(MockNetwork)
				victim, other := newMember(t, network, "victim", tt.change), newMember(t, network, "other", tt.change)
				joinMember(t, other, victim)
				storm(t, victim, other, tt.wrap)
			})
		})
	}
}

func storm(t *testing.T, victim, other *Memberlist, wrap func([]byte) []byte) {
	t.Helper()
	packets := 1_000_000
	if race.Enabled || testing.Short() {
		packets = 50_000
	}
	rng := rand.New(rand.NewPCG(1, 2))
	seeds := recordedPackets()
	r := newReceiver(victim)
	from := peer(66)
	names := func() (names []string) {
		for _, n := range victim.Members() {
			names = append(names, n.Name)
		}
		slices.Sort(names)
		return names
	}
	before, heapBefore := names(), heap()
	for i := range packets {
		r.handlePacket(&Packet{Buf: wrap(mutated(rng, seeds)), From: from})
		if i%1000 == 0 {
			synctest.Wait() // let the hand-off drain
		}
	}
	time.Sleep(20 * time.Second)
	synctest.Wait()
	if got := names(); !slices.Equal(got, before) {
		t.Errorf("members %v, before %v", got, before)
	}
	took := heap() - heapBefore
	if took > 5<<20 {
		t.Errorf("%d bytes are left behind", took)
	}
	t.Logf("%d packets, %d kB of heap left", packets, took/1000)
	if _, err := other.Ping("victim", net.UDPAddrFromAddrPort(addrOf(victim))); err != nil {
		t.Errorf("ping: %v", err)
	}
}

// recordedPackets returns packets of real members, about members of a cluster that the receiver has never heard of,
// so that no mutation of them is news.
func recordedPackets() [][]byte {
	suspect := (&wire.Suspect{Incarnation: 1, Node: "nobody", From: "someone"}).Append(nil)
	dead := (&wire.Dead{Incarnation: 1, Node: "nobody", From: "someone"}).Append(nil)
	ping := (&wire.Ping{SeqNo: 7, Node: "another", SourceAddr: []byte{10, 0, 0, 66}, SourcePort: 7946}).Append(nil)
	ack := (&wire.Ack{SeqNo: 7, Payload: []byte("payload")}).Append(nil)
	nack := (&wire.Nack{SeqNo: 7}).Append(nil)
	compound, _ := wire.AppendCompound(nil, [][]byte{suspect, dead, ping, ack, nack})
	var c wire.Compressor
	packed := c.Append(nil, compound)
	sum := append(make([]byte, wire.ChecksumSize), packed...)
	wire.PutChecksum(sum)
	return [][]byte{suspect, dead, ping, ack, nack, compound, packed, sum}
}

// mutated returns one of the seeds with a few bytes changed, or noise.
func mutated(rng *rand.Rand, seeds [][]byte) []byte {
	if rng.IntN(4) == 0 {
		b := make([]byte, rng.IntN(200))
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		if len(b) > 0 && wire.Type(b[0]) == wire.TypeAlive {
			b[0] = byte(wire.TypeUser)
		}
		return b
	}
	b := slices.Clone(seeds[rng.IntN(len(seeds))])
	for range 1 + rng.IntN(4) {
		b[rng.IntN(len(b))] = byte(rng.Uint32())
	}
	return b[:1+rng.IntN(len(b))]
}

// TestSlowStreamsStarveNobody: streams that send nothing, or next to nothing, keep no member from exchanging states,
// however many sources open as many as they can, and end by TCPTimeout.
func TestSlowStreamsStarveNobody(t *testing.T) {
	request := (&wire.PushPullHeader{Nodes: 3, Join: true}).Append(nil)
	for _, tt := range []struct {
		name    string
		sources int
		say     func(net.Conn)
	}{
		{"silent", 1, func(net.Conn) {}},
		{"silent, from everywhere", 6, func(net.Conn) {}},
		{"begin a push/pull", 1, func(conn net.Conn) { conn.Write(request) }},
		{"begin a push/pull, from everywhere", 6, func(conn net.Conn) { conn.Write(request) }},
		{"a byte each half second", 1, func(conn net.Conn) {
			header := (&wire.UserHeader{UserMsgLen: 1000}).Append(nil)
			for _, err := conn.Write(header); err == nil; _, err = conn.Write([]byte("x")) {
				time.Sleep(500 * time.Millisecond)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := new(MockNetwork)
				victim := newMember(t, network, "victim", nil)
				s := &victim.streams
				for source := range tt.sources {
					end := outsider(t, network, 60+source)
					for range 600 / tt.sources {
						conn, err := end.Dial(context.Background(), addrOf(victim))
						if err != nil {
							t.Fatal(err)
						}
						go tt.say(conn) // ends when the other side closes the stream
					}
				}
				time.Sleep(2 * time.Second)
				if got, want := s.NumInbound(), streamset.MaxInbound; got != want {
					t.Errorf("%d streams are served, want %d", got, want)
				}
				m := newMember(t, network, "joins", nil)
				if _, err := m.Join([]string{victim.LocalNode().Address()}); err != nil {
					t.Errorf("join among slow streams: %v", err)
				}
				time.Sleep(10 * time.Second)
				if s.NumInbound() != 0 {
					t.Errorf("%d streams are served after TCPTimeout", s.NumInbound())
				}
			})
		})
	}
}

// TestStreamsThatReopen: sources that hold as many streams as they get, and open each again as soon as it is closed, keep no member
// from joining, whether it has an address of its own or shares one with them.
func TestStreamsThatReopen(t *testing.T) {
	request := (&wire.PushPullHeader{Nodes: 3, Join: true}).Append(nil)
	address := func(i int) netip.AddrPort { return netip.AddrPortFrom(peerAddr(i).Addr(), uint16(5000+i)) }
	shared := func(i int) netip.AddrPort { // the address of all members of a MockNetwork
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(5000+i))
	}
	for _, tt := range []struct {
		name    string
		sources int
		streams int // of each source
		address func(i int) netip.AddrPort
		say     []byte
	}{
		{"silent, 4 sources", 4, 200, address, nil},
		{"silent, 8 sources", 8, 100, address, nil},
		{"begin a push/pull, 8 sources", 8, 100, address, request},
		{"silent, few enough, at the joiner's address", 1, 200, shared, nil},
		{"silent, at the joiner's address", 1, 600, shared, nil},
		{"begin a push/pull, at the joiner's address", 1, 600, shared, request},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := new(MockNetwork)
				victim := newMember(t, network, "victim", nil)
				network.mu.network.SetDefault(simnet.Link{Latency: time.Millisecond})
				ctx, end := context.WithCancel(t.Context())
				var attackers sync.WaitGroup
				for source := range tt.sources {
					from, err := network.mu.network.Listen(tt.address(source))
					if err != nil {
						t.Fatal(err)
					}
					defer from.Close()
					for range tt.streams {
						attackers.Go(func() { reopen(ctx, from, addrOf(victim), tt.say) })
					}
				}
				time.Sleep(20 * time.Millisecond)
				var joiners sync.WaitGroup
				var joined atomic.Int32
				for i := range 20 {
					m := newMember(t, network, fmt.Sprint("joins", i), func(c *Config) { c.TCPTimeout = 100 * time.Millisecond })
					joiners.Go(func() {
						time.Sleep(time.Duration(i) * 100 * time.Microsecond)
						if _, err := m.Join([]string{victim.LocalNode().Address()}); err == nil {
							joined.Add(1)
						}
					})
				}
				joiners.Wait()
				if joined.Load() != 20 {
					t.Errorf("%d of 20 joins succeeded", joined.Load())
				}
				end()
				attackers.Wait()
			})
		})
	}
}

// reopen opens a stream, and again as soon as it is closed, until ctx ends.
func reopen(ctx context.Context, from *simnet.Endpoint, to netip.AddrPort, say []byte) {
	for ctx.Err() == nil {
		conn, err := from.Dial(ctx, to)
		if err != nil {
			time.Sleep(time.Millisecond)
			continue
		}
		stop := context.AfterFunc(ctx, func() { conn.Close() })
		conn.Write(say)
		io.Copy(io.Discard, conn)
		stop()
		conn.Close()
	}
}

// TestInboundMemoryIsBounded: many streams that send all that they declare share one budget.
func TestInboundMemoryIsBounded(t *testing.T) {
	if race.Enabled || testing.Short() {
		t.Skip("copies hundreds of megabytes")
	}
	synctest.Test(t, func(t *testing.T) {
		network := new(MockNetwork)
		victim := newMember(t, network, "victim", nil)
		opener := (&wire.UserHeader{UserMsgLen: 20 << 20}).Append(nil)
		most := int64(0)
		for source := range 3 {
			end := outsider(t, network, 60+source)
			for i := range 10 {
				go func() {
					for range 2 {
						conn, err := end.Dial(context.Background(), addrOf(victim))
						if err != nil {
							return
						}
						conn.Write(opener)
						if _, err = conn.Write(make([]byte, 20<<20-1)); err == nil { // all but the last byte
							return
						}
						time.Sleep(time.Duration(10*source+i) * time.Millisecond) // many that grew at the same time were refused
					}
				}()
			}
		}
		for range 100 {
			synctest.Wait()
			most = max(most, victim.streams.Bytes())
			time.Sleep(200 * time.Millisecond)
		}
		if most > streamset.MaxBytes || most < streamset.MaxBytes/2 {
			t.Errorf("streams took up to %d bytes, the budget is %d", most, streamset.MaxBytes)
		}
		if n := victim.streams.Bytes(); n != 0 {
			t.Errorf("%d bytes still reserved", n)
		}
	})
}

// TestLastIncarnation: messages of a stranger at the last incarnations do not keep a member from announcing changes. Those of
// other members may, in the end; then it returns an error when it has to announce a change, and changes nothing.
func TestLastIncarnation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := new(MockNetwork)
		m := newMember(t, network, "m", func(c *Config) { c.Delegate = callback{func(string) {}} })
		other := newMember(t, network, "other", nil)
		joinMember(t, other, m)
		suspect := func(incarnation uint32, from net.Addr) {
			message := (&wire.Suspect{Incarnation: incarnation, Node: "m", From: "other"}).Append(nil)
			newReceiver(m).handlePacket(&Packet{Buf: message, From: from})
			time.Sleep(time.Second)
		}
		for _, incarnation := range []uint32{math.MaxUint32, math.MaxUint32 - 1, math.MaxUint32 - 2, 1 << 31} {
			suspect(incarnation, peer(66))
		}
		if err := m.UpdateNode(10 * time.Second); err != nil {
			t.Error(err)
		}
		if known, ok := other.Member("m"); !ok || known.Incarnation != 2 {
			t.Errorf("known at incarnation %d, want 2", known.Incarnation)
		}

		at := netip.MustParseAddrPort(m.LocalNode().Address())
		for _, incarnation := range []uint32{math.MaxUint32 - 2 - 1<<20, math.MaxUint32 - 2} {
			states := wire.StatesOf(wire.PushNodeState{Name: "m", Addr: at.Addr().AsSlice(), Port: at.Port(), Incarnation: incarnation,
				State: int(StateSuspect), Vsn: []byte{1, 5, 2, 0, 0, 0}})
			turn, replied := m.begin(), swim.Dialled(netip.MustParseAddrPort(other.LocalNode().Address()))
			turn.core.Merge(&replied, &states)
			turn.commit()
		}
		if err := m.UpdateNode(10 * time.Second); !errors.Is(err, ErrIncarnationExhausted) {
			t.Errorf("UpdateNode: %v, want ErrIncarnationExhausted", err)
		}
		before := m.LocalNode().Address()
		if err := m.SetAdvertiseAddr(t.Context(), net.IPv4(127, 0, 0, 9).String(), 0); !errors.Is(err, ErrIncarnationExhausted) {
			t.Errorf("SetAdvertiseAddr: %v, want ErrIncarnationExhausted", err)
		}
		if after := m.LocalNode().Address(); after != before {
			t.Errorf("the address is %s, want still %s", after, before)
		}
	})
}
