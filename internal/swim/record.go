package swim

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/e3431adc/memberlist/internal/recorder"
)

// Recorder is a flight recorder: it keeps what went into a Core in the last turns, so that another Core can be put through them again
// (Replay). That is the time of each turn, its calls with their arguments, and what the Core got from outside of itself: random numbers,
// and whether an address is allowed. Of what came out there is a checksum for each turn.
//
// Each exported method of Turn begins with a put, if there is a Recorder. It is changed by the goroutine that has the turn;
// any other may call File meanwhile.
//
// The recording has names and addresses, no keys, and of metadata and payloads the length and a checksum only, unless it keeps metadata.
// Without the metadata the checksum of a member (view.go) can't be computed, so it is recorded where it is needed.
type Recorder struct {
	Program string // what is recorded, for people; it is set before the Core is created

	ring     *recorder.Ring
	replayed *replayed // nil: this is a recording
	metadata bool
	clock    bool // a turn has begun
	inTurn   bool
	filled   uint32    // the checksum of packets of earlier turns that were filled in this one
	began    time.Time // the last turn
	calling  recorder.Encoder
	outcome  recorder.Encoder // memory for checksums

	core   *Core
	random *rand.Rand // the driver's
	codecs codecs
	calls  calls
}

// NewRecorder returns a Recorder for Config.Recorder that keeps up to so many bytes of calls, and the checkpoints of two segments. If
// it keeps metadata, payloads count as that.
func NewRecorder(bytes int, metadata bool) *Recorder {
	r := newRecorder(metadata)
	r.ring = recorder.NewRing(bytes)
	return r
}

func newRecorder(metadata bool) *Recorder {
	r := &Recorder{metadata: metadata, calling: recorder.Encoder{Withhold: !metadata}}
	if err := r.codecs.init(r); err != nil {
		panic(err) // a type has a field that no codec has an encoding for: all recordings fail
	}
	return r
}

// File returns the recording so far. Its turns are complete but perhaps the last one.
func (r *Recorder) File() *recorder.File { return r.ring.File() }

// attach makes a Core that is being created one that is recorded.
func (r *Recorder) attach(c *Core, cfg *Config) {
	r.core, r.random = c, cfg.Rand
	if r.replayed == nil {
		r.ring.SetHeader(r.header(cfg))
	}
	cfg.Rand = rand.New(recordedRandom{r})
	if ask := cfg.Allowed; ask != nil {
		cfg.Allowed = func(a netip.Addr) bool { return r.allowed(a, ask) }
	}
}

// The entries of a recording, by their first byte: those of a turn, and what a Core got from outside during a call. The calls follow.
const (
	entryBegin  = iota // a turn began: how long after the previous one
	entryEnd           // it ended: the checksum of its output
	entryClock         // before the first turn: its time
	entryRandom        // a random number
	entrySeq           // a sequence number that has just been drawn
	entryAllowed
	entryDenied
	entryHash // of a member whose metadata is withheld
	entryName // in a Selection
	firstCall
)

// buffer returns the recording, to be given to commit with more bytes.
func (r *Recorder) buffer() []byte {
	if r.replayed != nil {
		return r.replayed.tape
	}
	return r.ring.Buffer()
}

func (r *Recorder) commit(b []byte) {
	if r.replayed != nil {
		r.replayed.tape = b
		return
	}
	r.ring.Commit(b)
}

// put records a call with its arguments.
func put[T any](r *Recorder, c *recordedCall[T], arguments T) {
	c.arguments = arguments
	r.calling.Buf = append(r.buffer(), c.entry)
	c.encoding.Append(&r.calling, &c.arguments)
	r.commit(r.calling.Buf)
	r.calling.Buf = nil
	var none T
	c.arguments = none // it refers to memory of the caller's
}

// begin records that a turn begins.
func (r *Recorder) begin(now time.Time) {
	if r != nil {
		r.beginTurn(now)
	}
}

