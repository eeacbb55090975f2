package wire

// Room is how many bytes of a packet there are for messages with what goes around them: a compound and a checksum, inside of label
// and seal.
type Room int

// Alone returns the size of the largest message that fits by itself, with a checksum.
func (r Room) Alone() int { return int(r) - ChecksumSize }

// Beside returns the size of the largest message that fits in a compound, with a checksum.
func (r Room) Beside() int { return r.Left(nil, FeatureChecksum) - CompoundPartOverhead }

// Left returns how many bytes are left beside messages in a compound, for more messages with CompoundPartOverhead each. It is negative
// if the messages do not fit.
func (r Room) Left(messages [][]byte, features Features) int {
	left := int(r) - CompoundHeaderSize
	if features.Has(FeatureChecksum) {
		left -= ChecksumSize
	}
	for _, m := range messages {
		left -= CompoundPartOverhead + len(m)
	}
	return left
}
