package clustertest

import (
	crand "crypto/rand"

	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/simnet"
	"github.com/e3431adc/memberlist/internal/wire"

	"github.com/e3431adc/memberlist"
)

// fixedTransport has an address to advertise that is given to it.
type fixedTransport struct {
	memberlist.Transport
	ip net.IP
}

func (f fixedTransport) FinalAdvertiseAddr(string, int) (net.IP, int, error) { return f.ip, 7946, nil }

// plainBroadcast is a Broadcast that invalidates those with the same key, and counts how often it was finished with.
type plainBroadcast struct {
	key      string
	message  string
	finished atomic.Int32
	then     func() // called by Finished
}

func (b *plainBroadcast) Invalidates(other memberlist.Broadcast) bool {
	o, ok := other.(*plainBroadcast)
	return ok && o.key == b.key
}

func (b *plainBroadcast) Message() []byte { return []byte(b.message) }

func (b *plainBroadcast) Finished() {
	b.finished.Add(1)
	if b.then != nil {
		b.then()
	}
}

// voidTransport sends nothing anywhere and receives nothing.
type voidTransport struct {
	packets chan *memberlist.Packet
	streams chan net.Conn
}

func newVoidTransport() *voidTransport {
	return &voidTransport{make(chan *memberlist.Packet), make(chan net.Conn)}
}

func (*voidTransport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return net.IPv4(10, 99, 0, 1).To4(), 7946, nil
}

func (*voidTransport) WriteTo([]byte, string) (time.Time, error) { return time.Now(), nil }

func (v *voidTransport) PacketCh() <-chan *memberlist.Packet { return v.packets }

func (*voidTransport) DialTimeout(string, time.Duration) (net.Conn, error) {
	return nil, errors.New("nobody is there")
}

func (v *voidTransport) StreamCh() <-chan net.Conn { return v.streams }

func (*voidTransport) Shutdown() error { return nil }

// awaitRun fails the test if nothing comes.
func awaitRun(t *testing.T, runs <-chan int) int {
	t.Helper()
	select {
	case n := <-runs:
		return n
	case <-time.After(time.Minute):
		t.Fatal("no run")
		return 0
	}
}

// recordHandler keeps records with their attributes.
type recordHandler struct {
	mu      sync.Mutex
	records []map[string]string
}

func (h *recordHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h *recordHandler) WithAttrs([]slog.Attr) slog.Handler { panic("not used") }

func (h *recordHandler) WithGroup(string) slog.Handler { panic("not used") }

