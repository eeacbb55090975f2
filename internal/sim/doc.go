// Package sim runs whole clusters of the production core (internal/swim) in one goroutine and in virtual time, over a
// network that it makes up. One seed gives one history, byte for byte, on every machine.
//
//	           Faults: crash, partition, loss, new names, each other's addresses ...
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
// A process is not what others know it by: it has a name, an address and a cluster, and faults give it others (identity.go).
// Names that no process has, and what members once said of themselves, come in messages that faults bring (inject.go).
// Configurations are any that are valid; a transport may route by name; programs broadcast messages of their own.
//
// A scenario is a list of timed [Fault] values: data, so that it can be printed, and shrunk to the ones a failure needs.
//
// # Sweeps
//
// TestSweep runs every scenario with 200 seeds (6 with the race detector). What it finds is shrunk, and printed with the
// command that replays it, with a trace. The large sweep, of 10,000 seeds, takes some 45 minutes of CPU, on two cores:
//
//	go test ./internal/sim -run '^TestSweep$' -v -timeout 4h -args -seeds 10000
//
// -seed sets the first seed, -scenario names the only scenarios.
//
// A sweep fails too if the faults of a scenario never had an effect. What sweeps found is kept in regression_test.go. -ignore
// names rules that may be broken, with semicolons, to find what is behind those that are known to be.
//
// The rules that are checked, and the bounds, are in rules.go and bounds.go. Each rule is broken on purpose in
// mutant_test.go, by a core that is tampered with. What rules of the core were before they were mended is kept in
// testdata/putback, as text that takes the place of what is there now, with the scenarios and the rule that find it:
//
//	go test ./internal/sim -run '^TestPutBack$' -v -timeout 2h -args -putback all
//
// # Size and speed
//
// 1,000 nodes that know each other, for 10 virtual minutes with all checks, take 13 s of one core, and 16 s with crashes,
// loss and slow nodes (both on a machine with twenty other busy threads):
//
//	go test ./internal/sim -run '^$' -bench '^BenchmarkThousand(Faults)?$' -benchtime 1x -cpu 1
//
// That one node knows another takes 132 bytes in its core, and 40 more in the checker. So 10,000 nodes that all know each
// other fit into 18 GB, without the checker: made and run for 24 virtual seconds, 2.5 million events, in 138 s of one core,
// most of it for making their tables. A crash was known to the first of the others after 17.4 s, to the last after 18.0 s
// (the least suspicion is 16 s):
//
//	go test ./internal/sim -run '^TestTenThousand$' -v -timeout 1h -args -large
package sim
