// Command experiments repeats measurements of the papers on the simulator (internal/sim), and writes the results into
// docs/experiments.md: tables between its markers, and charts beside it.
//
//	go run .                 all of it: some twenty minutes of CPU
//	go run . -only lifeguard one of them
//	go run . -only detector  those of failure detection with extensions
//	go run . -quick          all of it, small, to standard output
//
// The same sources produce the same bytes: every simulation has a seed, and their results do not depend on the order in which
// they end.
package main
