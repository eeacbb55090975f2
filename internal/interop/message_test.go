package interop

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/e3431adc/memberlist/internal/wire"
)

func TestMetaUpdate(t *testing.T) {
	everywhere(t, scenario{verb: "updates-meta-for", roles: 2, play: func(c *cluster) {
		a, b := c.start(c.cast[0], "a"), c.start(c.cast[1], "b")
		c.assemble(a, b)
		long := strings.Repeat("m", 512)
		for _, meta := range []string{"second", "", long} {
			if err := a.setMeta(meta, patience); err != nil {
				c.Error(err)
			}
			c.awaitEntry(b, sawUpdate, "a", meta)
		}
	}})
}

func TestUserBroadcast(t *testing.T) {
	everywhere(t, scenario{verb: "broadcasts-to", roles: 2, play: func(c *cluster) {
		a, b := c.start(c.cast[0], "a"), c.start(c.cast[1], "b")
		c.assemble(a, b)
		// One that takes about all of a packet, and several that share one.
		for _, msg := range []string{"", "one", "two", strings.Repeat("three ", 200)} {
			a.journal().broadcast(msg)
		}
		// Something of the library's own to travel with them.
		if err := a.setMeta("second", patience); err != nil {
			c.Error(err)
		}
		for _, msg := range []string{"", "one", "two", strings.Repeat("three ", 200)} {
			c.awaitEntry(b, sawMessage, "", msg)
		}
	}})
}

// Some of the messages take more than UDPBufferSize, and fit a UDP datagram: both libraries send them.
func TestSendBestEffort(t *testing.T) {
	everywhere(t, scenario{verb: "sends-packet-to", roles: 2, play: func(c *cluster) {
		a, b := c.start(c.cast[0], "a"), c.start(c.cast[1], "b")
		c.assemble(a, b)
		for _, msg := range []string{"", "hello", noise(1000), strings.Repeat("again ", 1000)} {
			c.sendBestEffort(a, b, msg)
			if c.tap == nil {
				continue
			}
			for _, s := range c.tap.all(func(s sight) bool { return s.kind == wire.TypeUser && s.user == msg }) {
				if !s.crc {
					c.Errorf("no checksum before the message of %d bytes", len(msg))
				}
			}
		}
	}})
}

// sendBestEffort sends a message in a packet until it has arrived.
func (c *cluster) sendBestEffort(from, to peer, msg string) {
	c.Helper()
	c.retry("the message", func() {
		if err := from.sendBestEffort(to, msg); err != nil {
			c.Fatal(err)
		}
	}, func() bool { return to.journal().saw(sawMessage, "", msg) })
}

func TestSendReliable(t *testing.T) {
	everywhere(t, scenario{verb: "sends-on-stream-to", roles: 2, play: func(c *cluster) {
		a, b := c.start(c.cast[0], "a"), c.start(c.cast[1], "b")
		c.assemble(a, b)
		for _, msg := range []string{"hello", noise(100_000), strings.Repeat("again ", 50_000)} {
			if err := a.sendReliable(b, msg); err != nil {
				c.Error(err)
			}
			c.awaitEntry(b, sawMessage, "", msg)
		}
	}})
}

// noise gives bytes that cannot be compressed.
func noise(n int) string {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return string(b)
}
