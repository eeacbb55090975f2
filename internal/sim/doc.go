// Package sim runs whole clusters of the production core (internal/swim) in one goroutine and in virtual time, over a
// simulated network. One seed determines the whole history, on every machine.
//
//	           Faults: crash, partition, loss, new names, each other's addresses ...
//	              |
//	 +------------v--------------------------------------------+
//	 |  event heap: timers, packets, streams, faults, by time  |
//	 +---^-----------------+---------------------^-------------+
//	     |                 |                     |
//	next deadline    turns of the core     packets and streams, after latency, loss ...
//	     |                 v                     |
//	 +---+---------------------------------------+-------------+
//	 |  nodes: a swim.Core each, and the work of a driver      |
//	 +---------------------+-----------------------------------+
//	                       |  Output of each turn
//	                       v
//	              checker: rules that no turn may break; Result: measurements
//
// Nodes are driven as the root package drives a core: messages are encoded, sized and decoded as on the wire, streams
// take the round trips of TCP, and a push/pull carries a snapshot of the member table each way. Costs in time only
// (sockets, locks, encryption) and delegates are left out.
//
// A process is distinct from its name, its address and its cluster, and faults change them (identity.go). Faults can
// also inject messages: names that no process has, and old alive messages (inject.go), and those of an attacker, who
// may send anything (attack.go); rules that hold only if all are honest are not checked then. Configurations are any valid
// ones; a transport may route by name; programs broadcast messages of their own.
//
// A scenario is a list of timed [Fault] values: data, so that it can be printed, and shrunk to the necessary ones.
//
// # Sweeps
//
// TestSweep runs every scenario with 200 seeds (6 with the race detector). A violation is shrunk, and printed with
// the command that replays it, with a trace. The large sweep, of 10,000 seeds, takes some 45 minutes of CPU, on two
// cores:
//
//	go test ./internal/sim -run '^TestSweep$' -v -timeout 4h -args -seeds 10000
//
// -seed sets the first seed, -scenario names the only scenarios.
//
// A sweep also fails if the faults of a scenario never had an effect. Violations that sweeps found are kept in
// regression_test.go. -ignore names rules that may be broken, with semicolons, to find what is behind known
// violations.
//
// The rules and bounds are in rules.go and bounds.go. Each rule is broken on purpose in mutant_test.go, by a core
// that is tampered with. Earlier bugs of the core are kept in testdata/putback, as text that replaces the current
// code, with the scenarios and the rule that find them:
//
//	go test ./internal/sim -run '^TestPutBack$' -v -timeout 2h -args -putback all
//
// # Size and speed
//
// 1,000 nodes that know each other, for 10 virtual minutes with all checks, take 13 s of one core, and 16 s with
// crashes, loss and slow nodes (both on a busy machine):
//
//	go test ./internal/sim -run '^$' -bench '^BenchmarkThousand(Faults)?$' -benchtime 1x -cpu 1
//
// The knowledge of one node about another takes 132 bytes in its core, and 40 more in the checker. So 10,000 nodes
// that all know each other fit into 18 GB, without the checker: made and run for 24 virtual seconds, 2.5 million
// events, in 138 s of one core, most of it for making their tables. A crash was detected by the first of the others
// after 17.4 s, by the last after 18.0 s (the minimum suspicion timeout is 16 s):
//
//	go test ./internal/sim -run '^TestTenThousand$' -v -timeout 1h -args -large
package sim
