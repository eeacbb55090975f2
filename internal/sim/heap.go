package sim

// eventKind is the kind of an event.
type eventKind uint8

const (
	eventTimer      eventKind = iota // a node's next deadline
	eventPacket                      // packet arg arrives at a node
	eventHandle                      // a slow node handles the first packet of its inbox
	eventServe                       // exchange arg arrives at its acceptor
	eventReply                       // exchange arg is answered
	eventStreamPing                  // the ping on a stream with sequence number arg is answered
	eventJoin                        // a node tries to join
	eventBegin                       // fault arg begins
	eventEnd                         // fault arg ends
	eventAgain                       // fault arg strikes once more
	eventWork                        // a node does the next piece of its work
	eventShutdown                    // a node that leaves stops
	eventRefused                     // the ping on a stream with sequence number arg is refused
	eventOpened                      // the stream of the ping with sequence number arg is open
)

// event is a scheduled event. It has no pointer, so that the heap costs the garbage collector nothing.
type event struct {
	at   int64  // virtual time, in nanoseconds
	seq  uint64 // orders events at the same time
	node int32
	life uint32 // the run of the node; 0: any
	arg  uint32
	kind eventKind
}

func (e *event) before(o *event) bool { return e.at < o.at || e.at == o.at && e.seq < o.seq }

// eventHeap is a heap with four children to a node, the earliest event first.
type eventHeap struct {
	events []event
	seq    uint64
}

func (h *eventHeap) push(e event) {
	h.seq++
	e.seq = h.seq
	h.events = append(h.events, e)
	i := len(h.events) - 1
	for i > 0 {
		parent := (i - 1) / 4
		if !e.before(&h.events[parent]) {
			break
		}
		h.events[i] = h.events[parent]
		i = parent
	}
	h.events[i] = e
}

// pop takes the earliest event; there must be one.
func (h *eventHeap) pop() event {
	top := h.events[0]
	last := len(h.events) - 1
	e := h.events[last]
	h.events = h.events[:last]
	if last == 0 {
		return top
	}
	i := 0
	for {
		first := 4*i + 1
		if first >= last {
			break
		}
		least := first
		for child := first + 1; child < min(first+4, last); child++ {
			if h.events[child].before(&h.events[least]) {
				least = child
			}
		}
		if !h.events[least].before(&e) {
			break
		}
		h.events[i] = h.events[least]
		i = least
	}
	h.events[i] = e
	return top
}
