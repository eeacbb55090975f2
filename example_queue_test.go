package memberlist_test

import (
	"fmt"
	"strings"

	"github.com/e3431adc/memberlist"
)

// price is a broadcast with the latest price of an item, which replaces earlier ones.
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

// A Delegate's GetBroadcasts would return the result of the queue's, with the same arguments. Here each message is
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

// logLine is a message that is never replaced, and prints a line if it is too large to be sent.
type logLine string

func (l logLine) Message() []byte                       { return []byte(l) }
func (l logLine) Invalidates(memberlist.Broadcast) bool { return false }
func (l logLine) UniqueBroadcast()                      {}
func (l logLine) Finished()                             { fmt.Printf("no longer sent: %.8q\n", string(l)) }
func (l logLine) TooLarge(limit int)                    { fmt.Printf("%d bytes, at most %d fit\n", len(l), limit) }

// A queue with bounds does not grow while there is no other member; the messages sent least and queued last stay.
func ExampleTransmitLimitedQueue_bounds() {
	queue := &memberlist.TransmitLimitedQueue{RetransmitMult: 1, MaxItems: 2, MaxBytes: 1000}
	queue.QueueBroadcast(logLine("disk 70%"))
	queue.QueueBroadcast(logLine("disk 80%"))
	queue.QueueBroadcast(logLine("disk 90%"))
	queue.QueueBroadcast(logLine(strings.Repeat("x", 1001)))
	fmt.Println("queued:", queue.NumQueued(), "dropped:", queue.NumDropped())
	// Output:
	// no longer sent: "disk 70%"
	// 1001 bytes, at most 1000 fit
	// no longer sent: "xxxxxxxx"
	// queued: 2 dropped: 2
}
