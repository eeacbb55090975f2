package memberlist_test

import (
	"fmt"

	"github.com/e3431adc/memberlist"
)

// price is what a program gossips: the latest price of something, which makes earlier ones pointless.
type price struct {
	item  string
	cents int
}

func (p price) Name() string { return p.item }

func (p price) Message() []byte { return fmt.Appendf(nil, "%s=%d", p.item, p.cents) }

func (p price) Invalidates(other memberlist.Broadcast) bool {
	o, ok := other.(memberlist.NamedBroadcast)
	return ok && o.Name() == p.item
}

func (p price) Finished() { fmt.Printf("no longer sent: %s=%d\n", p.item, p.cents) }

// A Delegate's GetBroadcasts would return what the queue's does, with the arguments it was given. Here each message is
// sent twice: the multiplier times the decimal logarithm, rounded up, of one more than the number of members.
func Example_transmitLimitedQueue() {
	queue := &memberlist.TransmitLimitedQueue{
		NumNodes:       func() int { return 5 }, // of a program that runs: Memberlist.NumMembers
		RetransmitMult: 2,
	}
	queue.QueueBroadcast(price{"tea", 250})
	queue.QueueBroadcast(price{"coffee", 300})
	queue.QueueBroadcast(price{"tea", 240})

	const overhead, limit = 2, 1400 // bytes
	for queue.NumQueued() > 0 {
		fmt.Printf("packet: %s\n", queue.GetBroadcasts(overhead, limit))
	}
	// Output:
	// no longer sent: tea=250
	// packet: [coffee=300 tea=240]
	// no longer sent: coffee=300
	// no longer sent: tea=240
	// packet: [coffee=300 tea=240]
}
