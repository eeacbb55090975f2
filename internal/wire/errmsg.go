package wire

// Err is the reply to a request on a stream that failed.
type Err struct {
	// Error is for people. It comes from a peer: quote it when it is displayed.
	Error string
}

// Type returns TypeErr.
func (m *Err) Type() Type { return TypeErr }

// Append appends the message, type byte and body, to dst.
func (m *Err) Append(dst []byte) []byte {
	dst = append(dst, byte(TypeErr), mpFixMap|1)
	return appendString(append(dst, "\xa5Error"...), m.Error)
}

// Parse sets every field from body; see Ping.Parse.
func (m *Err) Parse(body []byte, names *Names) error {
	if !m.parse(body, names) {
		return fallback("error", body, m)
	}
	return nil
}

func (m *Err) parse(body []byte, names *Names) bool {
	*m = Err{}
	f := parseFields(body)
	for f.next() {
		switch string(f.key()) {
		case "Error":
			m.Error = f.string(names)
		default:
			f.skip()
		}
	}
	return f.ok
}
