package wire

import "fmt"

// PushPullHeader begins a push/pull. Nodes PushNodeStates follow, then UserStateLen bytes of user state, then Hashes numbers
// of 4 bytes.
type PushPullHeader struct {
	Nodes        int
	UserStateLen int // bytes
	// Join distinguishes the exchange of a Join from a periodic one.
	Join bool

	// The other fields are those of a push/pull of differences, and absent if they are zero. Members of the reference
	// ignore them.

	// Node is the name of the member that is asked for differences.
	Node string `codec:",omitempty"`
	// From is the name of the sender.
	From string `codec:",omitempty"`
	// View is the checksum of the sender's view.
	View uint64 `codec:"Vw,omitempty"`
	// Digests has a sum of 4 bytes for each bucket of members, or a bit for each.
	Digests []byte `codec:"Dg,omitempty"`
	Hashes  int    `codec:"Hs,omitempty"`
}

// Type returns TypePushPull.
func (m *PushPullHeader) Type() Type { return TypePushPull }

// Append appends the header, type byte and body, to dst.
func (m *PushPullHeader) Append(dst []byte) []byte {
	dst = append(dst, byte(TypePushPull), mpFixMap|byte(3+m.differenceFields()))
	if len(m.Digests) > 0 {
		dst = appendBytes(append(dst, "\xa2Dg"...), m.Digests)
	}
	if m.From != "" {
		dst = appendString(append(dst, "\xa4From"...), m.From)
	}
	if m.Hashes != 0 {
		dst = appendInt(append(dst, "\xa2Hs"...), int64(m.Hashes))
	}
	dst = appendBool(append(dst, "\xa4Join"...), m.Join)
	if m.Node != "" {
		dst = appendString(append(dst, "\xa4Node"...), m.Node)
	}
	dst = appendInt(append(dst, "\xa5Nodes"...), int64(m.Nodes))
	return appendView(appendInt(append(dst, "\xacUserStateLen"...), int64(m.UserStateLen)), m.View)
}

// differenceFields returns the number of fields of a push/pull of differences that are not zero.
func (m *PushPullHeader) differenceFields() int {
	n := 0
	for _, present := range []bool{m.Node != "", m.From != "", m.View != 0, len(m.Digests) > 0, m.Hashes != 0} {
		if present {
			n++
		}
	}
	return n
}

// Parse sets every field from body; see Ping.Parse. Digests is a view into body. It accepts any numbers: see Validate.
func (m *PushPullHeader) Parse(body []byte, names *Names) error {
	if !m.parse(body, names) {
		return fallback("push/pull header", body, m)
	}
	return nil
}

func (m *PushPullHeader) parse(body []byte, names *Names) bool {
	*m = PushPullHeader{}
	f := parseFields(body)
	for f.next() {
		switch string(f.key()) {
		case "Join":
			m.Join = f.bool()
		case "Nodes":
			m.Nodes = f.int()
		case "UserStateLen":
			m.UserStateLen = f.int()
		case "Node":
			m.Node = f.string(names)
		case "From":
			m.From = f.string(names)
		case "Vw":
			m.View = f.uint64()
		case "Dg":
			m.Digests = f.bytes()
		case "Hs":
			m.Hashes = f.int()
		default:
			f.skip()
		}
	}
	return f.ok
}

// Validate returns ErrMalformed if a count is negative, and ErrTooLarge if one is above MaxPushPullNodes, MaxUserState or
// MaxPushPullHashes.
func (m *PushPullHeader) Validate() error {
	if err := validateCount("push/pull nodes", m.Nodes, MaxPushPullNodes); err != nil {
		return err
	}
	if err := validateCount("push/pull hashes", m.Hashes, MaxPushPullHashes); err != nil {
		return err
	}
	return validateCount("push/pull user state", m.UserStateLen, MaxUserState)
}

func validateCount(what string, n, limit int) error {
	if n < 0 {
		return fmt.Errorf("%s: %d: %w", what, n, ErrMalformed)
	}
	if n > limit {
		return fmt.Errorf("%s: %d, the limit is %d: %w", what, n, limit, ErrTooLarge)
	}
	return nil
}

// PushNodeState is the state of one member, as the sender of a push/pull knows it. It is an element of a stream, so
// it has no type byte.
type PushNodeState struct {
	Name string
	// Addr should have 4 or 16 bytes. Parse accepts any number.
	Addr        []byte
	Port        uint16
	Meta        []byte
	Incarnation uint32
	// State is 0 alive, 1 suspect, 2 dead, 3 left. Parse accepts any number.
	State int
	// Vsn and Zone are as in Alive.
	Vsn  []byte
	Zone []byte `codec:"Zn,omitempty"`
}

// Append appends the state to dst.
func (m *PushNodeState) Append(dst []byte) []byte {
	dst = append(dst, mpFixMap|7+zoneFields(m.Zone))
	dst = appendBytes(append(dst, "\xa4Addr"...), m.Addr)
	dst = appendUint(append(dst, "\xabIncarnation"...), uint64(m.Incarnation))
	dst = appendBytes(append(dst, "\xa4Meta"...), m.Meta)
	dst = appendString(append(dst, "\xa4Name"...), m.Name)
	dst = appendUint(append(dst, "\xa4Port"...), uint64(m.Port))
	dst = appendInt(append(dst, "\xa5State"...), int64(m.State))
	return appendZone(appendBytes(append(dst, "\xa3Vsn"...), m.Vsn), m.Zone)
}

// Parse sets every field from body, which begins with the state; see Ping.Parse. Addr, Meta, Vsn and Zone are views into
// body.
func (m *PushNodeState) Parse(body []byte, names *Names) error {
	var v StateView
	if v.parseCanonical(body) != failed {
		*m = PushNodeState{Name: names.Intern(v.Name()), Addr: v.Addr(), Port: v.Port, Meta: v.Meta(), Incarnation: v.Incarnation,
			State: v.State, Vsn: v.Vsn(), Zone: v.Zone()}
		return nil
	}
	return fallback("push/pull state", body, m)
}
