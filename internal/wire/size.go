package wire

import "math"

// Size returns the number of bytes that Append appends.
func (m *Alive) Size() int {
	const keys = len("\xa4Addr\xabIncarnation\xa4Meta\xa4Node\xa4Port\xa3Vsn")
	return typeAndMap + keys + sizeBytes(m.Addr) + sizeUint(uint64(m.Incarnation)) + sizeBytes(m.Meta) + sizeRaw(len(m.Node)) +
		sizeUint(uint64(m.Port)) + sizeBytes(m.Vsn) + sizeZone(m.Zone)
}

func sizeZone(zone []byte) int {
	if len(zone) == 0 {
		return 0
	}
	return len(keyZone) + sizeBytes(zone)
}

// Size returns the number of bytes that Append appends.
func (m *Suspect) Size() int { return (*accusation)(m).size() }

// Size returns the number of bytes that Append appends.
func (m *Dead) Size() int { return (*accusation)(m).size() }

func (m *accusation) size() int {
	const keys = len("\xa4From\xabIncarnation\xa4Node")
	return typeAndMap + keys + sizeRaw(len(m.From)) + sizeUint(uint64(m.Incarnation)) + sizeRaw(len(m.Node))
}

// typeAndMap is the size of a message's type byte and of the descriptor of its map.
const typeAndMap = 2

// sizeUint returns the number of bytes that appendUint appends.
func sizeUint(v uint64) int {
	switch {
	case v < mpFixMap:
		return 1
	case v <= math.MaxUint8:
		return 2
	case v <= math.MaxUint16:
		return 3
	case v <= math.MaxUint32:
		return 5
	}
	return 9
}

// sizeRaw returns the number of bytes that appendRawHeader appends, plus n.
func sizeRaw(n int) int {
	switch {
	case n < mpNil-mpFixRaw:
		return 1 + n
	case n <= math.MaxUint16:
		return 3 + n
	}
	return 5 + n
}

// sizeBytes returns the number of bytes that appendBytes appends.
func sizeBytes(b []byte) int {
	if b == nil {
		return 1
	}
	return sizeRaw(len(b))
}