func (h *recordHandler) Handle(_ context.Context, r slog.Record) error {
	record := map[string]string{"": r.Message, "level": r.Level.String(), "file": filepath.Base(r.Source().File)}
	r.Attrs(func(a slog.Attr) bool {
		record[a.Key] = a.Value.String()
		return true
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	h.records = append(h.records, record)
	return nil
}

// find gives the records whose message begins with a text.
func (h *recordHandler) find(text string) (found []map[string]string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.records {
		if strings.HasPrefix(r[""], text) {
			found = append(found, r)
		}
	}
	return found
}

// provokeLogs has a small cluster write as many kinds of lines as it can.
func provokeLogs(t *testing.T, secrets map[string][]byte, sealed bool, text *lineBuffer, records *recordHandler) {
	c := newSimCluster(t)
	defer c.stop()
	var delegates []*secretive
	refuse := new(atomic.Bool)
	use := func(config *memberlist.Config) {
		d := &secretive{secrets: secrets}
		d.set(secrets["metadata"])
		d.state = secrets["state"]
		config.Delegate, config.Ping = d, d
		config.Merge, config.Alive = mergeFunc(func([]*memberlist.Node) error {
			if refuse.Load() {
				return errors.New("no merge today")
			}
			return nil
		}), aliveFunc(func(n *memberlist.Node) error {
			if n.Name == "refused" {
				return errors.New("not this one")
			}
			return nil
		})
		config.PushPullInterval = 5 * time.Second
		config.SuspicionMult = 2
		if sealed {
			config.SecretKey = secrets["key"]
		}
		if len(delegates)%2 == 0 {
			config.LogOutput, config.SlogHandler = nil, records
		} else {
			config.LogOutput = text
		}
		delegates = append(delegates, d)
	}
	c.grow(6, use)
	c.await(settles, func() bool { return c.agree(6) })

	// A stranger with another key, or none, and one with broken messages.
	stranger, err := memberlist.Create(func() *memberlist.Config {
		config := c.simConfig(50)
		use(config)
		config.Label = "another"
		config.SecretKey = secrets["other key"]
		return config
	}())
	if err != nil {
		t.Fatal(err)
	}
	c.members = append(c.members, stranger)
	if _, err := stranger.Join([]string{simAddr(0).String(), simAddr(99).String(), "[::1"}); err == nil {
		t.Error("a stranger joined")
	}
	end := c.outsider(66)
	alive := wire.Alive{Incarnation: 7, Node: "m2", Addr: simAddr(66).Addr().AsSlice(), Port: 7946, Meta: secrets["metadata"],
		Vsn: []byte{1, 5, 2, 0, 0, 0}}
	refused, versions, maximum := alive, alive, wire.Suspect{Incarnation: 9, Node: "m0", From: "m1"}
	refused.Node = "refused"
	versions.Node, versions.Vsn = "v", []byte{9, 1, 1, 0, 0, 0}
	message := append([]byte{byte(wire.TypeUser)}, secrets["message"]...)
	for to := range 2 {
		send := func(m []byte) {
			if sealed {
				cipher, err := wire.NewCipher(secrets["key"])
				if err != nil {
					t.Fatal(err)
				}
				m = cipher.AppendSealed(nil, wire.SealVersion1, new([wire.NonceSize]byte), m, nil)
			}
			end.Send(m, simAddr(to))
			time.Sleep(10 * time.Millisecond)
		}
		end.Send(alive.Append(nil), simAddr(to)) // in plain text
		for _, m := range [][]byte{alive.Append(nil), refused.Append(nil), versions.Append(nil), maximum.Append(nil), message} {
			send(m)
			for cut := range m {
				send(m[:cut])
			}
			damaged := append(make([]byte, wire.ChecksumSize), m...)
			wire.PutChecksum(damaged)
			damaged[len(damaged)-1]++
			send(damaged)
			send(append([]byte{99}, m...))
			if conn, err := end.Dial(t.Context(), simAddr(to)); err == nil {
				conn.Write(m)
				time.Sleep(time.Millisecond)
				conn.Close()
			}
		}
	}
	refuse.Store(true) // push/pulls that join
	if _, err := c.members[1].Join([]string{simAddr(0).String()}); err == nil {
		t.Error("joined though the delegate refuses")
	}
	refuse.Store(false)
	if err := c.members[0].SendBestEffort(c.members[1].LocalNode(), bytes.Repeat(secrets["message"], 10_000)); err == nil {
		t.Error("a message of 190,000 bytes was sent")
	}
	delegates[0].oversize.Store(true)
	time.Sleep(10 * time.Second)

	c.network.SetDefault(simnet.Link{Latency: time.Millisecond, PacketsDown: true})
	time.Sleep(20 * time.Second)
	c.network.SetDefault(simnet.Link{Latency: time.Millisecond, StreamsDown: true})
	time.Sleep(time.Minute)
	c.network.SetDefault(simnet.Link{Latency: time.Millisecond})
	broken := error(&net.OpError{Op: "write", Net: "udp", Err: errors.New("no buffer space")})
	c.transport(0).writeErr.Store(&broken)
	time.Sleep(5 * time.Second)
	c.transport(0).writeErr.Store(nil)
	c.network.Partition([]netip.AddrPort{simAddr(0), simAddr(1)})
	time.Sleep(2 * time.Minute)
	c.network.Heal()
	time.Sleep(2 * time.Minute)
}

// secretive is a delegate with secrets in all that it gives.
type secretive struct {
	testDelegate
	secrets  map[string][]byte
	oversize atomic.Bool
}

func (d *secretive) AckPayload() []byte {
	if d.oversize.Load() {
		return bytes.Repeat(d.secrets["payload"], 100)
	}
	return d.secrets["payload"]
}

func (d *secretive) NotifyPingComplete(*memberlist.Node, time.Duration, []byte) {}

func (d *secretive) GetBroadcasts(overhead, limit int) [][]byte {
	if d.oversize.Load() {
		return [][]byte{bytes.Repeat(d.secrets["message"], 100)}
	}
	return [][]byte{d.secrets["message"]}
}

// wantGoroutines waits for goroutines that have done their work to be gone too.
func wantGoroutines(t *testing.T, want int) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for runtime.NumGoroutine() > want {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<16)
			t.Fatalf("%d goroutines, want %d:\n%s", runtime.NumGoroutine(), want, stacks[:runtime.Stack(stacks, true)])
		}
		runtime.Gosched()
	}
}

// lookupFunc is a Resolver that knows hosts alone.
type lookupFunc func(ctx context.Context, host string) ([]netip.Addr, error)

func (f lookupFunc) LookupNetIP(ctx context.Context, _, host string) ([]netip.Addr, error) {
	return f(ctx, host)
}

func (f lookupFunc) LookupSRV(context.Context, string, string, string) (string, []*net.SRV, error) {
	return "", nil, errors.New("no services here")
}

