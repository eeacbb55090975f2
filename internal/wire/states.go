package wire

import "fmt"

// StateView is a PushNodeState as it was read. Its bytes are views into what it was read from.
type StateView struct {
	PushNodeState        // but for its name, which is ""
	NameBytes     []byte // the name
}

// Named returns the state with a name that is a string of its own. Its other bytes are still views.
func (v *StateView) Named() PushNodeState {
	s := v.PushNodeState
	s.Name = string(v.NameBytes)
	return s
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
	if err := v.PushNodeState.Parse(value, nil); err != nil {
		return 0, err
	}
	v.NameBytes, v.Name = []byte(v.Name), ""
	return len(value), nil
}

func (v *StateView) parseCanonical(b []byte) (size int) {
	from, to, size := v.PushNodeState.parseCanonical(b)
	if size != failed {
		v.NameBytes, v.Name = b[from:to:to], ""
	}
	return size
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
		taken = append(taken, v.Named())
	}
	return taken
}

// ReadStates reads the states of n members of a push/pull, 0 to MaxPushPullNodes, and has see, if not nil, look at each as
// it comes; the view is see's for that call alone. What is returned is valid until a layer is entered or s is Reset. An
// error is as in ReadMessage.
func (s *StreamReader) ReadStates(n int, see func(*StateView)) (States, error) {
	read := 0 // bytes that are still unread to the others
	v := &s.view
	for i := range n {
		size, err := s.state(v, read)
		if err != nil {
			return States{}, fmt.Errorf("state %d of %d: %w", i+1, n, err)
		}
		if see != nil {
			see(v)
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
		if err := s.fillWithin(2*after + MaxStreamValue); err != nil {
			return 0, err
		}
	}
}
