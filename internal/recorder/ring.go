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
	newer    *segment
	buffer   []byte // that of the newer segment, with the bytes that are being appended
}

// segments are not changed, but for the newer one's length.
type segments struct {
	older, newer *segment
}

// segment has a length of its own since what is behind it may be written while the rest is read.
type segment struct {
	checkpoint func() []byte // nil: the beginning
	buffer     []byte        // as long as its memory
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

// Buffer returns the bytes of the newer segment. Hold or Commit takes them back with more bytes appended.
func (r *Ring) Buffer() []byte { return r.buffer }

// Hold makes bytes that were appended to Buffer part of the recording with the next Commit.
func (r *Ring) Hold(buffer []byte) {
	if cap(buffer) == cap(r.buffer) {
		r.buffer = r.buffer[:len(buffer)]
		return
	}
	grown := &segment{checkpoint: r.newer.checkpoint, buffer: buffer[:cap(buffer)]} // they needed more memory
	grown.len.Store(r.newer.len.Load())
	r.segments.Store(&segments{older: r.segments.Load().older, newer: grown})
	r.newer, r.buffer = grown, buffer
}

// Commit makes bytes that were appended to Buffer part of the recording.
func (r *Ring) Commit(buffer []byte) {
	r.Hold(buffer)
	r.newer.len.Store(int64(len(buffer)))
}

// Full reports whether a checkpoint is due, for Begin.
func (r *Ring) Full() bool { return len(r.buffer) >= r.most }

// Begin begins another segment, with a checkpoint of the present state: File calls the function, perhaps later and on several goroutines.
func (r *Ring) Begin(checkpoint func() []byte) { r.begin(r.newer, checkpoint) }

func (r *Ring) begin(older *segment, checkpoint func() []byte) {
	newer := &segment{checkpoint: checkpoint, buffer: make([]byte, r.most+r.most/spare)}
	r.segments.Store(&segments{older: older, newer: newer})
	r.newer, r.buffer = newer, newer.buffer[:0]
}

// spare is the part of a segment's memory that is there for what exceeds it: the calls of a turn.
const spare = 16

// File returns what is recorded so far.
func (r *Ring) File() *File {
	now := r.segments.Load()
	f := &File{Header: r.header}
	for _, s := range []*segment{now.older, now.newer} {
		if s == nil {
			continue
		}
		one := Segment{Calls: s.buffer[:s.len.Load()]}
		if s.checkpoint != nil {
			one.Checkpoint = s.checkpoint()
		}
		f.Segments = append(f.Segments, one)
	}
	return f
}
