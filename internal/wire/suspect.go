package wire

// Suspect announces that a member may be dead (SWIM section 4.2).
type Suspect struct {
	Incarnation uint32
	// Node is the name of the suspected member, From the name of the reporter.
	Node string
	From string
}

// Type returns TypeSuspect.
func (m *Suspect) Type() Type { return TypeSuspect }

// Append appends the message, type byte and body, to dst.
func (m *Suspect) Append(dst []byte) []byte {
	return appendAccusation(append(dst, byte(TypeSuspect)), accusation(*m))
}

// Parse sets every field from body; see Ping.Parse.
func (m *Suspect) Parse(body []byte, names *Names) error {
	if !(*accusation)(m).parseCanonical(body, names) {
		return fallback("suspect", body, m)
	}
	return nil
}

// Dead announces that a member is dead or, if Node and From are equal, that it has left.
type Dead struct {
	Incarnation uint32
	// Node is the name of the dead member, From the name of the reporter.
	Node string
	From string
}

// Type returns TypeDead.
func (m *Dead) Type() Type { return TypeDead }

// Append appends the message, type byte and body, to dst.
func (m *Dead) Append(dst []byte) []byte {
	return appendAccusation(append(dst, byte(TypeDead)), accusation(*m))
}

// Parse sets every field from body; see Ping.Parse.
func (m *Dead) Parse(body []byte, names *Names) error {
	if !(*accusation)(m).parseCanonical(body, names) {
		return fallback("dead", body, m)
	}
	return nil
}

// accusation is the common shape of Suspect and Dead.
type accusation struct {
	Incarnation uint32
	Node        string
	From        string
}

func appendAccusation(dst []byte, m accusation) []byte {
	dst = append(dst, mpFixMap|3)
	dst = appendString(append(dst, "\xa4From"...), m.From)
	dst = appendUint(append(dst, "\xabIncarnation"...), uint64(m.Incarnation))
	return appendString(append(dst, "\xa4Node"...), m.Node)
}

func (m *accusation) parseCanonical(b []byte, names *Names) bool {
	var r GossipView
	if !r.parseAccusation(TypeSuspect, b) { // a Dead has the same shape
		return false
	}
	*m = accusation{Incarnation: r.Incarnation, Node: names.Intern(r.Node), From: names.Intern(r.From)}
	return true
}
