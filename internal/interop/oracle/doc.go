// Package oracle compares the node of this library with one of the reference: seeded random histories are played to
// both in the same virtual time, and all that an observer can see of the two must agree after each step. The test
// plays all other members itself, over an in-memory transport, so that nothing happens beyond the history.
//
// Compared after each step of a history are:
//
//   - the calls of delegates, in order, with their times;
//   - the members, and the whole table with incarnations and states, as in a push/pull;
//   - gossip. In most histories the nodes do not gossip, and the test draws their messages by pings, as acks carry
//     gossip: each ack must carry the same messages. In the others they gossip, and the messages sent while a node is
//     otherwise idle must be the same, to members that may receive them;
//   - the results of methods.
//
// The table of rules has the permitted differences with their reasons. Each is matched where it appears, counted, and
// repaired: a member about which the nodes differ then announces that it is alive, so that they can be compared
// again.
//
//	go test -run TestHistories -histories 10000 -timeout 1h .    many
//	go test -run TestHistories -seed 42 -v .                     one, with a log of every step
package oracle
