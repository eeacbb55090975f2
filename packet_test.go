package memberlist

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// TestCompoundsAreSplit: a packet of more messages than a compound can count,
// or with one larger than it can, is sent as several.
func TestCompoundsAreSplit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := new(MockNetwork)
		var received atomic.Int64
		receiver := newMember(t, network, "a", func(config *Config) {
			config.HandoffQueueDepth = 10_000
			config.Delegate = callback{func(name string) {
				if name == "NotifyMsg" {
					received.Add(1)
				}
			}}
		})
		m := newMember(t, network, "b", func(config *Config) { config.UDPBufferSize, config.EnableCompression = 200_000, false })
		large := append([]byte{byte(wire.TypeUser)}, bytes.Repeat([]byte("x"), wire.MaxCompoundPart)...)
		parts := [][]byte{}
		for i := range 600 {
			parts = append(parts, []byte{byte(wire.TypeUser), byte(i)})
		}
		to := endpointOf(receiver.LocalNode().Address())
		if err := m.writeMessages(new(packer), &to, append(parts, large), false); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		if got := received.Load(); got != 601 {
			t.Errorf("%d messages arrived, want 601", got)
		}
	})
}

// packetContents notes what the packets that go out hold.
type packetContents struct {
	*MockTransport
	mu       sync.Mutex
	unpacker wire.Unpacker
	sizes    []int // on the wire
	held     []int // messages in each
	bodies   [][]byte
}

func (c *packetContents) WriteToAddress(b []byte, to Address) (time.Time, error) {
	c.mu.Lock()
	c.sizes, c.held = append(c.sizes, len(b)), append(c.held, 0)
	c.unpacker.Unpack(b, func(_ wire.Type, body []byte) {
		c.held[len(c.held)-1]++
		c.bodies = append(c.bodies, slices.Clone(body))
	})
	c.mu.Unlock()
	return c.MockTransport.WriteToAddress(b, to)
}

// recordContents has a member's packets looked into.
func recordContents(c *Config) *packetContents {
	contents := &packetContents{MockTransport: c.Transport.(*MockTransport)}
	c.Transport = contents
	return contents
}

// manyAlives is what is said of n members with so many bytes of metadata of no pattern.
func manyAlives(n, meta int) (messages [][]byte) {
	rng := rand.NewChaCha8([32]byte{1})
	for i := range n {
		a := wire.Alive{Incarnation: 1, Node: peerAddr(i).String(), Port: 7946, Meta: make([]byte, meta), Vsn: []byte{1, 5, 2, 0, 0, 0}}
		ip := peerAddr(i).Addr().As4()
		a.Addr = ip[:]
		rng.Read(a.Meta)
		messages = append(messages, a.Append(nil))
	}
	return messages
}

// TestTooMuchForOnePacketGoesInSeveral: what shrinks less than was thought is not lost.
func TestTooMuchForOnePacketGoesInSeveral(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := new(MockNetwork)
		var sent *packetContents
		m := newMember(t, network, "a", func(config *Config) { sent = recordContents(config) })
		to := endpointOf(newMember(t, network, "b", nil).LocalNode().Address())
		messages := manyAlives(50, 300)
		if err := m.writeMessages(new(packer), &to, messages, true); err != nil {
			t.Fatal(err)
		}
		if got := slices.Max(sent.sizes); got > m.config.UDPBufferSize {
			t.Errorf("a packet of %d bytes, the limit is %d", got, m.config.UDPBufferSize)
		}
		if !slices.EqualFunc(sent.bodies, messages, func(body, message []byte) bool { return slices.Equal(body, message[1:]) }) {
			t.Errorf("%d messages were sent, want %d, the same", len(sent.bodies), len(messages))
		}
	})
}

func TestSlackFollowsWhatWasSent(t *testing.T) {
	const limit = 1400
	var s slack
	learn := func(plain, packed int) int {
		s.learn(plain, packed, limit)
		return s.load()
	}
	if got := learn(limit, limit/2); got < limit/3 || got > limit/2 {
		t.Errorf("%d after one packet that shrank to half, want about half of what it could be", got)
	}
	for range 20 {
		learn(limit, limit/2)
	}
	steady := limit - 2*limit/spareShare
	if got := s.load(); got < steady-20 || got > steady+20 {
		t.Errorf("%d after many packets that shrank to half, want %d", got, steady)
	}
	if got := learn(limit/3, limit/3); got < steady-20 {
		t.Errorf("%d after a small packet, which tells nothing", got)
	}
	if got := learn(2*limit, limit*9/8); got > limit*3/4 {
		t.Errorf("%d after one that turned out too large, want no more than it could have been", got)
	}
	if got := learn(limit, limit+10); got != 0 {
		t.Errorf("%d after one that did not shrink, want 0", got)
	}
	for range 20 {
		learn(limit, 20)
	}
	if got := s.load(); got != (maxPacking-1)*limit {
		t.Errorf("%d for what shrinks to nothing, want %d", got, (maxPacking-1)*limit)
	}
	var jumbo slack
	for range 40 {
		jumbo.learn(60_000, 20_000, 60_000)
	}
	if got := jumbo.load(); got != 0 {
		t.Errorf("%d with packets of 60,000 bytes: more than receivers take", got)
	}
}
