package swim

import "strings"

// nameBlock makes strings of names that come one after the other, several in one piece of memory, which is there for as long
// as one of them is kept. The zero value is empty.
type nameBlock struct{ block strings.Builder }

const (
	// nameBlockSize is how many bytes such a piece has. It bounds what a name that is kept keeps from being given back.
	nameBlockSize = 128

	// maxInBlock is the longest name that shares one.
	maxInBlock = nameBlockSize / 4
)

// add returns the string of a name.
func (n *nameBlock) add(name []byte) string {
	if len(name) > maxInBlock {
		return string(name)
	}
	if len(name) > n.block.Cap()-n.block.Len() {
		n.block.Reset()
		n.block.Grow(nameBlockSize)
	}
	from := n.block.Len()
	n.block.Write(name)
	return n.block.String()[from:]
}
