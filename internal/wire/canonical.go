package wire

import "encoding/binary"

// The functions here read a map in the one shape that peers encode, with each key in its place, which is much faster
// than reading any map. Each reads at an offset of b and returns the offset after what it read, or failed if the value is
// missing or has another shape; the whole message then goes to the fallback. Reading at failed returns failed.

const failed = -1

// keyAt passes over a key, with its descriptor.
func keyAt(b []byte, at int, key string) (next int) {
	if at >= 0 && len(b)-at >= len(key) && string(b[at:at+len(key)]) == key {
		return at + len(key)
	}
	return failed
}

// bytesAt reads raw bytes: a view into b, nil for nil.
func bytesAt(b []byte, at int) (v []byte, next int) {
	if at < 0 || at >= len(b) || b[at]-mpFixRaw >= mpNil-mpFixRaw {
		return longBytesAt(b, at)
	}
	end := at + 1 + int(b[at]-mpFixRaw)
	if end > len(b) {
		return nil, failed
	}
	return b[at+1 : end : end], end
}

// shortAt reads raw bytes in the short form, of which there are at most 31. It is small enough to be part of its caller.
func shortAt(b []byte, at int) (v []byte, next int) {
	if uint(at) >= uint(len(b)) || b[at]-mpFixRaw >= mpNil-mpFixRaw || int(b[at]-mpFixRaw) >= len(b)-at {
		return nil, failed
	}
	next = at + 1 + int(b[at]-mpFixRaw)
	return b[at+1 : next : next], next
}

// longBytesAt reads nil, and raw bytes that are too many for a short form.
func longBytesAt(b []byte, at int) (v []byte, next int) {
	if at < 0 || at >= len(b) {
		return nil, failed
	}
	if b[at] == mpNil {
		return nil, at + 1
	}
	if b[at] != mpRaw16 || len(b)-at < 3 {
		return nil, failed
	}
	end := at + 3 + int(binary.BigEndian.Uint16(b[at+1:]))
	if end > len(b) {
		return nil, failed
	}
	return b[at+3 : end : end], end
}

// uint32At reads an unsigned integer of at most 32 bits.
func uint32At(b []byte, at int) (v uint32, next int) {
	if at >= 0 && at < len(b) && b[at] < mpFixMap {
		return uint32(b[at]), at + 1
	}
	return longUint32At(b, at)
}

// longUint32At reads an unsigned integer that has bytes of its own.
func longUint32At(b []byte, at int) (v uint32, next int) {
	switch {
	case at < 0 || len(b)-at < 2:
	case b[at] == mpUint8:
		return uint32(b[at+1]), at + 2
	case len(b)-at < 3:
	case b[at] == mpUint16:
		return uint32(binary.BigEndian.Uint16(b[at+1:])), at + 3
	case len(b)-at < 5:
	case b[at] == mpUint32:
		return binary.BigEndian.Uint32(b[at+1:]), at + 5
	}
	return 0, failed
}

// uint16At reads an unsigned integer of at most 16 bits.
func uint16At(b []byte, at int) (v uint16, next int) {
	if len(b)-at >= 3 && at >= 0 && b[at] == mpUint16 {
		return binary.BigEndian.Uint16(b[at+1:]), at + 3
	}
	long, next := uint32At(b, at)
	if long > 1<<16-1 {
		return 0, failed
	}
	return uint16(long), next
}

// viewAt reads the key and the value of a view: a checksum of 64 bits, or a small number.
func viewAt(b []byte, at int) (v uint64, next int) {
	at = keyAt(b, at, "\xa2Vw")
	if at >= 0 && len(b)-at >= 9 && b[at] == mpUint64 {
		return binary.BigEndian.Uint64(b[at+1:]), at + 9
	}
	short, next := uint32At(b, at)
	return uint64(short), next
}
