package envelope

import (
	"math/rand/v2"
	"testing"

	"github.com/e3431adc/memberlist/internal/wire"
)

// newRandom returns a function that makes bytes that do not compress, the same in each run.
func newRandom() func(n int) []byte {
	rng := rand.NewChaCha8([32]byte{1})
	return func(n int) []byte {
		b := make([]byte, n)
		rng.Read(b)
		return b
	}
}

// TestBudget: the largest message that is gossiped fits a packet beside another one, and no larger one does.
func TestBudget(t *testing.T) {
	random := newRandom()
	forEachPolicy(t, func(t *testing.T, e *Envelope) {
		b := e.Budget()
		size := func(n int) int {
			compound, rest := wire.AppendCompound(nil, [][]byte{append([]byte{byte(wire.TypeUser)}, random(n-1)...)})
			if len(rest) > 0 {
				t.Fatal("too large for a compound")
			}
			return len(e.Wrap(new(Packer), compound, wire.FeatureChecksum))
		}
		if got := size(b.Message); got > b.Packet {
			t.Errorf("a packet of %d bytes with the largest message, the limit is %d", got, b.Packet)
		}
		if got := size(b.Message + 1); got <= b.Packet {
			t.Errorf("a packet of %d bytes with a larger message, the limit is %d", got, b.Packet)
		}
		if b.UserBroadcast+UserOverhead != b.Message || b.Packet != e.policy.PacketSize {
			t.Errorf("got %+v", b)
		}
	})
}

func TestBudgetOfSizes(t *testing.T) {
	for _, tt := range []struct {
		name   string
		policy Policy
		want   Budget
	}{
		{"default", Policy{PacketSize: 1400},
			Budget{Packet: 1400, Room: 1400, Message: 1391, UserBroadcast: 1390, BestEffort: 65536, Received: 65542}},
		{"label", Policy{PacketSize: 1400, Label: "blue"},
			Budget{Packet: 1400, Room: 1394, Message: 1385, UserBroadcast: 1384, BestEffort: 65536, Received: 65542}},
		{"keys", Policy{PacketSize: 1400, HasKeys: true, VerifyOutgoing: true, SealVersion: wire.SealVersion1},
			Budget{Packet: 1400, Room: 1371, Message: 1362, UserBroadcast: 1361, BestEffort: 65536, Received: 65542}},
		{"keys that are not used", Policy{PacketSize: 1400, HasKeys: true},
			Budget{Packet: 1400, Room: 1400, Message: 1391, UserBroadcast: 1390, BestEffort: 65536, Received: 65542}},
		{"jumbo", Policy{PacketSize: 100_000},
			Budget{Packet: 100_000, Room: 100_000, Message: 99_991, UserBroadcast: 99_990, BestEffort: 100_000, Received: 100_006}},
	} {
		if got := tt.policy.Budget(); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
}
