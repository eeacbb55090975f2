package memberlist

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// TestCompoundsAreSplit: a packet of more messages than a compound can count,
// or with one larger than it can, is sent as several.
func TestCompoundsAreSplit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t)
		defer c.stop()
		receiver := new(testDelegate)
		c.add(func(config *Config) { config.Delegate, config.HandoffQueueDepth = receiver, 10_000 })
		sender := new(testDelegate)
		m := c.add(func(config *Config) {
			config.Delegate, config.UDPBufferSize, config.EnableCompression = sender, 200_000, false
		})
		large := append([]byte{byte(wire.TypeUser)}, bytes.Repeat([]byte("x"), wire.MaxCompoundPart)...)
		parts := [][]byte{}
		for i := range 600 {
			parts = append(parts, []byte{byte(wire.TypeUser), byte(i)})
		}
		to := endpointOf(simAddr(0).String())
		if err := m.writeMessages(new(packer), &to, append(parts, large), false); err == nil {
			t.Error("a packet of more than 64 KiB went over a network that carries less") // simnet's error: as UDP's
		}
		time.Sleep(time.Second)
		if got := len(receiver.received()); got != 600 {
			t.Errorf("%d messages arrived, want 600", got)
		}
	})
}
