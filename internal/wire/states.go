package wire

import "fmt"

// StateView is a PushNodeState as it was read: it says where in the bytes that came what is. So to read one, which is done
// for each member at each push/pull, writes no pointer but one, which costs more while the collector runs.
type StateView struct {
	Incarnation uint32
	Port        uint16
	State       int

	b                     []byte
	addr, meta, name, vsn span
}

// span is a part of a StateView's bytes. The zero value stands for nil.
type span struct{ from, to uint32 }

func (v *StateView) bytes(s span) []byte {
	if s == (span{}) {
		return nil
	}
	return v.b[s.from:s.to:s.to]
}

// Name is a view into what was read, as are Addr, Meta and Vsn. See PushNodeState for what they are.
func (v *StateView) Name() []byte { return v.bytes(v.name) }
func (v *StateView) Addr() []byte { return v.bytes(v.addr) }
func (v *StateView) Meta() []byte { return v.bytes(v.meta) }
func (v *StateView) Vsn() []byte  { return v.bytes(v.vsn) }

// Named returns the state with its name in a string that the caller has of it. Its other bytes are still views.
func (v *StateView) Named(name string) PushNodeState {
	return PushNodeState{Name: name, Addr: v.Addr(), Port: v.Port, Meta: v.Meta(), Incarnation: v.Incarnation,
		State: v.State, Vsn: v.Vsn()}
}

// parse reads the state that b begins with, and returns how many bytes it has. If it is not all there, or no state, the
// error is as in PushNodeState.Parse.
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
	m.State = 0 // which has the one form that is read
	v.parseCanonical(m.Append(nil))
	v.State = state
	return len(value), nil
}

// parseCanonical reads a state in the shape that peers send. Its size is how many bytes it has, or failed: then v is as it
// was.
func (v *StateView) parseCanonical(b []byte) (size int) {
	const keyAddr, keyIncarnation, keyMeta, keyName = "\x87\xa4Addr", "\xabIncarnation", "\xa4Meta", "\xa4Name"
	const keyPort, keyState, keyVsn = "\xa4Port", "\xa5State", "\xa3Vsn"
	// To compare with constants where they are takes an instruction or two.
	at := len(keyAddr)
	if len(b) < at || string(b[:at]) != keyAddr {
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
	if at < 0 {
		return failed
	}
	v.Incarnation, v.Port, v.State = incarnation, port, int(state)
	v.b, v.addr, v.meta, v.name, v.vsn = b, addr, meta, name, vsn
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

// States are the states of a push/pull, in the bytes that they came in, so that many cost little. A copy goes through them
// by itself. The zero value has none.
type States struct {
	unread []byte // each was parsed before
	n      int
}

// Len is how many there are still to come.
func (s *States) Len() int { return s.n }

// Next sets v to the next state, and reports false if there is none.
func (s *States) Next(v *StateView) bool {
	if s.n == 0 {
		return false
	}
	size, err := v.parse(s.unread)
	if err != nil { // it was none before
		*s = States{}
		return false
	}
	s.unread = s.unread[size:]
	s.n--
	return true
}

// Take returns the next states, at most so many, with names that are strings of their own. Their other bytes are views.
func (s *States) Take(most int) []PushNodeState {
	taken := make([]PushNodeState, 0, min(most, s.n))
	var v StateView
	for len(taken) < most && s.Next(&v) {
		taken = append(taken, v.Named(string(v.Name())))
	}
	return taken
}

// ReadStates reads the states of n members of a push/pull, 0 to MaxPushPullNodes. What is returned is valid until a layer is
// entered or s is Reset. An error is as in ReadMessage.
func (s *StreamReader) ReadStates(n int) (States, error) {
	read := 0 // bytes that are still unread to the others
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

// state looks at the state that comes after so many unread bytes. If it is not all there, it reads more.
func (s *StreamReader) state(v *StateView, after int) (size int, err error) {
	if size := v.parseCanonical(s.unread()[after:]); size != failed && size <= MaxStreamValue {
		return size, nil
	}
	// Of another shape, or not all there.
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
