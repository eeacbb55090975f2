// Package envelope is the layers around every packet and every message on a stream, sent or received: a label, which
// tells clusters apart; encryption with a key of a ring; a checksum; compression. One immutable Policy decides which
// of them apply.
//
//	packet:  [label] [seal [ [checksum] compressed or plain message ] ]
//	stream:  [label] [frame [           compressed or plain message ] ]
//
// A packet that holds several messages has them in a compound message. Brackets mark optional layers: there is no
// label if it is empty, no seal without keys, and no checksum for a receiver that does not know it. The label is
// authenticated with the seal. Only the peer that opens a stream sends a label on it. Package wire has the bytes of
// each layer.
//
// The size limits of packets, and of messages in them, are computed here and only here: see Budget.
package envelope

import (
	"errors"
	"sync"

	"github.com/e3431adc/memberlist/internal/wire"
)

// Errors of received packets and streams. Package wire has those for content that cannot be parsed or decrypted.
var (
	ErrLabelMismatch = errors.New("label mismatch")
	ErrNotEncrypted  = errors.New("encryption is configured but the message is not encrypted")
	ErrEncrypted     = errors.New("message is encrypted and encryption is not configured")

	// ErrRefused is the text of every refusal that others can read though only peers with a key are served.
	ErrRefused = errors.New("label or key is not that of this cluster")
)

// Policy configures the layers of packets and streams.
type Policy struct {
	PacketSize int // the maximum size of a packet in bytes, all included

	Label        string   // of sent packets and streams
	AcceptLabels []string // accepted besides Label
	LooseLabels  bool     // accept no label for Label, and any other label; see Envelope.accept

	HasKeys        bool // there is a ring of keys, which may be empty at times
	SealVersion    uint8
	VerifyIncoming bool // if there are keys, refuse packets and streams that are not encrypted
	VerifyOutgoing bool // encrypt if there are keys

	Compress    bool
	Compression wire.Compression // for receivers that read it; LZW for others
}

// Memory for one call, which all members of the process share.
var (
	compressors = sync.Pool{New: func() any { return new(wire.Compressor) }}
	frames      = sync.Pool{New: func() any { return new(frame) }}
)

// Envelope applies a Policy. Any goroutine may call its methods.
type Envelope struct {
	policy Policy
	budget Budget
	keys   *Ring // nil: no encryption
	header []byte
	labels []Label // accepted labels, this member's own first

	compression compressionBudget
}

// New returns the Envelope of a policy, which is copied, and a ring of keys, which may be nil. The error is wire.ErrLabel for a label that is too long.
func New(p *Policy, keys *Ring) (*Envelope, error) {
	header, err := wire.AppendLabel(nil, p.Label)
	if err != nil {
		return nil, err
	}
	return &Envelope{
		policy: *p,
		budget: p.Budget(),
		keys:   keys,
		header: header,
		labels: acceptedLabels(p),
	}, nil
}

// Budget returns the limits of packets.
func (e *Envelope) Budget() Budget { return e.budget }

// sealer returns the key that encrypts, or nil.
func (e *Envelope) sealer() *wire.Cipher {
	if !e.policy.VerifyOutgoing {
		return nil
	}
	if ciphers := e.keys.Load().ciphers; len(ciphers) > 0 {
		return ciphers[0]
	}
	return nil
}

// shorten returns a message in the form in which it is sent: compressed, in the memory of buf, if that is shorter.
func (e *Envelope) shorten(buf *[]byte, message []byte, to wire.Features) []byte {
	if !e.policy.Compress || len(message) <= wire.MaxIncompressible {
		return message
	}
	if e.policy.Compression == wire.Snappy && to.Has(wire.FeatureSnappy) {
		compressed, shorter := wire.AppendSnappyShorter((*buf)[:0], message)
		*buf = compressed
		if shorter {
			return compressed
		}
		return message
	}
	compressor := compressors.Get().(*wire.Compressor)
	compressed, shorter := compressor.AppendShorter((*buf)[:0], message)
	compressors.Put(compressor)
	*buf = compressed
	if shorter {
		return compressed
	}
	return message
}
