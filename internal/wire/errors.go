package wire

import "errors"

// Every error of this package is one of these, wrapped with what was being read; use errors.Is.
var (
	// ErrTruncated means the input ends before the value in it does.
	ErrTruncated = errors.New("truncated")
	// ErrMalformed means the bytes are no valid encoding of what was expected.
	ErrMalformed = errors.New("malformed")
	// ErrChecksum means the CRC-32 in front of a packet is not that of its content.
	ErrChecksum = errors.New("checksum mismatch")
	// ErrTooLarge means a length, a count or an expansion is beyond its limit.
	ErrTooLarge = errors.New("too large")
	// ErrTooDeep means messages or msgpack values are nested beyond the limit.
	ErrTooDeep = errors.New("nested too deep")
	// ErrUnknownType means no message of that type can travel here.
	ErrUnknownType = errors.New("unexpected message type")
	// ErrLabel means a label, or a label header, that is too long, empty or cut off.
	ErrLabel = errors.New("bad label")
	// ErrDecrypt means no key opens the sealed bytes; which includes that they are too short, of an unknown
	// version, or padded wrongly.
	ErrDecrypt = errors.New("cannot decrypt")
	// ErrCompression means an unknown algorithm, or bytes that do not decompress.
	ErrCompression = errors.New("cannot decompress")
)
