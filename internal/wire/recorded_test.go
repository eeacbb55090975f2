package wire

import (
	"bytes"
	"slices"
	"testing"

	"github.com/e3431adc/memberlist/internal/recorded"
)

// traffic is packets and streams of real members of both libraries, in parts, as seeds for fuzz targets.
type traffic struct {
	packets [][]byte          // without label and seal
	streams [][]byte          // without labels
	bodies  map[Type][][]byte // of the messages in them
	states  [][]byte          // of push/pulls
}

func loadTraffic(t testing.TB) *traffic {
	t.Helper()
	all, err := recorded.All()
	if err != nil {
		t.Fatal(err)
	}
	r := &traffic{bodies: make(map[Type][][]byte)}
	for _, c := range all {
		_, rest, err := CutLabel(c.Bytes)
		if err == nil && c.Stream {
			err = r.addStream(t, c, rest)
		} else if err == nil {
			err = r.addPacket(t, c, rest)
		}
		if err != nil {
			t.Fatalf("%v: %v", c, err)
		}
	}
	r.packets, r.streams, r.states = distinct(r.packets), distinct(r.streams), distinct(r.states)
	for kind, bodies := range r.bodies {
		r.bodies[kind] = distinct(bodies)
	}
	return r
}

func (r *traffic) addPacket(t testing.TB, c recorded.Capture, packet []byte) error {
	if c.Key != nil {
		var err error
		if packet, _, err = Open(nil, recordedCiphers(t, c), packet, []byte(c.Label)); err != nil {
			return err
		}
	}
	r.packets = append(r.packets, packet)
	_, err := new(Unpacker).Unpack(packet, func(kind Type, body []byte) {
		r.bodies[kind] = append(r.bodies[kind], bytes.Clone(body))
	})
	return err
}

func (r *traffic) addStream(t testing.TB, c recorded.Capture, stream []byte) error {
	s := NewStreamReader(bytes.NewReader(stream), nil)
	kind, err := s.ReadType()
	if err == nil && kind == TypeEncrypt {
		if _, err = s.OpenFrame(recordedCiphers(t, c), c.Label); err != nil {
			return err
		}
		kind, err = s.ReadType()
	}
	if err != nil {
		return err
	}
	plain := []byte{byte(kind)}
	for b, err := s.ReadN(1, 1); err == nil; b, err = s.ReadN(1, 1) {
		plain = append(plain, b...)
	}
	r.streams = append(r.streams, plain)
	s = NewStreamReader(bytes.NewReader(plain), nil)
	s.ReadType()
	if kind == TypeCompress {
		if err = s.Decompress(); err != nil {
			return err
		}
		if kind, err = s.ReadType(); err != nil {
			return err
		}
	}
	if kind != TypePushPull {
		if kind == Type(plain[0]) {
			r.bodies[kind] = append(r.bodies[kind], plain[1:])
		}
		return nil
	}
	var header PushPullHeader
	if err := s.ReadMessage(&header); err != nil {
		return err
	}
	r.bodies[kind] = append(r.bodies[kind], header.Append(nil)[1:])
	states, err := s.ReadStates(header.Nodes)
	if err != nil {
		return err
	}
	for _, state := range states.Take(states.Len()) {
		r.states = append(r.states, state.Append(nil))
	}
	return nil
}

func recordedCiphers(t testing.TB, c recorded.Capture) []*Cipher {
	t.Helper()
	cipher, err := NewCipher(c.Key)
	if err != nil {
		t.Fatal(err)
	}
	return []*Cipher{cipher}
}

// distinct sorts, and removes duplicates.
func distinct(all [][]byte) [][]byte {
	slices.SortFunc(all, bytes.Compare)
	return slices.CompactFunc(all, bytes.Equal)
}

// seedsOf are the bodies that were recorded of messages of m's kind.
func (r *traffic) seedsOf(m any) [][]byte {
	if m, ok := m.(Message); ok {
		return r.bodies[m.Type()]
	}
	return r.states
}

// TestRecordedTraffic: there is recorded traffic of each message; all of it is parsed, and encoded to the same bytes.
func TestRecordedTraffic(t *testing.T) {
	r := loadTraffic(t)
	for _, m := range []message{new(Ping), new(IndirectPing), new(Ack), new(Nack), new(Suspect), new(Dead), new(Alive),
		new(PushPullHeader), new(PushNodeState), new(UserHeader)} {
		found := 0
		for _, body := range r.seedsOf(m) {
			if _, ok := m.(*UserHeader); ok && !bytes.HasPrefix(body, []byte("\x81\xaaUserMsgLen")) {
				continue // in a packet, without a header
			}
			if err := m.Parse(body, nil); err != nil {
				t.Errorf("%T %x: %v", m, body, err)
			} else if again := m.Append(nil)[typeSize(m):]; !bytes.HasPrefix(body, again) {
				t.Errorf("%T %x: written again %x", m, body, again)
			}
			found++
		}
		if found == 0 {
			t.Errorf("no %T was recorded", m)
		}
	}
}
