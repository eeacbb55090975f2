package recorder

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// File is a recording: see the package comment for its bytes.
type File struct {
	Header   []byte
	Segments []Segment
}

// Segment is a part of a recording that can be replayed by itself.
type Segment struct {
	Checkpoint []byte // empty: the beginning
	Calls      []byte
}

const (
	magic   = "SWIMREC\x00"
	version = 1

	blockHeader     = 'H'
	blockCheckpoint = 'C'
	blockCalls      = 'L'
	blockEnd        = 'E'

	blockOverhead = 1 + 4 + 4
)

// maxSegments is the number of segments that a file may have.
const maxSegments = 2

// ErrVersion is wrapped by the error of reading a recording in a later format.
var ErrVersion = errors.New("recording in a later format")

// WriteTo writes the file.
func (f *File) WriteTo(w io.Writer) (n int64, err error) {
	write := func(b []byte) {
		if err == nil {
			var k int
			k, err = w.Write(b)
			n += int64(k)
		}
	}
	block := func(kind byte, b []byte) {
		head := binary.LittleEndian.AppendUint32([]byte{kind}, uint32(len(b)))
		write(head)
		write(b)
		write(binary.LittleEndian.AppendUint32(nil, Checksum(Checksum(0, head), b)))
	}
	write(append([]byte(magic), version))
	block(blockHeader, f.Header)
	for _, s := range f.Segments {
		block(blockCheckpoint, s.Checkpoint)
		block(blockCalls, s.Calls)
	}
	block(blockEnd, nil)
	return n, err
}

// Read reads a file, whose memory is that of b. An error wraps ErrCorrupt or ErrVersion.
func Read(b []byte) (*File, error) {
	rest, ok := bytes.CutPrefix(b, []byte(magic))
	if !ok || len(rest) == 0 {
		return nil, fmt.Errorf("%w: it does not begin as one", ErrCorrupt)
	}
	if rest[0] != version {
		return nil, fmt.Errorf("%w: version %d, and this program reads %d", ErrVersion, rest[0], version)
	}
	r := blocks{rest: rest[1:]}
	f := &File{Header: r.next(blockHeader)}
	for r.err == nil && !r.at(blockEnd) {
		if len(f.Segments) == maxSegments {
			return nil, fmt.Errorf("%w: too many segments", ErrCorrupt)
		}
		f.Segments = append(f.Segments, Segment{Checkpoint: r.next(blockCheckpoint), Calls: r.next(blockCalls)})
	}
	r.next(blockEnd)
	if r.err == nil && len(r.rest) > 0 {
		r.err = fmt.Errorf("%w: bytes after its end", ErrCorrupt)
	}
	if r.err != nil {
		return nil, r.err
	}
	return f, nil
}

// blocks reads the blocks of a file.
type blocks struct {
	rest []byte
	err  error
}

func (r *blocks) at(kind byte) bool { return len(r.rest) > 0 && r.rest[0] == kind }

// next returns the content of the next block, which must be of a kind.
func (r *blocks) next(kind byte) []byte {
	const head = 1 + 4
	switch {
	case r.err != nil:
		return nil
	case len(r.rest) < blockOverhead || uint64(binary.LittleEndian.Uint32(r.rest[1:])) > uint64(len(r.rest)-blockOverhead):
		r.err = fmt.Errorf("%w: it is cut off", ErrCorrupt)
		return nil
	case !r.at(kind):
		r.err = fmt.Errorf("%w: block %q in place of %q", ErrCorrupt, r.rest[0], kind)
		return nil
	}
	end := head + int(binary.LittleEndian.Uint32(r.rest[1:]))
	if Checksum(0, r.rest[:end]) != binary.LittleEndian.Uint32(r.rest[end:]) {
		r.err = fmt.Errorf("%w: wrong checksum", ErrCorrupt)
		return nil
	}
	b := r.rest[head:end:end]
	r.rest = r.rest[end+4:]
	return b
}
