package wire

import "fmt"

// StateView is an encoded PushNodeState with the positions of its fields. It has only one pointer: a push/pull sets
// one for each member, and pointer writes are slow while the garbage collector runs.
type StateView struct {
	Incarnation uint32
	Port        uint16
	State       int

	b                           []byte
	addr, meta, name, vsn, zone span
}

// span is a part of a StateView's bytes. The zero value stands for nil.
type span struct{ from, to uint32 }

func (v *StateView) bytes(s span) []byte {
	if s == (span{}) {
		return nil
	}
	return v.b[s.from:s.to:s.to]
}

// Name is a view into the encoded state, as are Addr, Meta, Vsn and Zone. See PushNodeState.
func (v *StateView) Name() []byte { return v.bytes(v.name) }
func (v *StateView) Addr() []byte { return v.bytes(v.addr) }
func (v *StateView) Meta() []byte { return v.bytes(v.meta) }
func (v *StateView) Vsn() []byte  { return v.bytes(v.vsn) }
func (v *StateView) Zone() []byte { return v.bytes(v.zone) }

// Named returns the state with name, which must equal Name, as its name. Its byte slices are views.
func (v *StateView) Named(name string) PushNodeState {
	return PushNodeState{Name: name, Addr: v.Addr(), Port: v.Port, Meta: v.Meta(), Incarnation: v.Incarnation,
		State: v.State, Vsn: v.Vsn(), Zone: v.Zone()}
}

// parse reads the state at the start of b and returns its size in bytes. If it is truncated or malformed, the error
// is as in PushNodeState.Parse.
func (v *StateView) parse(b []byte) (size int, err error) {
	if size := v.parseCanonical(b); size != failed {
		return size, nil
	}
	value, err := cutValue(b)
	if err != nil {
		return 0, err
	}
	var m PushNodeState
	if err := m.Parse(value, nil); err != nil {
		return 0, err
	}
	state := m.State
	m.State = 0 // the only valid form
	v.parseCanonical(m.Append(nil))
	v.State = state
	return len(value), nil
}

// parseCanonical reads a state in the shape that peers send and returns its size in bytes, or failed and leaves v
// unchanged.
func (v *StateView) parseCanonical(b []byte) (size int) {
	const keyAddr, keyIncarnation, keyMeta, keyName = "\xa4Addr", "\xabIncarnation", "\xa4Meta", "\xa4Name"
	const keyPort, keyState, keyVsn = "\xa4Port", "\xa5State", "\xa3Vsn"
	// Comparing each key with a constant in place takes an instruction or two.
	at := 1 + len(keyAddr)
	if len(b) < at || b[0]&^0xf != mpFixMap || string(b[1:at]) != keyAddr {
		return failed
	}
	addr, at := spanAt(b, at)
	if at < 0 || len(b)-at < len(keyIncarnation) || string(b[at:at+len(keyIncarnation)]) != keyIncarnation {
		return failed
	}
	incarnation, at := uint32At(b, at+len(keyIncarnation))
	if at < 0 || len(b)-at < len(keyMeta) || string(b[at:at+len(keyMeta)]) != keyMeta {
		return failed
	}
	meta, at := spanAt(b, at+len(keyMeta))
	if at < 0 || len(b)-at < len(keyName) || string(b[at:at+len(keyName)]) != keyName {
		return failed
	}
	name, at := spanAt(b, at+len(keyName))
	if at < 0 || len(b)-at < len(keyPort) || string(b[at:at+len(keyPort)]) != keyPort {
		return failed
	}
	port, at := uint16At(b, at+len(keyPort))
	if at < 0 || len(b)-at < len(keyState) || string(b[at:at+len(keyState)]) != keyState {
		return failed
	}
	state, at := uint32At(b, at+len(keyState))
	if at < 0 || len(b)-at < len(keyVsn) || string(b[at:at+len(keyVsn)]) != keyVsn {
		return failed
	}
	vsn, at := spanAt(b, at+len(keyVsn))
	var zone span
	switch b[0] {
	case mpFixMap | 7:
	case mpFixMap | 8:
		if at < 0 || len(b)-at < len(keyZone) || string(b[at:at+len(keyZone)]) != keyZone {
			return failed
		}
		zone, at = spanAt(b, at+len(keyZone))
	default:
		return failed
	}
	if at < 0 {
		return failed
	}
	v.Incarnation, v.Port, v.State = incarnation, port, int(state)
	v.b, v.addr, v.meta, v.name, v.vsn, v.zone = b, addr, meta, name, vsn, zone
	return at
}

