// Package sim runs whole clusters of the production core (internal/swim) in one goroutine and in virtual time, over a
// network that it makes up. One seed gives one history, byte for byte, on every machine.
//
//	           Faults: crash, pause, partition, loss ...
//	              |
//	 +------------v--------------------------------------------+
//	 |  event heap: timers, packets, streams, faults, by time  |
//	 +---^-----------------+---------------------^-------------+
//	     |                 |                     |
//	NextDeadline     Tick, Step, Merge        packets and streams, after latency, loss ...
//	     |                 v                     |
//	 +---+---------------------------------------+-------------+
//	 |  nodes: a swim.Core each, and what a driver does        |
//	 +---------------------+-----------------------------------+
//	                       |  Output of each turn
//	                       v
//	              Checker: rules that no turn may break; Result: what was measured
//
// The nodes are driven as the root package drives a core: messages are encoded, sized and decoded as on the wire,
// streams take the round trips that TCP takes, a push/pull carries a snapshot of the member table each way. Left out are
// what only costs time (sockets, locks, encryption, compression) and user code (delegates).
//
// A scenario is a list of timed [Fault] values: data, so that it can be printed, and shrunk to the ones a failure needs.
// # Sweeps
//
// TestSweep runs every scenario with 200 seeds (6 with the race detector). What it finds is shrunk, and printed with the
// command that replays it, with a trace. The large sweep, of 10,000 seeds, takes about half an hour on two cores:
//
//	go test ./internal/sim -run '^TestSweep$' -v -timeout 4h -args -seeds 10000
//
// -seed sets the first seed, -scenario names the only scenario.
//
// The rules that are checked, and the bounds, are in rules.go and bounds.go.
package sim
