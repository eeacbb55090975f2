// Package memberlist keeps every process of a cluster informed of which others are alive: SWIM with the Lifeguard
// extensions, gossip over UDP, and push/pull state sync over TCP.
//
// It is a drop-in for github.com/hashicorp/memberlist ("the reference"): the same exported API and the same wire
// protocol, so that the members of a cluster can be moved to it, or back, one at a time. Deliberate differences are
// marked Compat in the comments; docs/differences.md lists them all.
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
// A program takes part through delegates in the Config: [EventDelegate] is notified of changes of members, [Delegate]
// provides metadata, messages, broadcasts and state, and others refuse members or measure round trips. They are
// called with no lock held and may call any method.
//
// # Guarantees
//
//   - A returned [Node] never changes: it may be kept and read by any goroutine.
//   - Events are delivered in order and one at a time. Those that a Create, Join or UpdateNode caused have been delivered when it
//     returns, unless a delivery was in progress.
//   - Acks do not wait for user code, PingDelegate.AckPayload excepted.
//   - After Shutdown no goroutine, timer, socket or stream remains, nor after a Create that fails.
//   - No input from the network causes a panic or makes memory grow beyond named limits; dropped input is counted.
//   - Memberlists share no state, and use package time: whole clusters run in testing/synctest bubbles, over a [MockNetwork].
//
// # Papers
//
// SWIM is Das, Gupta, Motivala: SWIM: Scalable Weakly-consistent Infection-style Process Group Membership Protocol,
// DSN 2002. Lifeguard is Dadgar, Phillips, Currey: Lifeguard: Local Health Awareness for More Accurate Failure
// Detection, DSN-W 2018. Comments cite their sections.
package memberlist
