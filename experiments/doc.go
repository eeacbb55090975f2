// Command experiments repeats, on the simulator (internal/sim), what the papers measured that the protocol comes from, and
// writes the figures into docs/experiments.md: tables between its markers, and charts beside it.
//
//	go run .                 all of it: some ten minutes of CPU
//	go run . -only lifeguard one of them
//	go run . -quick          all of it, small, to standard output
//
// The same sources give the same bytes: every simulation has its seed, and the order in which they end does not matter.
package main
