// Package suite measures a memberlist library from outside: through the exported API that this library and
// github.com/hashicorp/memberlist share, packets and streams made as a peer makes them, and a transport in memory.
//
// It is written once, for this library. The package reference beside it is the same for the other, made by go generate.
package suite