// spanAt reads raw bytes, as bytesAt does.
func spanAt(b []byte, at int) (s span, next int) {
	if at >= 0 && at < len(b) && b[at]-mpFixRaw < mpNil-mpFixRaw {
		if end := at + 1 + int(b[at]-mpFixRaw); end <= len(b) {
			return span{uint32(at + 1), uint32(end)}, end
		}
		return span{}, failed
	}
	v, next := longBytesAt(b, at)
	if v == nil {
		return span{}, next
	}
	return span{uint32(next - len(v)), uint32(next)}, next
}

// States are the encoded states of a push/pull, so that many take little memory. A copy iterates independently. The
// zero value is empty.
type States struct {
	unread []byte // well-formed: each was parsed when it arrived
	n      int
}

// Len returns the number of states that Next has not returned.
func (s *States) Len() int { return s.n }

// Next sets v to the next state, and returns false if there is none.
func (s *States) Next(v *StateView) bool {
	if s.n == 0 {
		return false
	}
	size, err := v.parse(s.unread)
	if err != nil { // impossible: it was parsed before
		*s = States{}
		return false
	}
	s.unread = s.unread[size:]
	s.n--
	return true
}

// Take returns up to most states, with names that are allocated. Their byte slices are views.
func (s *States) Take(most int) []PushNodeState {
	taken := make([]PushNodeState, 0, min(most, s.n))
	var v StateView
	for len(taken) < most && s.Next(&v) {
		taken = append(taken, v.Named(string(v.Name())))
	}
	return taken
}

// Cut removes the next states, at most n, and returns them.
func (s *States) Cut(n int) States {
	first := *s
	first.n = min(n, s.n)
	var v StateView
	for end := s.n - first.n; s.n > end && s.Next(&v); {
	}
	first.unread = first.unread[:len(first.unread)-len(s.unread)]
	return first
}

// Filter returns those states for which keep returns true, in memory of their own.
func (s States) Filter(keep func(*StateView) bool) States {
	var kept States
	var v StateView
	for before := s.unread; s.Next(&v); before = s.unread {
		if keep(&v) {
			kept.unread = append(kept.unread, before[:len(before)-len(s.unread)]...)
			kept.n++
		}
	}
	return kept
}

// ParseStates returns the n states that b begins with, as PushNodeState.Append writes them. Its memory is that of b.
func ParseStates(b []byte, n int) (States, error) {
	end := 0
	var v StateView
	for i := range n {
		size, err := v.parse(b[end:])
		if err != nil {
			return States{}, fmt.Errorf("state %d of %d: %w", i+1, n, err)
		}
		end += size
	}
	return States{b[:end:end], n}, nil
}

// StatesOf returns states as they are after they were sent and read.
func StatesOf(states ...PushNodeState) States {
	var read States
	for i := range states {
		read.unread = states[i].Append(read.unread)
	}
	read.n = len(states)
	return read
}

// ReadStates reads the states of n members of a push/pull, 0 to MaxPushPullNodes. They are valid until OpenFrame,
// Decompress or Reset. The errors are those of ReadMessage.
func (s *StreamReader) ReadStates(n int) (States, error) {
	read := 0 // bytes read here, but unread for other methods
	var v StateView
	for i := range n {
		size, err := s.state(&v, read)
		if err != nil {
			return States{}, fmt.Errorf("state %d of %d: %w", i+1, n, err)
		}
		read += size
	}
	states := States{s.unread()[:read:read], n}
	s.pos += read
	s.lent = true
	return states, nil
}

// state parses the state after the given number of unread bytes. It reads more from the stream until the state is
// complete.
func (s *StreamReader) state(v *StateView, after int) (size int, err error) {
	if size := v.parseCanonical(s.unread()[after:]); size != failed && size <= MaxStreamValue {
		return size, nil
	}
	// Of another shape, or incomplete.
	var sc scanner
	for {
		done, err := sc.scan(s.unread()[after:], MaxStreamValue)
		if err != nil {
			return 0, err
		}
		if done {
			return v.parse(s.unread()[after : after+sc.off])
		}
		if err := s.fillWithin(4*after + MaxStreamValue); err != nil {
			return 0, err
		}
	}
}
