package wire

import "errors"

// Every error of this package wraps one of these; use errors.Is.
var (
	// ErrTruncated is returned when the input ends within a value.
	ErrTruncated = errors.New("truncated")
	// ErrMalformed is returned when the bytes are no valid encoding of the expected value.
	ErrMalformed = errors.New("malformed")
	// ErrChecksum is returned when the CRC-32 of a packet does not match its content.
	ErrChecksum = errors.New("checksum mismatch")
	// ErrTooLarge is returned when a length, a count or an expansion exceeds its limit.
	ErrTooLarge = errors.New("too large")
	// ErrTooDeep is returned when messages or msgpack values are nested beyond the limit.
	ErrTooDeep = errors.New("nested too deep")
	// ErrUnknownType is returned for a message type that is unknown or may not occur here.
	ErrUnknownType = errors.New("unexpected message type")
	// ErrLabel is returned for a label or label header that is too long, empty or cut off.
	ErrLabel = errors.New("bad label")
	// ErrDecrypt is returned when no key opens the sealed bytes, also because they are too short, of an unknown
	// version, or have wrong padding.
	ErrDecrypt = errors.New("cannot decrypt")
	// ErrCompression is returned for an unknown algorithm or bytes that do not decompress.
	ErrCompression = errors.New("cannot decompress")
)
