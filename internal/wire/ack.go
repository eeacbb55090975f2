package wire

// Ack answers a Ping, or an IndirectPing whose target has answered. With SeqNo 0, which no ping has, it is a beat: it says that its
// sender is alive.
type Ack struct {
	// SeqNo is the SeqNo of the ping; 0: a beat.
	SeqNo uint32
	// Payload is returned by PingDelegate.AckPayload. Nil and empty differ on the wire.
	Payload []byte
	// View is as in Ping. It is absent in the ack to a ping without it, and present in a beat.
	View uint64 `codec:"Vw"`
}

// Type returns TypeAck.
func (m *Ack) Type() Type { return TypeAck }

// Append appends the message, type byte and body, to dst.
func (m *Ack) Append(dst []byte) []byte {
	n := byte(2)
	if m.View != 0 {
		n++
	}
	dst = append(dst, byte(TypeAck), mpFixMap|n)
	dst = appendBytes(append(dst, "\xa7Payload"...), m.Payload)
	return appendView(appendUint(append(dst, "\xa5SeqNo"...), uint64(m.SeqNo)), m.View)
}

// AppendBareAck appends an ack without the field of the payload, which is never longer than a ping of the same SeqNo.
func AppendBareAck(dst []byte, seqNo uint32) []byte {
	return appendUint(append(dst, byte(TypeAck), mpFixMap|1, 0xa5, 'S', 'e', 'q', 'N', 'o'), uint64(seqNo))
}

// Parse sets every field from body; see Ping.Parse. Payload is a view into body.
func (m *Ack) Parse(body []byte, names *Names) error {
	if !m.parseCanonical(body) {
		return fallback("ack", body, m)
	}
	return nil
}

func (m *Ack) parseCanonical(b []byte) bool {
	withView := len(b) > 0 && b[0] == mpFixMap|3
	key := keyAt(b, 0, "\x82\xa7Payload")
	if withView {
		key = keyAt(b, 1, "\xa7Payload")
	}
	payload, at := bytesAt(b, key)
	seqNo, at := uint32At(b, keyAt(b, at, "\xa5SeqNo"))
	view := uint64(0)
	if withView {
		view, at = viewAt(b, at)
	}
	if at == failed {
		return false
	}
	*m = Ack{SeqNo: seqNo, Payload: payload, View: view}
	return true
}

// Nack answers an IndirectPing whose target has not answered in time. It shows the asker that its own network works
// (Lifeguard section IV-A).
type Nack struct {
	// SeqNo is the SeqNo of the indirect ping.
	SeqNo uint32
	// Evidence is the outcome of the ping on a stream, if the indirect ping asked for one: one of the constants, or a later
	// one. The reference ignores it.
	Evidence uint8 `codec:"Ev,omitempty"`
}

// The outcomes of a ping on a stream, as in Nack.Evidence.
const (
	EvidenceNone      = 0 // no stream was tried
	EvidenceRefused   = 1 // the host answered that no process listens at the address
	EvidenceSilent    = 2 // no answer in time, or no way to the host
	EvidenceConnected = 3 // a stream was opened, whether or not the ping on it was answered
)

// Type returns TypeNack.
func (m *Nack) Type() Type { return TypeNack }

// Append appends the message, type byte and body, to dst.
func (m *Nack) Append(dst []byte) []byte {
	if m.Evidence != EvidenceNone {
		dst = append(dst, byte(TypeNack), mpFixMap|2, 0xa2, 'E', 'v')
		dst = appendUint(dst, uint64(m.Evidence))
	} else {
		dst = append(dst, byte(TypeNack), mpFixMap|1)
	}
	return appendUint(append(dst, "\xa5SeqNo"...), uint64(m.SeqNo))
}

// Parse sets every field from body; see Ping.Parse.
func (m *Nack) Parse(body []byte, names *Names) error {
	if !m.parse(body) {
		return fallback("nack", body, m)
	}
	return nil
}

func (m *Nack) parse(body []byte) bool {
	*m = Nack{}
	f := parseFields(body)
	for f.next() {
		switch string(f.key()) {
		case "Ev":
			m.Evidence = f.uint8()
		case "SeqNo":
			m.SeqNo = f.uint32()
		default:
			f.skip()
		}
	}
	return f.ok
}
