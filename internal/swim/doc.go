// Package swim is the membership protocol, whole, as a plain value: SWIM's
// probing, suspicion and dissemination with Lifeguard's local health, and the
// push/pull merge. It decides; it does not act.
//
// Whatever changes a [Core] is a method of a [Turn]. A turn has a time, and puts into an [Output] what its driver has to do:
//
//	turn := core.Begin(now, &out)
//	turn.StepGossip(from, message)
//	turn.End()
//	// send out.Packets, open out.Streams, deliver out.Events, and be back for Tick at out.Wakeup
//
// The calls of a turn:
//
//	StepPing, Step, StepGossip   a message arrived in a packet
//	Tick                         the time of the last Output.Wakeup has come
//	Merge                        the states of a push/pull arrived, and were vetted
//	FillGossip                   a packet with Room for user broadcasts gets the rest of its messages
//	SendFailed, StreamPingDone, Answered, NotThere
//	                             what became of a packet or a stream
//	Announce, Leave, Ping ...    what the program asks for
//
// The methods of Core itself only read.
//
// The package does no I/O, starts no goroutine, takes no lock, reads no clock
// and draws randomness only from the *rand.Rand in its Config. The same calls
// with the same seed produce the same outputs, byte for byte. A Core is not safe
// for concurrent use: its driver holds a mutex from Begin to End.
//
// # Where the rules come from
//
// "SWIM" is Das, Gupta, Motivala: SWIM: Scalable Weakly-consistent
// Infection-style Process Group Membership Protocol, DSN 2002. "Lifeguard" is
// Dadgar, Phillips, Currey: Lifeguard: Local Health Awareness for More Accurate
// Failure Detection, DSN-W 2018. Where the two are silent the rule is that of
// github.com/hashicorp/memberlist, with which a Core lives in one cluster.
//
// # Failure detection beyond the papers
//
// With [Detector], each by its own field:
//
//   - round_trips.go: pings have the time limits that round trips allow;
//   - refusal.go: several members whose streams to a suspect are refused declare it dead;
//   - corroboration.go: who begins a suspicion asks others until it ends;
//   - ring.go: each member sends beats to the next one in a ring, which probes it when they end;
//   - dead_check.go: a dead message about a member that is not suspected is checked first.
//
// All of it works beside members that do none of it: they relay and nack as ever, and receive suspect and dead messages.
//
// # Zones
//
// With Config.Zone a member sends to its own zone, and the relays of each zone to those of the others: zones.go has the rules,
// zone_names.go those by which zones are announced, and outlive members that do not pass them on.
//
// # The life of a member
//
//	            alive (newer)
//	   +---------------------------------+
//	   v                                 |
//	alive --- suspect, probe failed --> suspect --- timer ends, dead --> dead
//	   |                                 |                                |
//	   +------------- dead, From == Node +--> left                        |
//	   ^                                       |     alive (newer)        |
//	   +---------------------------------------+--------------------------+
//
// A dead member becomes left if its own leave message arrives late. A dead or
// left member is forgotten GossipToTheDeadTime later.
package swim
