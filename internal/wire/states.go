package wire

// statesReader reads the states of a push/pull as views into the stream's buffer. Their names are cut from one string for
// each buffer: so reading them costs no allocation for each.
type statesReader struct {
	stream *StreamReader
	states []PushNodeState
	most   int    // how many there will be
	from   int    // where in the buffer the first state without a name begins
	names  []part // of the last states
}

// part is a part of the buffer. The zero value stands for a name that its state has already.
type part struct{ from, to int }

// minStates is how many states there is room for at first; it doubles as they arrive.
const minStates = 16

// read reads one more state.
func (r *statesReader) read() error {
	if len(r.states) == cap(r.states) {
		size := min(max(2*cap(r.states), minStates), r.most)
		if err := r.stream.ask((size - cap(r.states)) * stateCost); err != nil {
			return err
		}
		r.states = append(make([]PushNodeState, 0, size), r.states...)
	}
	s := r.stream
	var m PushNodeState
	if from, to, size := m.parseCanonical(s.unread()); size != failed && size <= MaxStreamValue {
		r.add(m, part{s.pos + from, s.pos + to}, size)
		return nil
	}
	// Of another shape, or not all there.
	var sc scanner
	for {
		done, err := sc.scan(s.unread(), MaxStreamValue)
		if err != nil {
			return err
		}
		if done {
			break
		}
		if err := r.fill(); err != nil {
			return err
		}
	}
	if from, to, size := m.parseCanonical(s.unread()[:sc.off]); size == sc.off {
		r.add(m, part{s.pos + from, s.pos + to}, size)
		return nil
	}
	if err := m.Parse(s.unread()[:sc.off], nil); err != nil {
		return err
	}
	r.add(m, part{}, sc.off)
	return nil
}

func (r *statesReader) add(m PushNodeState, name part, size int) {
	r.states = append(r.states, m)
	r.names = append(r.names, name)
	r.stream.pos += size
}

// fill reads more of the stream. If that takes another buffer, the states of this one get their names before.
func (r *statesReader) fill() error {
	s := r.stream
	if s.r != nil && len(s.buf) == cap(s.buf) {
		if err := r.nameAll(); err != nil {
			return err
		}
		if err := s.makeRoom(MaxStreamValue); err != nil {
			return err
		}
		r.from = s.pos
	}
	return s.fillWithin(MaxStreamValue)
}

// nameAll gives their names to the states that have none.
func (r *statesReader) nameAll() error {
	if len(r.names) == 0 {
		return nil
	}
	s := r.stream
	if err := s.ask(s.pos - r.from); err != nil {
		return err
	}
	text := string(s.buf[r.from:s.pos])
	unnamed := r.states[len(r.states)-len(r.names):]
	for i, name := range r.names {
		if name != (part{}) {
			unnamed[i].Name = text[name.from-r.from : name.to-r.from]
		}
	}
	r.names, r.from = r.names[:0], s.pos
	return nil
}