func parseIPs(texts ...string) (ips []netip.Addr) {
	for _, text := range texts {
		ips = append(ips, netip.MustParseAddr(text))
	}
	return ips
}

func testKeys() (a, b, c []byte) {
	return bytes.Repeat([]byte{1}, 16), bytes.Repeat([]byte{2}, 24), bytes.Repeat([]byte{3}, 32)
}

// simTransport carries a member's traffic over a network in memory.
type simTransport struct {
	end     *simnet.Endpoint
	packets chan *memberlist.Packet
	ctx     context.Context
	cancel  context.CancelFunc

	dials    atomic.Int64
	writeErr atomic.Pointer[error] // returned by every write, if set
}

func newSimTransport(t testing.TB, network *simnet.Network, addr netip.AddrPort) *simTransport {
	t.Helper()
	s := &simTransport{packets: make(chan *memberlist.Packet, 1024)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	end, err := network.ListenFunc(addr, func(p simnet.Packet) bool {
		select {
		case s.packets <- &memberlist.Packet{Buf: p.Data, From: net.UDPAddrFromAddrPort(p.From), Timestamp: p.Time}:
			return true
		default:
			return false
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	s.end = end
	return s
}

func (s *simTransport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return s.end.Addr().Addr().AsSlice(), int(s.end.Addr().Port()), nil
}

func (s *simTransport) WriteTo(b []byte, addr string) (time.Time, error) {
	if err := s.writeErr.Load(); err != nil {
		return time.Time{}, *err
	}
	to, err := netip.ParseAddrPort(addr)
	if err != nil {
		return time.Time{}, err
	}
	return time.Now(), s.end.Send(b, to)
}

func (s *simTransport) PacketCh() <-chan *memberlist.Packet { return s.packets }

func (s *simTransport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	s.dials.Add(1)
	to, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(s.ctx, timeout)
	defer cancel()
	return s.end.Dial(ctx, to)
}

func (s *simTransport) StreamCh() <-chan net.Conn { return s.end.Streams() }

func (s *simTransport) Shutdown() error {
	s.cancel()
	return s.end.Close()
}

// simAddr is the address of member i.
func simAddr(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 7946)
}

// simCluster is a number of members on one network in memory.
type simCluster struct {
	t       testing.TB
	network *simnet.Network
	ghosts  *simnet.Endpoint // that hearOfGhosts sends from
	members []*memberlist.Memberlist
	configs []*memberlist.Config // after Create
	events  []*eventLog
}

func newSimCluster(t testing.TB) *simCluster {
	t.Helper()
	c := &simCluster{t: t, network: simnet.New(1)}
	c.network.SetDefault(simnet.Link{Latency: time.Millisecond})
	return c
}

// simConfig is a configuration for member i, quiet, with the defaults for a
// LAN.
func (c *simCluster) simConfig(i int) *memberlist.Config {
	c.t.Helper()
	config := memberlist.DefaultLANConfig()
	config.Name = fmt.Sprintf("m%d", i)
	config.LogOutput = io.Discard
	config.Transport = newSimTransport(c.t, c.network, simAddr(i))
	return config
}

// add creates the next member.
func (c *simCluster) add(change func(*memberlist.Config)) *memberlist.Memberlist {
	c.t.Helper()
	i := len(c.members)
	config := c.simConfig(i)
	log := new(eventLog)
	config.Events = log
	if change != nil {
		change(config)
	}
	m, err := memberlist.Create(config)
	if err != nil {
		c.t.Fatal(err)
	}
	c.members, c.configs = append(c.members, m), append(c.configs, config)
	c.events = append(c.events, log)
	return m
}

// transport returns the transport of member i, unless its configuration was given another one.
func (c *simCluster) transport(i int) *simTransport {
	c.t.Helper()
	return c.configs[i].Transport.(*simTransport)
}

// outsider opens an address for one that is no member and sends what it likes.
func (c *simCluster) outsider(i int) *simnet.Endpoint {
	c.t.Helper()
	end, err := c.network.Listen(simAddr(i))
	if err != nil {
		c.t.Fatal(err)
	}
	return end
}

// hearOfGhosts lets a member hear of n others that do not exist, half of them too old to understand checksums, with names of
// many lengths. The packets go through wrap, if it is not nil.
func (c *simCluster) hearOfGhosts(member, n int, incarnation uint32, wrap func([]byte) []byte) {
	c.t.Helper()
	if c.ghosts == nil {
		c.ghosts = c.outsider(999)
	}
	for i := range n {
		addr := simAddr(1000 + i)
		packet := (&wire.Alive{
			Incarnation: incarnation,
			Node:        fmt.Sprint("ghost", i, strings.Repeat("y", i%50)),
			Addr:        addr.Addr().AsSlice(),
			Port:        addr.Port(),
			Vsn:         []byte{1, byte(4 + i%2), 2, 0, 0, 0},
		}).Append(nil)
		if wrap != nil {
			packet = wrap(packet)
		}
		if err := c.ghosts.Send(packet, simAddr(member)); err != nil {
			c.t.Error(err)
		}
	}
	time.Sleep(5 * time.Millisecond) // until they have arrived
}

// grow makes a cluster of n joined members.
func (c *simCluster) grow(n int, change func(*memberlist.Config)) *simCluster {
	c.t.Helper()
	for range n {
		m := c.add(change)
		if len(c.members) == 1 {
			continue
		}
		if _, err := m.Join([]string{simAddr(0).String()}); err != nil {
			c.t.Fatal(err)
		}
	}
	return c
}

// stop shuts every member down.
func (c *simCluster) stop() {
	for _, m := range c.members {
		m.Shutdown()
	}
	c.network.Close()
}

// agree reports whether all members but those excepted count n members.
func (c *simCluster) agree(n int, except ...int) bool {
	for i, m := range c.members {
		if !slices.Contains(except, i) && m.NumMembers() != n {
			return false
		}
	}
	return true
}

// settles is how long the views of a cluster may take to agree, in virtual time.
// Gossip brings news within a second or two but at times misses a member, and
// then a push/pull does: one in 30 s for each member, more rarely in a large
// cluster.
const settles = 10 * time.Minute

// await steps virtual time until a condition holds, and returns how long it
// took.
func (c *simCluster) await(limit time.Duration, condition func() bool) time.Duration {
	c.t.Helper()
	start := time.Now()
	for !condition() {
		if time.Since(start) > limit {
			c.t.Fatalf("not so after %v", limit)
		}
		time.Sleep(time.Millisecond) // in a bubble: virtual
	}
	return time.Since(start)
}

// eventLog notes events, as "join m1" and so on.
type eventLog struct {
	mu     sync.Mutex
	events []string
	nodes  []*memberlist.Node
}

func (l *eventLog) add(kind string, n *memberlist.Node) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, kind+" "+n.Name)
	l.nodes = append(l.nodes, n)
}

func (l *eventLog) NotifyJoin(n *memberlist.Node) { l.add("join", n) }

func (l *eventLog) NotifyLeave(n *memberlist.Node) { l.add("leave", n) }

func (l *eventLog) NotifyUpdate(n *memberlist.Node) { l.add("update", n) }

func (l *eventLog) list() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.events...)
}

