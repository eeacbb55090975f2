// Package suite measures a memberlist library from outside: through the exported API that this library and
// github.com/hashicorp/memberlist share, packets and streams as peers send them, and an in-memory transport.
//
// It is written for this library. go generate derives the package reference beside it for the other.
package suite
