package envelope

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	crand "crypto/rand"

	"github.com/e3431adc/memberlist/internal/wire"
)

// frame is the memory in which a message for a stream is built. The writer must not keep it.
type frame struct {
	compressed []byte
	out        []byte
}

// WriteRequest writes a message to a stream that this member opened, after its label. It returns the number of bytes
// that it wrote or, after an error, tried to write. The error wraps wire.ErrTooLarge if no frame can hold the
// message.
func (e *Envelope) WriteRequest(w io.Writer, message []byte, to wire.Features) (int, error) {
	return e.writeMessage(w, e.OwnLabel(), e.header, message, to)
}

// WriteReply is WriteRequest for a stream that a peer opened under the label, which is not repeated.
func (e *Envelope) WriteReply(w io.Writer, label *Label, message []byte, to wire.Features) (int, error) {
	return e.writeMessage(w, label, nil, message, to)
}

// refusalSize is the size in bytes of the text of a refusal. The texts of the sentinel errors fit.
const refusalSize = 64

// WriteRefusal writes the error message that answers a request which ReadRequest refused, as WriteReply does. All
// refusals of a peer that is not authentic have one size, so that it cannot tell them apart; and, if they are not
// encrypted though there are keys, one text.
func (e *Envelope) WriteRefusal(w io.Writer, label *Label, text string) (int, error) {
	if e.sealer() == nil && e.secret() {
		text = ErrRefused.Error()
	}
	if more := refusalSize - len(text); more > 0 {
		text += strings.Repeat(" ", more)
	}
	f := frames.Get().(*frame)
	defer frames.Put(f)
	return e.write(w, f, label, nil, (&wire.Err{Error: text}).Append(nil))
}

// RefusalText returns the text of a refusal as it was given to WriteRefusal.
func RefusalText(text string) string { return strings.TrimRight(text, " ") }

// secret reports whether only peers with a key are served.
func (e *Envelope) secret() bool { return e.policy.VerifyIncoming && len(e.keys.Load().ciphers) > 0 }

// writeMessage writes a header and a message: compressed if that is shorter, encrypted if there are keys.
func (e *Envelope) writeMessage(w io.Writer, label *Label, header, message []byte, to wire.Features) (int, error) {
	f := frames.Get().(*frame)
	defer frames.Put(f)
	return e.write(w, f, label, header, e.shorten(&f.compressed, message, to))
}

func (e *Envelope) write(w io.Writer, f *frame, label *Label, header, message []byte) (int, error) {
	out := message
	if c := e.sealer(); c != nil {
		if size := wire.SealedSize(e.policy.SealVersion, len(message)); size > wire.MaxSealedFrame {
			return 0, fmt.Errorf("%w: %d bytes, the limit of a stream is %d", wire.ErrTooLarge, size, wire.MaxSealedFrame)
		}
		nonce := new([wire.NonceSize]byte)
		crand.Read(nonce[:]) // never fails
		out = wire.AppendSealedFrame(append(f.out[:0], header...), c, e.policy.SealVersion, nonce, label.text, message)
		f.out = out
	} else if len(header) > 0 {
		out = append(append(f.out[:0], header...), message...)
		f.out = out
	}
	_, err := w.Write(out)
	return len(out), err
}

// ReadRequest reads a stream that a peer opened up to the type of the message in it, and decrypts and decompresses
// that. The label is for WriteReply, also after an error: then it is the peer's, or this member's own.
func (e *Envelope) ReadRequest(r *wire.StreamReader, from Source) (wire.Type, *Label, error) {
	label := e.OwnLabel()
	kind, err := r.ReadType()
	if err != nil {
		return 0, label, err
	}
	var text []byte
	if kind == wire.TypeLabel {
		if text, err = readLabel(r); err != nil {
			return 0, label, err
		}
		if kind, err = r.ReadType(); err != nil {
			return 0, label, err
		}
	}
	accepted, err := e.accept(text)
	if err != nil {
		// Only a peer with that label and one of the keys can read the reply.
		other := &Label{text: string(text), refused: true}
		return 0, other, e.refuse(r, other, kind, from, err)
	}
	if kind, err = e.readLayers(r, accepted, kind, from); err != nil {
		return 0, accepted, err
	}
	if accepted.usage != nil {
		accepted.usage.stream(time.Now(), from)
	}
	return kind, accepted, nil
}

// refuse reads a request under a label that is not accepted, and returns the reason for refusing it. If only peers
// with a key are served, the label is refused at the time when a wrong key would be, so that no other peer can tell
// the two apart.
func (e *Envelope) refuse(r *wire.StreamReader, label *Label, kind wire.Type, from Source, mismatch error) error {
	if !e.secret() {
		return mismatch
	}
	_, err := e.readLayers(r, label, kind, from)
	if err == nil || errors.Is(err, wire.ErrDecrypt) || errors.Is(err, ErrNotEncrypted) {
		return mismatch
	}
	return err
}

// readLabel reads the rest of a label header.
func readLabel(r *wire.StreamReader) ([]byte, error) {
	size, err := r.ReadN(1, 1)
	if err != nil {
		return nil, err
	}
	if size[0] == 0 {
		return nil, fmt.Errorf("%w: empty", wire.ErrLabel)
	}
	text, err := r.ReadN(int(size[0]), wire.MaxLabel)
	return bytes.Clone(text), err
}

// ReadReply reads a stream that this member opened up to the type of the peer's message, and decrypts and decompresses that.
func (e *Envelope) ReadReply(r *wire.StreamReader, from Source) (wire.Type, error) {
	return e.ReadNext(r, e.OwnLabel(), from)
}

// ReadNext is ReadReply for a further message on a stream that a peer opened under the label.
func (e *Envelope) ReadNext(r *wire.StreamReader, label *Label, from Source) (wire.Type, error) {
	kind, err := r.ReadType()
	if err != nil {
		return 0, err
	}
	return e.readLayers(r, label, kind, from)
}

// readLayers decrypts and decompresses a stream that begins with a message of a kind, and returns the kind of the message inside.
func (e *Envelope) readLayers(r *wire.StreamReader, label *Label, kind wire.Type, from Source) (wire.Type, error) {
	keys := e.keys.Load()
	switch {
	case kind == wire.TypeEncrypt && len(keys.ciphers) == 0:
		return 0, ErrEncrypted
	case kind == wire.TypeEncrypt:
		used, err := r.OpenFrame(keys.ciphers, label.text)
		if err != nil {
			return 0, err
		}
		if !label.refused {
			keys.Keys[used].usage.stream(time.Now(), from)
		}
		if kind, err = r.ReadType(); err != nil {
			return 0, err
		}
	case len(keys.ciphers) > 0 && e.policy.VerifyIncoming:
		return 0, ErrNotEncrypted
	}
	if kind == wire.TypeCompress {
		if err := r.Decompress(); err != nil {
			return 0, err
		}
		return r.ReadType()
	}
	return kind, nil
}
