package tcptransport

// class is how much a packet matters when a queue is full.
type class uint8

const (
	gossip class = iota
	urgent       // pings, acks and nacks

	numClasses
)

// queue is the packets that wait for one peer. When it is full the oldest gossip is dropped, and urgent packets only if there is no
// gossip. Urgent packets leave first.
type queue struct {
	packets [numClasses][][]byte
	bytes   int
}

func (q *queue) len() int { return len(q.packets[gossip]) + len(q.packets[urgent]) }

// add adds a packet, and drops others, or that one, until at most most packets of at most mostBytes are left. One packet may be larger.
func (q *queue) add(packet []byte, c class, most, mostBytes int) (dropped int) {
	q.packets[c] = append(q.packets[c], packet)
	q.bytes += len(packet)
	for q.len() > most || q.len() > 1 && q.bytes > mostBytes {
		if len(q.packets[gossip]) > 0 {
			q.pop(gossip)
		} else {
			q.pop(urgent)
		}
		dropped++
	}
	return dropped
}

// next returns the class of the next packet, and its size in bytes, or false if there is none.
func (q *queue) next() (c class, size int, ok bool) {
	for _, c := range []class{urgent, gossip} {
		if len(q.packets[c]) > 0 {
			return c, len(q.packets[c][0]), true
		}
	}
	return 0, 0, false
}

// pop removes the oldest packet of a class. There must be one.
func (q *queue) pop(c class) []byte {
	packet := q.packets[c][0]
	q.packets[c][0] = nil // for the garbage collector
	q.packets[c] = q.packets[c][1:]
	q.bytes -= len(packet)
	return packet
}

// clear removes all packets, and returns how many there were.
func (q *queue) clear() int {
	n := q.len()
	*q = queue{}
	return n
}
