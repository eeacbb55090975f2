package swim

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/e3431adc/memberlist/internal/recorder"
)

// Replay puts a Core through the turns of a recording.
//
// An exact replay does what the recorded Core did, byte for byte: the turns are recorded again, and the two recordings are compared, with
// the checksums of the outputs in them. It ends with ErrDiverged at the first difference.
//
// An experiment does what this version of the core does with what the recorded one got: it goes on after a difference. A call gets the
// random numbers of the same call in the recording, as long as they last.
type Replay struct {
	header  *header
	file    *recorder.File
	exact   bool
	rec     *Recorder
	core    *Core
	d       *recorder.Decoder // of the calls of the segment
	segment int
	calls   []anyCall
	turns   int
	out     Output

	diverged error // the first difference
}

// The errors of a Replay, besides those that wrap recorder.ErrCorrupt.
var (
	ErrDiverged = errors.New("the replay differs from the recording")
	ErrLayout   = errors.New("recorded by another version of the library")
	ErrPanicked = errors.New("panic")
)

var errEnds = errors.New("the recording ends within a call")

// ReplayedTurn is a turn of a Replay. It is valid until the next one.
type ReplayedTurn struct {
	Number int // from 1 on
	At     time.Time
	Calls  []ReplayedCall
	Core   *Core
	Out    *Output // also if the turn is not complete

	// Complete is not set if the recording ends within this turn: it was taken during the turn, perhaps as that panicked.
	Complete bool
}

// ReplayedCall is a call of a turn.
type ReplayedCall struct {
	Method    string // of Turn
	Arguments any    // a pointer to a struct
}

// NewReplay returns a Replay of a file. An error wraps recorder.ErrCorrupt or ErrLayout.
func NewReplay(f *recorder.File, exact bool) (*Replay, error) {
	h, err := readHeader(f.Header)
	if err != nil {
		return nil, err
	}
	if len(f.Segments) == 0 {
		return nil, fmt.Errorf("%w: it has no segment", recorder.ErrCorrupt)
	}
	p := &Replay{header: h, file: f, exact: exact, rec: newRecorder(h.Metadata), segment: -1}
	p.calls = p.rec.calls.all()
	codecs := &p.rec.codecs
	if h.Calls != codecs.calls.Fingerprint() || len(f.Segments[0].Checkpoint) > 0 && h.State != codecs.state.Fingerprint() {
		return nil, fmt.Errorf("%w: %q", ErrLayout, h.Program)
	}
	p.rec.replayed = &replayed{spare: rand.New(rand.NewPCG(1, 1))}
	p.rec.replayed.work, p.rec.replayed.most = limitsOf(f)
	return p, p.begin()
}

// Config returns the configuration of the recorded Core. It has no functions.
func (p *Replay) Config() Config { return p.header.Config }

// Program returns what was recorded, for people.
func (p *Replay) Program() string { return p.header.Program }

// FromStart reports whether the recording begins with the recorded Core, and no earlier turns have been dropped.
func (p *Replay) FromStart() bool { return len(p.file.Segments[0].Checkpoint) == 0 }

// Diverged returns the first difference between an experiment and the recording, or nil.
func (p *Replay) Diverged() error { return p.diverged }

// begin makes the Core as it was at the beginning of the recording.
func (p *Replay) begin() error {
	p.nextSegment()
	first := p.file.Segments[0]
	err := p.guard(func() error {
		if p.FromStart() {
			if err := p.answers(); err != nil {
				return err
			}
		}
		cfg := p.header.Config
		cfg.Recorder, cfg.Rand = p.rec, p.rec.replayed.spare
		p.core = New(cfg)
		if p.FromStart() {
			return nil
		}
		p.rec.replayed.exact = false
		return p.rec.restore(first.Checkpoint)
	})
	p.rec.replayed.tape = nil
	p.rec.replayed.exact = p.exact
	if err != nil {
		return fmt.Errorf("%w: checkpoint: %w", recorder.ErrCorrupt, err)
	}
	return nil
}

// nextSegment goes on to the calls of the next segment, and reports whether there is one.
func (p *Replay) nextSegment() bool {
	if p.segment+1 >= len(p.file.Segments) {
		return false
	}
	p.segment++
	p.d = recorder.NewDecoder(p.file.Segments[p.segment].Calls, time.Time{}, !p.header.Metadata)
	return true
}