func (r *Recorder) beginTurn(now time.Time) {
	b := r.buffer()
	if !r.clock {
		r.clock, r.began = true, now
		r.calling.Base, r.outcome.Base = now, now
		b = binary.AppendVarint(append(b, entryClock), now.UnixNano())
	}
	b = binary.AppendVarint(append(b, entryBegin), int64(now.Sub(r.began)))
	if r.replayed != nil {
		r.replayed.tape = b
	} else {
		r.ring.Hold(b)
	}
	r.began, r.inTurn, r.filled = now, true, 0
}

// end records the checksum of what a turn has put out, and then begins the next segment if that is due.
func (r *Recorder) end(out *Output) {
	if r != nil {
		r.endTurn(out)
	}
}

func (r *Recorder) endTurn(out *Output) {
	if r.replayed != nil {
		r.replayed.spend(len(out.bytes)/16 + len(out.Packets))
	}
	r.commit(binary.LittleEndian.AppendUint32(append(r.buffer(), entryEnd), r.sumOf(out, r.filled)))
	r.inTurn = false
	if r.replayed == nil && r.ring.Full() {
		r.ring.Begin(r.checkpoint())
	}
}

// fill adds a packet of an earlier turn, which was filled in this one, to its checksum.
func (r *Recorder) fill(p *Packet) {
	if r == nil {
		return
	}
	r.outcome.Buf = r.outcome.Buf[:0]
	r.codecs.packet.Append(&r.outcome, p)
	r.filled = recorder.Checksum(r.filled, r.outcome.Buf)
}

// recordedRandom is the source of a Core's random numbers, and records them.
type recordedRandom struct{ r *Recorder }

// Uint64 returns the next number.
func (s recordedRandom) Uint64() uint64 {
	r := s.r
	var v uint64
	if r.replayed != nil {
		v = r.replayed.random()
	} else {
		v = r.random.Uint64()
	}
	r.commit(binary.LittleEndian.AppendUint64(append(r.buffer(), entryRandom), v))
	return v
}

// sequence records a sequence number, and returns the one that is used.
func (r *Recorder) sequence(seq uint32) uint32 {
	if r == nil {
		return seq
	}
	if r.replayed != nil {
		seq = r.replayed.sequence(seq)
	}
	r.commit(binary.LittleEndian.AppendUint32(append(r.buffer(), entrySeq), seq))
	return seq
}

// allowed asks Config.Allowed about an address. The methods of Core may ask as well.
func (r *Recorder) allowed(a netip.Addr, ask func(netip.Addr) bool) (ok bool) {
	if !r.inTurn {
		return ask(a)
	}
	if r.replayed != nil {
		ok = r.replayed.allowed()
	} else {
		ok = ask(a)
	}
	entry := byte(entryDenied)
	if ok {
		entry = entryAllowed
	}
	r.commit(append(r.buffer(), entry))
	return ok
}

// hash records the hash of a member, and returns the one that is used.
func (r *Recorder) hash(m *member, hash uint32) uint32 {
	if r == nil || r.metadata || len(m.Meta) == 0 {
		return hash
	}
	if r.replayed != nil {
		hash = r.replayed.hash(hash)
	}
	r.commit(binary.LittleEndian.AppendUint32(append(r.buffer(), entryHash), hash))
	return hash
}

// selection returns a Selection whose names are recorded when they are used.
func (r *Recorder) selection(s *Selection) *Selection {
	if r == nil || s == nil {
		return s
	}
	recorded := *s
	recorded.Name = func(i int) string {
		var name string
		if r.replayed != nil {
			name = r.replayed.name()
		} else {
			name = s.Name(i)
		}
		r.calling.Buf = append(r.buffer(), entryName)
		r.calling.Text(name)
		r.commit(r.calling.Buf)
		r.calling.Buf = nil
		return name
	}
	return &recorded
}
