// Package interop holds the tests that run this library and the one it replaces, github.com/hashicorp/memberlist ("the
// reference"), in one cluster. It is a module of its own, so that nothing else depends on the reference.
//
// Each scenario is written once, against the interface peer, and run with the roles cast both ways (ours joins theirs,
// theirs joins ours), under every setting (keys, labels, compression, protocol versions, IPv6), over loopback sockets and
// in testing/synctest bubbles over a simulated network. What passes through a network that can be tapped is also compared
// byte for byte with what github.com/hashicorp/go-msgpack makes of the same values.
//
//	go test -race ./...                         against v0.7.0 of the reference
//	go test -race -modfile=go.v054.mod ./...    against v0.5.4
package interop