// last is the Node of the last event.
func (l *eventLog) last() *memberlist.Node {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.nodes[len(l.nodes)-1]
}

func (l *eventLog) count(event string) (n int) {
	for _, e := range l.list() {
		if e == event {
			n++
		}
	}
	return n
}

// newNonce returns a random nonce.
func newNonce() *[wire.NonceSize]byte {
	nonce := new([wire.NonceSize]byte)
	crand.Read(nonce[:]) // never fails
	return nonce
}

func mustUDP(a netip.AddrPort) net.Addr { return net.UDPAddrFromAddrPort(a) }

// packetContents notes what the packets that go out hold.
type packetContents struct {
	*simTransport
	mu       sync.Mutex
	unpacker wire.Unpacker
	sizes    []int // on the wire
	held     []int // messages in each
	bodies   [][]byte
}

func (c *packetContents) WriteTo(b []byte, addr string) (time.Time, error) {
	c.mu.Lock()
	c.sizes, c.held = append(c.sizes, len(b)), append(c.held, 0)
	c.unpacker.Unpack(b, func(_ wire.Type, body []byte) {
		c.held[len(c.held)-1]++
		c.bodies = append(c.bodies, slices.Clone(body))
	})
	c.mu.Unlock()
	return c.simTransport.WriteTo(b, addr)
}

// recordContents has a member's packets looked into.
func recordContents(c *memberlist.Config) *packetContents {
	contents := &packetContents{simTransport: c.Transport.(*simTransport)}
	c.Transport = contents
	return contents
}

// manyAlives is what is said of n members with so many bytes of metadata of no pattern.
func manyAlives(n, meta int) (messages [][]byte) {
	rng := rand.NewChaCha8([32]byte{1})
	for i := range n {
		a := wire.Alive{Incarnation: 1, Node: simAddr(i).String(), Port: 7946, Meta: make([]byte, meta), Vsn: []byte{1, 5, 2, 0, 0, 0}}
		ip := simAddr(i).Addr().As4()
		a.Addr = ip[:]
		rng.Read(a.Meta)
		messages = append(messages, a.Append(nil))
	}
	return messages
}
