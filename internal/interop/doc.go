// Package interop has the tests that run this library and the one it replaces, github.com/hashicorp/memberlist ("the
// reference"), in one cluster. It is a module of its own, so that nothing else depends on the reference.
//
// Each scenario is written once, against the interface peer, and run with both assignments of roles (ours joins
// theirs, theirs joins ours): in testing/synctest bubbles over a simulated network under every setting (keys, labels,
// compression, protocol versions, IPv6), and over loopback sockets under two. Traffic on a network that can be tapped
// is also compared byte for byte with the encoding of the same values by github.com/hashicorp/go-msgpack.
//
//	go test -race ./...                         against v0.7.0 of the reference
//	go test -race -modfile=go.v054.mod ./...    against v0.5.4
package interop
