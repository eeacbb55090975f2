package memberlist

import (
	"bytes"
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