// Next replays the next turn. At the end of the recording it returns io.EOF. An error wraps ErrDiverged, or recorder.ErrCorrupt if the
// recording makes no sense. If a call panics, the turn is returned as well as an error that wraps ErrPanicked.
func (p *Replay) Next() (*ReplayedTurn, error) {
	for p.d.Len() == 0 {
		if err := p.endSegment(); err != nil {
			return nil, err
		}
	}
	t := &ReplayedTurn{Number: p.turns + 1, Core: p.core, Out: &p.out}
	recorded := p.d.Rest()
	if err := p.beginTurn(t); err != nil {
		return nil, err
	}
	p.turns++
	err := p.guard(func() error { return p.turn(t) })
	if errors.Is(err, errEnds) {
		err = nil
	}
	tape := p.rec.replayed.tape
	p.rec.replayed.tape = tape[:0]
	switch recorded = recorded[:len(recorded)-p.d.Len()]; {
	case err != nil && !errors.Is(err, ErrDiverged):
		return t, err
	case err == nil && t.Complete && string(recorded) != string(tape):
		err = p.difference(t, recorded, tape)
	}
	if err == nil {
		return t, nil
	}
	if p.diverged == nil {
		p.diverged = err
	}
	if p.exact {
		return t, err
	}
	return t, nil
}

// endSegment compares the state at the end of a segment with the checkpoint of the next one, and goes on to that.
func (p *Replay) endSegment() error {
	if !p.nextSegment() {
		return io.EOF
	}
	if p.rec.clock {
		p.d.Base = p.rec.calling.Base
	}
	var now []byte
	err := p.guard(func() error { now = p.rec.checkpoint()(); return nil })
	if err == nil && string(now) != string(p.file.Segments[p.segment].Checkpoint) {
		err = fmt.Errorf("%w: the states after turn %d", ErrDiverged, p.turns)
	}
	if err != nil && p.diverged == nil {
		p.diverged = err
	}
	if err != nil && p.exact {
		return err
	}
	return nil
}

// beginTurn begins a turn. Before the first one there is the clock.
func (p *Replay) beginTurn(t *ReplayedTurn) error {
	entry, r := p.d.Byte(), p.rec
	if entry == entryClock && !r.clock {
		base := time.Unix(0, p.d.Varint()).UTC()
		p.d.Base, t.At = base, base
		if entry = p.d.Byte(); entry != entryBegin || p.d.Varint() != 0 {
			return p.corrupt("the first turn does not begin")
		}
	} else {
		if entry != entryBegin || !r.clock {
			return p.corrupt("a turn does not begin")
		}
		p.d.Base = r.calling.Base
		t.At = r.began.Add(time.Duration(p.d.Varint()))
	}
	if p.core.turn.out != nil { // it ended in a panic, or was cut off
		return p.corrupt("a turn does not end")
	}
	if p.d.Err() != nil {
		return p.corrupt("no time")
	}
	return nil
}

func (p *Replay) corrupt(what string) error {
	return fmt.Errorf("%w: %s after turn %d", recorder.ErrCorrupt, what, p.turns)
}

// turn does what the recording has of a turn.
func (p *Replay) turn(t *ReplayedTurn) error {
	turn := p.core.Begin(t.At, &p.out)
	for {
		if p.d.Len() == 0 {
			return nil // the recording was taken during the turn
		}
		switch entry := p.d.Byte(); {
		case entry == entryEnd:
			p.d.Skip(4) // the checksum is compared with all the rest
			turn.End()
			t.Complete = p.d.Err() == nil
			return p.d.Err()
		case entry < firstCall || int(entry-firstCall) >= len(p.calls):
			return p.corrupt("an entry that is none")
		default:
			method := p.calls[entry-firstCall]
			call, err := method.read(p.d)
			if err != nil {
				return fmt.Errorf("turn %d: arguments of %s: %w", t.Number, method.method(), err)
			}
			t.Calls = append(t.Calls, ReplayedCall{Method: method.method(), Arguments: call})
			if err := p.answers(); err != nil {
				return err
			}
			call.do(turn)
			if err := p.rec.replayed.rest(); err != nil {
				return err
			}
		}
	}
}

// answers reads what a call got from outside.
func (p *Replay) answers() error {
	a := p.rec.replayed
	a.reset()
	for {
		a.last = p.d.Len() == 0
		if a.last {
			return nil
		}
		switch p.d.Peek() {
		case entryRandom:
			p.d.Skip(1)
			a.randoms = append(a.randoms, binary.LittleEndian.Uint64(p.d.Fixed(8)))
		case entrySeq:
			p.d.Skip(1)
			a.sequences = append(a.sequences, binary.LittleEndian.Uint32(p.d.Fixed(4)))
		case entryHash:
			p.d.Skip(1)
			a.hashes = append(a.hashes, binary.LittleEndian.Uint32(p.d.Fixed(4)))
		case entryAllowed, entryDenied:
			a.answers = append(a.answers, p.d.Byte() == entryAllowed)
		case entryName:
			p.d.Skip(1)
			a.names = append(a.names, p.d.Text())
		default:
			return nil
		}
		if err := p.d.Err(); err != nil {
			return fmt.Errorf("after turn %d: %w", p.turns, err)
		}
	}
}

