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
		checksum bool
	}{
		{"one in a compound", [][]byte{make([]byte, room.Beside())}, true},
		{"beside none", [][]byte{make([]byte, room.Left(nil, false)-CompoundPartOverhead)}, false},
		{"beside others", [][]byte{small, small, make([]byte, room.Left([][]byte{small, small}, false)-CompoundPartOverhead)}, false},
		{"beside others with a checksum", [][]byte{small, make([]byte, room.Left([][]byte{small}, true)-CompoundPartOverhead)}, true},
	} {
		packet, rest := AppendCompound(nil, tt.messages)
		size := len(packet)
		if tt.checksum {
			size += ChecksumSize
		}
		if len(rest) > 0 || size != int(room) || room.Left(tt.messages, tt.checksum) != 0 {
			t.Errorf("%s: %d bytes, want %d", tt.name, size, room)
		}
	}
	if got := room.Left([][]byte{make([]byte, 1400)}, false); got >= 0 {
		t.Errorf("%d bytes are left beside a message that does not fit", got)
	}
}
