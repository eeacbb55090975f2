package wire

import (
	"bytes"
	"fmt"
	"math"

	"github.com/hashicorp/go-msgpack/v2/codec"
)

// fallbackHandle configures go-msgpack as peers do, but for the depth. It is never written after its initialisation,
// and go-msgpack allows sharing such a handle.
var fallbackHandle = newFallbackHandle()

func newFallbackHandle() *codec.MsgpackHandle {
	h := new(codec.MsgpackHandle)
	h.MaxDepth = maxValueDepth
	return h
}

// fallback decodes body into m with go-msgpack: for shapes that no peer of ours sends but that are valid. Fields are
// found by name, or by their order if body is an array, so a message declares its fields in the protocol's order.
// Values are copies, not views. An error leaves m zero.
//
// It decodes into a value of its own, so that the caller's m may live on the stack.
func fallback[M any](what string, body []byte, m *M) error {
	*m = *new(M) // what the fast path read before it gave up must not shine through
	general := new(M)
	if err := decodeGeneral(body, general); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	*m = *general
	return nil
}

// decodeGeneral runs go-msgpack, which allocates as much as some lengths say before it reads, and which recurses: so
// the whole value is measured first, and only one that is there in full and no deeper than maxValueDepth is decoded.
func decodeGeneral(body []byte, m any) (err error) {
	body, err = cutValue(body)
	if err != nil {
		return err
	}
	// It turns its own panics into errors; this is for one it may have overlooked.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", ErrMalformed, r)
		}
	}()
	if err := codec.NewDecoder(bytes.NewReader(body), fallbackHandle).Decode(m); err != nil {
		return fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	return nil
}

// cutValue returns the msgpack value that b starts with. It may be maxFallback bytes.
func cutValue(b []byte) ([]byte, error) {
	limit := math.MaxInt // what b does not hold is cut off rather than too large
	if len(b) > maxFallback {
		limit = maxFallback
	}
	var s scanner
	done, err := s.scan(b, limit)
	if err != nil {
		return nil, err
	}
	if !done {
		return nil, ErrTruncated
	}
	return b[:s.off], nil
}
