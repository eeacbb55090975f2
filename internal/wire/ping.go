package wire

// Ping asks a member whether it is there (SWIM section 3.1). It is answered with an Ack of the same SeqNo.
type Ping struct {
	SeqNo uint32
	// Node is the name of the member that is asked. A member of another name at this address must not answer. Empty:
	// any.
	Node string
	// SourceAddr (4 or 16 bytes), SourcePort and SourceNode are the address and name of the sender. All may be
	// absent.
	SourceAddr []byte
	SourcePort uint16
	SourceNode string
	// View is the checksum of the sender's view of the cluster, or ViewUnsaid; 0: absent. Members of the reference
	// neither send nor read it.
	View uint64 `codec:"Vw"`
}

// Views that are no checksum.
const (
	ViewUnsaid = 1 // the sender knows the key, but has no checksum to compare
	ViewEqual  = 2 // of an ack: that of the ping
)

// Type returns TypePing.
func (m *Ping) Type() Type { return TypePing }

// Append appends the message, type byte and body, to dst.
func (m *Ping) Append(dst []byte) []byte {
	n := 2 + sourceFields(m.SourceAddr, m.SourceNode, m.SourcePort)
	if m.View != 0 {
		n++
	}
	dst = append(dst, byte(TypePing), mpFixMap|byte(n))
	dst = appendString(append(dst, "\xa4Node"...), m.Node)
	dst = appendUint(append(dst, "\xa5SeqNo"...), uint64(m.SeqNo))
	return appendView(appendSource(dst, m.SourceAddr, m.SourceNode, m.SourcePort), m.View)
}

// appendView appends the view, unless it is absent.
func appendView(dst []byte, view uint64) []byte {
	if view == 0 {
		return dst
	}
	return appendUint(append(dst, "\xa2Vw"...), view)
}

// Parse sets every field from body, which follows the type byte; bytes after the message are ignored. SourceAddr is a
// view into body. On an error, which is ErrTruncated, ErrMalformed, ErrTooDeep or ErrTooLarge, the fields are zero.
func (m *Ping) Parse(body []byte, names *Names) error {
	if !m.parseCanonical(body, names) {
		return fallback("ping", body, m)
	}
	return nil
}

func (m *Ping) parseCanonical(b []byte, names *Names) bool {
	var v PingView
	if !v.parseCanonical(b) {
		return false
	}
	*m = Ping{SeqNo: v.SeqNo, Node: names.Intern(v.Node), SourceAddr: v.SourceAddr, SourcePort: v.SourcePort,
		SourceNode: names.Intern(v.SourceNode), View: v.View}
	return true
}

// PingView is a Ping whose strings are views into the message, so that parsing one allocates nothing.
type PingView struct {
	SeqNo      uint32
	Node       []byte
	SourceAddr []byte
	SourcePort uint16
	SourceNode []byte
	View       uint64
}

// Parse is Ping.Parse. All slices are views into body, or newly allocated.
func (v *PingView) Parse(body []byte) error {
	if v.parseCanonical(body) {
		return nil
	}
	var m Ping
	err := m.Parse(body, nil)
	*v = PingView{SeqNo: m.SeqNo, Node: []byte(m.Node), SourceAddr: m.SourceAddr, SourcePort: m.SourcePort,
		SourceNode: []byte(m.SourceNode), View: m.View}
	return err
}

// parseCanonical reads a ping with all source fields, as peers send it, with or without a view.
func (v *PingView) parseCanonical(b []byte) bool {
	withView := len(b) > 0 && b[0] == mpFixMap|6
	key := keyAt(b, 0, "\x85\xa4Node")
	if withView {
		key = keyAt(b, 1, "\xa4Node")
	}
	node, at := shortAt(b, key)
	if at == failed {
		node, at = longBytesAt(b, key)
	}
	seqNo, at := uint32At(b, keyAt(b, at, "\xa5SeqNo"))
	addr, at := shortAt(b, keyAt(b, at, "\xaaSourceAddr"))
	key = keyAt(b, at, "\xaaSourceNode")
	name, at := shortAt(b, key)
	if at == failed {
		name, at = longBytesAt(b, key)
	}
	port, at := uint16At(b, keyAt(b, at, "\xaaSourcePort"))
	view := uint64(0)
	if withView {
		view, at = viewAt(b, at)
	}
	if at == failed {
		return false
	}
	v.SeqNo, v.Node, v.SourceAddr, v.SourcePort, v.SourceNode, v.View = seqNo, node, addr, port, name, view
	return true
}

