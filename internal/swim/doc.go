// Package swim is the membership protocol, whole, as a plain value: SWIM's
// probing, suspicion and dissemination with Lifeguard's local health, and the
// push/pull merge. It decides; it does not act.
//
// A [Core] is driven by method calls that carry the time, and answers with an
// [Output] that says what to do now:
//
//	         Step(now, from, message)     a message arrived in a packet
//	         AnswerPing(now, from, ping)  likewise, with the user's ack payload
//	         Tick(now)                    do all that is due
//	driver   Merge, MergeRead             a push/pull state, vetted        Core
//	 ------>                                                              -------+
//	         StreamPingDone, SendFailed   what a stream or a send did            |
//	 <---------------------------------------------------------------------------+
//	         Take(out)                    packets, streams, events, finished
//	         NextDeadline()               when to call Tick again
//
// The package does no I/O, starts no goroutine, takes no lock, reads no clock
// and draws randomness only from the *rand.Rand in its Config. One history of
// calls with one seed gives one history of outputs, byte for byte. A Core is
// not safe for concurrent use: its driver holds a mutex around it.
//
// # Where the rules come from
//
// "SWIM" is Das, Gupta, Motivala: SWIM: Scalable Weakly-consistent
// Infection-style Process Group Membership Protocol, DSN 2002. "Lifeguard" is
// Dadgar, Phillips, Currey: Lifeguard: Local Health Awareness for More Accurate
// Failure Detection, DSN-W 2018. Where the two are silent the rule is that of
// github.com/hashicorp/memberlist, with which a Core lives in one cluster.
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
// A dead member of which is heard that it said farewell has left. A dead or left
// member is forgotten once it has been so for
// GossipToTheDeadTime, at the next time the probe order wraps.
package swim
