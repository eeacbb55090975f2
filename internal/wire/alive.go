package wire

// Alive announces that a member is alive, with its address, metadata and versions.
type Alive struct {
	Incarnation uint32
	Node        string
	// Addr should have 4 or 16 bytes. Parse accepts any number.
	Addr []byte
	Port uint16
	// Meta is the metadata from Delegate.NodeMeta. Nil and empty differ on the wire.
	Meta []byte
	// Vsn has the lowest, highest and current version of the protocol, then of the delegate, of the member. Parse
	// accepts any number of bytes.
	Vsn []byte
	// Zone is the zone of the member; empty: absent. Members of the reference neither send nor read it.
	Zone []byte `codec:"Zn,omitempty"`
}

// Type returns TypeAlive.
func (m *Alive) Type() Type { return TypeAlive }

// Append appends the message, type byte and body, to dst.
func (m *Alive) Append(dst []byte) []byte {
	dst = append(dst, byte(TypeAlive), mpFixMap|6+zoneFields(m.Zone))
	dst = appendBytes(append(dst, "\xa4Addr"...), m.Addr)
	dst = appendUint(append(dst, "\xabIncarnation"...), uint64(m.Incarnation))
	dst = appendBytes(append(dst, "\xa4Meta"...), m.Meta)
	dst = appendString(append(dst, "\xa4Node"...), m.Node)
	dst = appendUint(append(dst, "\xa4Port"...), uint64(m.Port))
	return appendZone(appendBytes(append(dst, "\xa3Vsn"...), m.Vsn), m.Zone)
}

// zoneFields returns the number of fields that appendZone appends.
func zoneFields(zone []byte) byte {
	if len(zone) == 0 {
		return 0
	}
	return 1
}

// appendZone appends the zone, unless it is absent.
func appendZone(dst, zone []byte) []byte {
	if len(zone) == 0 {
		return dst
	}
	return appendBytes(append(dst, keyZone...), zone)
}

// Parse sets every field from body; see Ping.Parse. Addr, Meta, Vsn and Zone are views into body.
func (m *Alive) Parse(body []byte, names *Names) error {
	if !m.parseCanonical(body, names) {
		return fallback("alive", body, m)
	}
	return nil
}

func (m *Alive) parseCanonical(b []byte, names *Names) bool {
	var r GossipView
	if !r.parseAlive(b) {
		return false
	}
	*m = Alive{Incarnation: r.Incarnation, Node: names.Intern(r.Node), Addr: r.Addr, Port: r.Port, Meta: r.Meta, Vsn: r.Vsn,
		Zone: r.Zone}
	return true
}
