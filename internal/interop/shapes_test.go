package interop

import (
	"bytes"
	"fmt"

	"github.com/e3431adc/memberlist/internal/wire"
	"github.com/hashicorp/go-msgpack/v2/codec"
)

// The shapes of the reference's messages: go-msgpack turns these into the bytes that it sends.
type (
	pingShape struct {
		SeqNo      uint32
		Node       string
		SourceAddr []byte `codec:",omitempty"`
		SourcePort uint16 `codec:",omitempty"`
		SourceNode string `codec:",omitempty"`
		View       uint64 `codec:"Vw,omitempty"` // of this library only
	}
	indirectPingShape struct {
		SeqNo      uint32
		Target     []byte
		Port       uint16
		Node       string
		Nack       bool
		SourceAddr []byte `codec:",omitempty"`
		SourcePort uint16 `codec:",omitempty"`
		SourceNode string `codec:",omitempty"`
	}
	ackShape struct {
		SeqNo   uint32
		Payload []byte
		View    uint64 `codec:"Vw,omitempty"` // of this library only
	}
	nackShape struct{ SeqNo uint32 }
	errShape  struct{ Error string }
	deadShape struct {
		Incarnation uint32
		Node        string
		From        string
	}
	aliveShape struct {
		Incarnation uint32
		Node        string
		Addr        []byte
		Port        uint16
		Meta        []byte
		Vsn         []uint8
		Zone        []byte `codec:"Zn,omitempty"` // of this library only
	}
	pushPullShape struct {
		Nodes        int
		UserStateLen int
		Join         bool
		Node         string `codec:",omitempty"`
		From         string `codec:",omitempty"`
		View         uint64 `codec:"Vw,omitempty"`
		Digests      []byte `codec:"Dg,omitempty"`
		Hashes       int    `codec:"Hs,omitempty"`
	}
	userShape  struct{ UserMsgLen int }
	stateShape struct {
		Name        string
		Addr        []byte
		Port        uint16
		Meta        []byte
		Incarnation uint32
		State       int
		Vsn         []uint8
		Zone        []byte `codec:"Zn,omitempty"` // of this library only
	}
	compressShape struct {
		Algo uint8
		Buf  []byte
	}
)

// The shapes of messages with fields that only this library sends.
type (
	extendedIndirectPing struct {
		indirectPingShape
		Dial bool `codec:"Dl,omitempty"`
	}
	extendedNack struct {
		nackShape
		Evidence uint8 `codec:"Ev,omitempty"`
	}
)

// message is a message of internal/wire, both ways.
type message interface {
	wire.Message
	wire.Body
}

// kindOfMessage gives an empty message of a type, and the shape of it. Both are nil for what is not msgpack.
func kindOfMessage(t wire.Type) (message, any) {
	switch t {
	case wire.TypePing:
		return &wire.Ping{}, &pingShape{}
	case wire.TypeIndirectPing:
		return &wire.IndirectPing{}, &extendedIndirectPing{}
	case wire.TypeAck:
		return &wire.Ack{}, &ackShape{}
	case wire.TypeNack:
		return &wire.Nack{}, &extendedNack{}
	case wire.TypeErr:
		return &wire.Err{}, &errShape{}
	case wire.TypeSuspect:
		return &wire.Suspect{}, &deadShape{}
	case wire.TypeDead:
		return &wire.Dead{}, &deadShape{}
	case wire.TypeAlive:
		return &wire.Alive{}, &aliveShape{}
	case wire.TypePushPull:
		return &wire.PushPullHeader{}, &pushPullShape{}
	default:
		return nil, nil
	}
}

// isBareAck reports whether a message is an ack in the form that this library sends to strangers.
func isBareAck(m message, body []byte) bool {
	ack, ok := m.(*wire.Ack)
	return ok && bytes.Equal(body, wire.AppendBareAck(nil, ack.SeqNo)[1:])
}

// encodeShape gives the bytes that the reference sends for a shape.
func encodeShape(shape any) ([]byte, error) {
	var b bytes.Buffer
	// The reference's handle, but for times, of which no message has any.
	err := codec.NewEncoder(&b, &codec.MsgpackHandle{}).Encode(shape)
	return b.Bytes(), err
}

// sameBytes checks that a message that a peer sent is what internal/wire makes of its content, and what go-msgpack
// makes of it.
func sameBytes(t wire.Type, body []byte) (wire.Message, error) {
	m, shape := kindOfMessage(t)
	if m == nil {
		return nil, nil
	}
	if err := m.Parse(body, nil); err != nil {
		return nil, fmt.Errorf("%v: %w", t, err)
	}
	if isBareAck(m, body) {
		return m, nil
	}
	if got := m.Append(nil); got[0] != byte(t) || !bytes.Equal(got[1:], body) {
		return m, fmt.Errorf("%v: wire makes\n%x of\n%x", t, got[1:], body)
	}
	if err := codec.NewDecoderBytes(body, &codec.MsgpackHandle{}).Decode(shape); err != nil {
		return m, fmt.Errorf("%v: go-msgpack cannot read it: %w", t, err)
	}
	got, err := encodeShape(shape)
	if err != nil {
		return m, err
	}
	if !bytes.Equal(got, body) {
		return m, fmt.Errorf("%v: go-msgpack makes\n%x of\n%x", t, got, body)
	}
	return m, nil
}

// The reference's own shapes of the messages that this library extends.
type (
	referencePing struct {
		SeqNo      uint32
		Node       string
		SourceAddr []byte `codec:",omitempty"`
		SourcePort uint16 `codec:",omitempty"`
		SourceNode string `codec:",omitempty"`
	}
	referenceAck struct {
		SeqNo   uint32
		Payload []byte
	}
	referencePushPull struct {
		Nodes        int
		UserStateLen int
		Join         bool
	}
)

// ofReference reports whether the message at the start of b is byte for byte one that the reference can send: it has no key that the
// reference does not know. Acks to strangers may be bare.
func ofReference(t wire.Type, b []byte) bool {
	var shape any
	switch t {
	case wire.TypePing:
		shape = &referencePing{}
	case wire.TypeIndirectPing:
		shape = &indirectPingShape{}
	case wire.TypeAck:
		var m wire.Ack
		if m.Parse(b, nil) == nil && isBareAck(&m, b) {
			return true
		}
		shape = &referenceAck{}
	case wire.TypeNack:
		shape = &nackShape{}
	case wire.TypePushPull:
		shape = &referencePushPull{}
	default:
		return t <= wire.TypeErr // the others have nothing more
	}
	strict := &codec.MsgpackHandle{}
	strict.ErrorIfNoField = true
	if err := codec.NewDecoderBytes(b, strict).Decode(shape); err != nil {
		return false
	}
	same, err := encodeShape(shape)
	return err == nil && bytes.HasPrefix(b, same)
}
