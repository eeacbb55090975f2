package recorder

import (
	"sync/atomic"
)

// Ring keeps the last bytes that were recorded. One goroutine at a time appends to it. Any other may take a File meanwhile, without a
// lock: so one that panics can, too, whatever it holds.
//
// The bytes are in two segments, the older one of which is dropped when the newer one is full. Each begins with a checkpoint, from which
// its bytes can be replayed.
type Ring struct {
	header []byte
	most   int // bytes of a segment

	segments atomic.Pointer[segments]
	buffer   []byte // that of the newer segment, with the bytes that are being appended
}

// segments are not changed, but for the newer one's length.
type segments struct {
	older, newer *segment
}

// segment has a length of its own since what is behind it may be written while the rest is read.
type segment struct {
	checkpoint []byte // empty: the beginning
	buffer     []byte // as long as its memory
	len        atomic.Int64
}

// NewRing returns a Ring that keeps at most this many bytes, and at least half of them, once there are as many; and besides, the
// checkpoints of two segments.
func NewRing(bytes int) *Ring {
	r := &Ring{most: bytes / 2}
	r.begin(nil, nil)
	return r
}

// SetHeader sets what a File has as its header. It is called before anything is appended.
func (r *Ring) SetHeader(header []byte) { r.header = header }

// Buffer returns the bytes of the newer segment. Commit takes them back with more bytes appended.
func (r *Ring) Buffer() []byte { return r.buffer }

// Commit makes bytes that were appended to Buffer part of the recording.
func (r *Ring) Commit(buffer []byte) {
	now := r.segments.Load()
	if cap(buffer) != len(now.newer.buffer) { // they needed more memory
		grown := &segment{checkpoint: now.newer.checkpoint, buffer: buffer[:cap(buffer)]}
		grown.len.Store(int64(len(buffer)))
		r.segments.Store(&segments{older: now.older, newer: grown})
	} else {
		now.newer.len.Store(int64(len(buffer)))
	}
	r.buffer = buffer
}

// Full reports whether a checkpoint is due, for Begin.
func (r *Ring) Full() bool { return len(r.buffer) >= r.most }

// Begin begins another segment, with a checkpoint of the present state.
func (r *Ring) Begin(checkpoint []byte) { r.begin(r.segments.Load().newer, checkpoint) }

func (r *Ring) begin(older *segment, checkpoint []byte) {
	newer := &segment{checkpoint: checkpoint, buffer: make([]byte, r.most+r.most/spare)}
	r.segments.Store(&segments{older: older, newer: newer})
	r.buffer = newer.buffer[:0]
}

// spare is the part of a segment's memory that is there for what exceeds it: the calls of a turn.
const spare = 16

// File returns what is recorded so far.
func (r *Ring) File() *File {
	now := r.segments.Load()
	f := &File{Header: r.header}
	for _, s := range []*segment{now.older, now.newer} {
		if s != nil {
			f.Segments = append(f.Segments, Segment{Checkpoint: s.checkpoint, Calls: s.buffer[:s.len.Load()]})
		}
	}
	return f
}