// IndirectPing asks a member to ping another one for the sender (SWIM section 3.1). That ping has a SeqNo of its own;
// its Ack is passed on with this SeqNo.
type IndirectPing struct {
	SeqNo uint32
	// Target (4 or 16 bytes), Port and Node are the member to ping.
	Target []byte
	Port   uint16
	Node   string
	// Nack asks for a Nack if no answer arrives in time (Lifeguard section IV-A).
	Nack bool
	// SourceAddr (4 or 16 bytes), SourcePort and SourceNode are the address and name of the sender. All may be
	// absent.
	SourceAddr []byte
	SourcePort uint16
	SourceNode string
	// Dial asks for a ping of the target on a stream as well, whose outcome is in the Nack. The reference ignores it.
	Dial bool `codec:"Dl,omitempty"`
}

// Type returns TypeIndirectPing.
func (m *IndirectPing) Type() Type { return TypeIndirectPing }

// Append appends the message, type byte and body, to dst.
func (m *IndirectPing) Append(dst []byte) []byte {
	fields := 5 + sourceFields(m.SourceAddr, m.SourceNode, m.SourcePort)
	if m.Dial {
		dst = append(dst, byte(TypeIndirectPing), mpFixMap|byte(fields+1), 0xa2, 'D', 'l', mpTrue)
	} else {
		dst = append(dst, byte(TypeIndirectPing), mpFixMap|byte(fields))
	}
	dst = appendBool(append(dst, "\xa4Nack"...), m.Nack)
	dst = appendString(append(dst, "\xa4Node"...), m.Node)
	dst = appendUint(append(dst, "\xa4Port"...), uint64(m.Port))
	dst = appendUint(append(dst, "\xa5SeqNo"...), uint64(m.SeqNo))
	dst = appendSource(dst, m.SourceAddr, m.SourceNode, m.SourcePort)
	return appendBytes(append(dst, "\xa6Target"...), m.Target)
}

// Parse sets every field from body; see Ping.Parse. Target and SourceAddr are views into body.
func (m *IndirectPing) Parse(body []byte, names *Names) error {
	if !m.parse(body, names) {
		return fallback("indirect ping", body, m)
	}
	return nil
}

func (m *IndirectPing) parse(body []byte, names *Names) bool {
	*m = IndirectPing{}
	f := parseFields(body)
	for f.next() {
		switch string(f.key()) {
		case "Dl":
			m.Dial = f.bool()
		case "Nack":
			m.Nack = f.bool()
		case "Node":
			m.Node = f.string(names)
		case "Port":
			m.Port = f.uint16()
		case "SeqNo":
			m.SeqNo = f.uint32()
		case "SourceAddr":
			m.SourceAddr = f.bytes()
		case "SourceNode":
			m.SourceNode = f.string(names)
		case "SourcePort":
			m.SourcePort = f.uint16()
		case "Target":
			m.Target = f.bytes()
		default:
			f.skip()
		}
	}
	return f.ok
}

// sourceFields returns the number of source fields that are not zero.
func sourceFields(addr []byte, node string, port uint16) int {
	n := 0
	if len(addr) > 0 {
		n++
	}
	if node != "" {
		n++
	}
	if port != 0 {
		n++
	}
	return n
}

// appendSource appends the source fields that are not zero.
func appendSource(dst, addr []byte, node string, port uint16) []byte {
	if len(addr) > 0 {
		dst = appendBytes(append(dst, "\xaaSourceAddr"...), addr)
	}
	if node != "" {
		dst = appendString(append(dst, "\xaaSourceNode"...), node)
	}
	if port != 0 {
		dst = appendUint(append(dst, "\xaaSourcePort"...), uint64(port))
	}
	return dst
}
