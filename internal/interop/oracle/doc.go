// Package oracle holds a test that asks the reference what is right: seeded random histories are played to a node of each
// library in the same virtual time, and all that an observer can see of the two must agree after each step. The test plays
// every other member itself, over a transport in memory, so that nothing happens but what the history says.
//
// What is compared after each step of a history:
//
//   - what delegates were told and asked, in order, and when;
//   - the members, as the program above sees them, and the whole table with incarnations and states, as a push/pull tells;
//   - what is gossiped. In most histories gossip is off, and is drawn out of the nodes by pings, as acks carry it: then
//     each ack must carry the same messages. In the others it is on, and the messages that are sent while a node does
//     nothing else must be the same, to members that may be told;
//   - what the methods return.
//
// What may differ is in the table of rules, with the reason. Each is matched where it shows, counted, and mended: a member
// of which the two nodes now know different things says that it is alive, so that all that comes after is compared again.
//
//	go test -run TestHistories -histories 10000 -timeout 1h .    many
//	go test -run TestHistories -seed 42 -v .                     one, with all that happens in it
package oracle