// stop is what a call of the core panics with when it cannot go on.
type stop struct{ err error }

// guard calls f, and returns a panic as an error.
func (p *Replay) guard(f func() error) (err error) {
	defer func() {
		switch v := recover().(type) {
		case nil:
		case stop:
			err = v.err
		default:
			err = fmt.Errorf("%w: %v", ErrPanicked, v)
		}
	}()
	return f()
}

// difference returns the error of a turn that does not end as the recorded one.
func (p *Replay) difference(t *ReplayedTurn, recorded, tape []byte) error {
	where := "what the core asked for"
	same := 0
	for same < min(len(recorded), len(tape)) && recorded[same] == tape[same] {
		same++
	}
	if same >= len(recorded)-4 {
		where = "the output"
	}
	return fmt.Errorf("%w: %s of turn %d", ErrDiverged, where, t.Number)
}

// replayed is what a replayed Core gets from outside, and what it records.
type replayed struct {
	exact bool
	tape  []byte     // what is recorded of this turn
	spare *rand.Rand // when the recorded numbers do not last
	last  bool       // the recording ends here
	work  int        // what is left of that of limitsOf
	most  int        // bytes of the output of a turn

	randoms   []uint64
	sequences []uint32
	hashes    []uint32
	answers   []bool
	names     []string
}

func (a *replayed) reset() {
	a.randoms, a.sequences, a.hashes, a.answers, a.names = a.randoms[:0], a.sequences[:0], a.hashes[:0], a.answers[:0], a.names[:0]
}

// rest returns an error if a call has not asked for all that the recorded one has.
func (a *replayed) rest() error {
	if a.exact && len(a.randoms)+len(a.sequences)+len(a.hashes)+len(a.answers)+len(a.names) > 0 {
		return fmt.Errorf("%w: a call asks for less", ErrDiverged)
	}
	return nil
}

// spend stops a replay that does more than a recording of its size can have: a false number in it, such as an interval of none, makes a core
// work for ever.
func (a *replayed) spend(work int) {
	if a.work -= work; a.work < 0 {
		panic(stop{fmt.Errorf("%w: it works for ever", recorder.ErrCorrupt)})
	}
}

// spend counts a deadline of a replayed core, for which that may look at all members, and bounds what a turn puts out.
func (r *Recorder) spend(t *Turn) {
	if r == nil || r.replayed == nil {
		return
	}
	r.replayed.spend(16 + t.table.len()/64)
	if len(t.out.bytes) > r.replayed.most || len(t.out.Packets)+len(t.out.Events)+len(t.out.Changed)+len(t.out.Streams) > r.replayed.most/64 {
		panic(stop{fmt.Errorf("%w: it sends without end", recorder.ErrCorrupt)})
	}
}

// limitsOf returns the limits of a replay: the work, as spend counts it, and the bytes that a turn may put out.
func limitsOf(f *recorder.File) (work, most int) {
	bytes := 0
	for _, s := range f.Segments {
		bytes += len(s.Checkpoint) + len(s.Calls)
	}
	return 1<<20 + 64*bytes, 1<<20 + 64*bytes
}

// take returns the next of some recorded values, or another one if there is none.
func take[T any](a *replayed, from *[]T, otherwise func() T) T {
	if len(*from) > 0 {
		v := (*from)[0]
		*from = (*from)[1:]
		return v
	}
	if a.last {
		panic(stop{errEnds})
	}
	if a.exact {
		panic(stop{fmt.Errorf("%w: a call asks for more", ErrDiverged)})
	}
	a.spend(1)
	return otherwise()
}

func (a *replayed) random() uint64 { return take(a, &a.randoms, a.spare.Uint64) }

func (a *replayed) sequence(own uint32) uint32 {
	return take(a, &a.sequences, func() uint32 { return own })
}

func (a *replayed) hash(own uint32) uint32 { return take(a, &a.hashes, func() uint32 { return own }) }

func (a *replayed) allowed() bool { return take(a, &a.answers, func() bool { return true }) }

func (a *replayed) name() string { return take(a, &a.names, func() string { return "" }) }
