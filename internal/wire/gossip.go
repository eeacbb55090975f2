package wire

import "fmt"

// GossipView is an Alive, a Suspect or a Dead message in one shape, with views into the message, so that parsing one
// allocates nothing. Most of these messages are known already.
type GossipView struct {
	// Kind is TypeAlive, TypeSuspect or TypeDead.
	Kind Type
	// Incarnation and Node, the name of the member concerned, are set for every kind.
	Incarnation uint32
	Node        []byte
	// From is the name of the reporter, for a Suspect or a Dead.
	From []byte
	// Addr, Port, Meta, Vsn and Zone are set for an Alive.
	Addr []byte
	Port uint16
	Meta []byte
	Vsn  []byte
	Zone []byte
}

// Parse sets the fields of kind from body: TypeAlive, TypeSuspect or TypeDead; another type is ErrUnknownType. Other
// fields keep their values. Slices are views into body, or newly allocated. See Ping.Parse.
func (r *GossipView) Parse(kind Type, body []byte) error {
	switch kind {
	case TypeAlive:
		if r.parseAlive(body) {
			return nil
		}
		var m Alive
		if err := m.Parse(body, nil); err != nil {
			return err
		}
		*r = GossipView{Kind: kind, Incarnation: m.Incarnation, Node: []byte(m.Node), Addr: m.Addr, Port: m.Port, Meta: m.Meta,
			Vsn: m.Vsn, Zone: m.Zone}
	case TypeSuspect, TypeDead:
		if r.parseAccusation(kind, body) {
			return nil
		}
		var m Suspect // a Dead has the same shape
		if err := m.Parse(body, nil); err != nil {
			return err
		}
		*r = GossipView{Kind: kind, Incarnation: m.Incarnation, Node: []byte(m.Node), From: []byte(m.From)}
	default:
		return fmt.Errorf("%w: %v", ErrUnknownType, kind)
	}
	return nil
}

// Alive returns a view of TypeAlive as a message, with a copied name.
func (r *GossipView) Alive() *Alive {
	return &Alive{Incarnation: r.Incarnation, Node: string(r.Node), Addr: r.Addr, Port: r.Port, Meta: r.Meta, Vsn: r.Vsn, Zone: r.Zone}
}

func (r *GossipView) parseAccusation(kind Type, b []byte) bool {
	key := keyAt(b, 0, "\x83\xa4From")
	from, at := shortAt(b, key)
	if at == failed {
		from, at = longBytesAt(b, key)
	}
	incarnation, at := uint32At(b, keyAt(b, at, "\xabIncarnation"))
	key = keyAt(b, at, "\xa4Node")
	node, at := shortAt(b, key)
	if at == failed {
		node, at = longBytesAt(b, key)
	}
	if at == failed {
		return false
	}
	r.Kind, r.Incarnation, r.Node, r.From = kind, incarnation, node, from
	return true
}

func (r *GossipView) parseAlive(b []byte) bool {
	withZone := len(b) > 0 && b[0] == mpFixMap|7
	key := keyAt(b, 0, "\x86\xa4Addr")
	if withZone {
		key = keyAt(b, 1, "\xa4Addr")
	}
	addr, at := shortAt(b, key)
	incarnation, at := uint32At(b, keyAt(b, at, "\xabIncarnation"))
	key = keyAt(b, at, "\xa4Meta")
	meta, at := shortAt(b, key)
	if at == failed {
		meta, at = longBytesAt(b, key)
	}
	key = keyAt(b, at, "\xa4Node")
	node, at := shortAt(b, key)
	if at == failed {
		node, at = longBytesAt(b, key)
	}
	port, at := uint16At(b, keyAt(b, at, "\xa4Port"))
	vsn, at := shortAt(b, keyAt(b, at, "\xa3Vsn"))
	var zone []byte
	if withZone {
		zone, at = zoneAt(b, at)
	}
	if at == failed {
		return false
	}
	r.Kind, r.Incarnation, r.Node, r.Addr, r.Port, r.Meta, r.Vsn, r.Zone = TypeAlive, incarnation, node, addr, port, meta, vsn, zone
	return true
}

const keyZone = "\xa2Zn"

// zoneAt reads a zone with its key.
func zoneAt(b []byte, at int) (zone []byte, next int) {
	key := keyAt(b, at, keyZone)
	if zone, next = shortAt(b, key); next == failed {
		zone, next = longBytesAt(b, key)
	}
	return zone, next
}
