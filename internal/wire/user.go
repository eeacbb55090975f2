package wire

// UserHeader begins a user message on a stream; UserMsgLen raw bytes follow. In a packet the bytes follow the type
// byte directly, without a header.
type UserHeader struct {
	UserMsgLen int // bytes
}

// Type returns TypeUser.
func (m *UserHeader) Type() Type { return TypeUser }

// Append appends the header, type byte and body, to dst.
func (m *UserHeader) Append(dst []byte) []byte {
	dst = append(dst, byte(TypeUser), mpFixMap|1)
	return appendInt(append(dst, "\xaaUserMsgLen"...), int64(m.UserMsgLen))
}

// Parse sets every field from body; see Ping.Parse. It accepts any number: see Validate.
func (m *UserHeader) Parse(body []byte, names *Names) error {
	if !m.parse(body) {
		return fallback("user message header", body, m)
	}
	return nil
}

func (m *UserHeader) parse(body []byte) bool {
	*m = UserHeader{}
	f := parseFields(body)
	for f.next() {
		switch string(f.key()) {
		case "UserMsgLen":
			m.UserMsgLen = f.int()
		default:
			f.skip()
		}
	}
	return f.ok
}

// Validate returns ErrMalformed if the length is negative, and ErrTooLarge if it is above MaxUserMessage.
func (m *UserHeader) Validate() error {
	return validateCount("user message", m.UserMsgLen, MaxUserMessage)
}
