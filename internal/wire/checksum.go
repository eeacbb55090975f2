package wire

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// PutChecksum fills packet[:ChecksumSize] with the checksum of the rest of packet, which must be complete. A packet
// shorter than ChecksumSize is left alone. Only peers of protocol version 5 and later understand it.
func PutChecksum(packet []byte) {
	if len(packet) < ChecksumSize {
		return
	}
	packet[0] = byte(TypeChecksum)
	binary.BigEndian.PutUint32(packet[1:], crc32.ChecksumIEEE(packet[ChecksumSize:]))
}

// CheckChecksum verifies body, which follows TypeChecksum, and returns the part that the checksum covers. The error
// is ErrTruncated or ErrChecksum.
func CheckChecksum(body []byte) ([]byte, error) {
	const size = ChecksumSize - 1
	if len(body) < size {
		return nil, fmt.Errorf("checksum: %w", ErrTruncated)
	}
	covered := body[size:]
	want, got := binary.BigEndian.Uint32(body), crc32.ChecksumIEEE(covered)
	if got != want {
		return nil, fmt.Errorf("%w: computed %08x, packet says %08x", ErrChecksum, got, want)
	}
	return covered, nil
}
