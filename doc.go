// Package memberlist keeps every process of a cluster informed of which others
// are alive: SWIM with the Lifeguard extensions, gossip over UDP, and push/pull
// state sync over TCP.
//
// It is a drop-in for github.com/hashicorp/memberlist ("the reference"): the
// same exported API and the same wire protocol, so that the members of a
// cluster can be moved to it, or back, one at a time. Where it behaves
// differently on purpose a comment says so, marked Compat.
//
// # Use
//
//	config := memberlist.DefaultLANConfig()
//	config.Name = "node1"
//	list, err := memberlist.Create(config)
//	...
//	_, err = list.Join([]string{"10.0.0.1", "10.0.0.2:7946"})
//	...
//	for _, member := range list.Members() {
//		fmt.Println(member.Name, member.Address(), member.State)
//	}
//	...
//	err = list.Leave(5 * time.Second)
//	err = list.Shutdown()
//
// A program takes part through delegates in the Config: [EventDelegate] hears
// who comes and goes, [Delegate] carries metadata, messages, broadcasts and
// state, and others may refuse members or watch pings. They are called with no
// lock held and may call any method.
//
// # What is promised
//
//   - A [Node] that was handed out never changes: it may be kept and read by any
//     goroutine.
//   - Events come in order and one at a time. What a Create, Join or UpdateNode
//     caused has been told when it returns, unless a delivery was in progress.
//   - Pings are answered without waiting for user code, PingDelegate.AckPayload
//     excepted.
//   - After Shutdown nothing remains: no goroutine, timer, socket or stream. A
//     Create that fails leaves nothing either.
//   - No input from the network panics or makes memory grow beyond named
//     limits; what is dropped is counted.
//   - Nothing is shared between two Memberlists, and time is package time's:
//     whole clusters run in testing/synctest bubbles, over a [MockNetwork].
//
// # Where the rules come from
//
// SWIM is Das, Gupta, Motivala: SWIM: Scalable Weakly-consistent
// Infection-style Process Group Membership Protocol, DSN 2002. Lifeguard is
// Dadgar, Phillips, Currey: Lifeguard: Local Health Awareness for More Accurate
// Failure Detection, DSN-W 2018. Comments cite their sections.
package memberlist
