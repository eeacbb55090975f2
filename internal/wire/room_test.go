package wire

import "testing"

// TestRoom: messages of the sizes that fit make packets of just the size that there is room for.
func TestRoom(t *testing.T) {
	const room = Room(1400)
	if got := ChecksumSize + room.Alone(); got != int(room) {
		t.Errorf("one message: %d bytes, want %d", got, room)
	}
	small := []byte{byte(TypeNack), 1, 2}
	for _, tt := range []struct {
		name     string
		messages [][]byte
		features Features
	}{
		{"one in a compound", [][]byte{make([]byte, room.Beside())}, FeatureChecksum},
		{"beside none", [][]byte{make([]byte, room.Left(nil, 0)-CompoundPartOverhead)}, 0},
		{"beside others", [][]byte{small, small, make([]byte, room.Left([][]byte{small, small}, 0)-CompoundPartOverhead)}, 0},
		{"beside others with a checksum", [][]byte{small, make([]byte, room.Left([][]byte{small}, FeatureChecksum)-CompoundPartOverhead)}, FeatureChecksum},
	} {
		packet, rest := AppendCompound(nil, tt.messages)
		size := len(packet)
		if tt.features.Has(FeatureChecksum) {
			size += ChecksumSize
		}
		if len(rest) > 0 || size != int(room) || room.Left(tt.messages, tt.features) != 0 {
			t.Errorf("%s: %d bytes, want %d", tt.name, size, room)
		}
	}
	if got := room.Left([][]byte{make([]byte, 1400)}, 0); got >= 0 {
		t.Errorf("%d bytes are left beside a message that does not fit", got)
	}
}
