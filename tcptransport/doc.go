// Package tcptransport carries all traffic of a member over TCP, at one port, with or without TLS: for networks without UDP, and for
// clusters whose members must prove with certificates who they are.
//
//	transport, err := tcptransport.New(tcptransport.Config{
//		Name:     name,
//		BindPort: 7946,
//		Files:    tcptransport.Files{Cert: "tls.crt", Key: "tls.key", CA: "ca.crt"},
//	})
//	...
//	config.Name, config.Transport = name, transport
//
// All members of a cluster use it, with TLS or without.
//
// # Packets
//
// Packets travel on connections that stay open, one for each peer and direction: a member writes on those that it has dialled and reads
// those that it has accepted, so that a packet reaches only the process at the address that it is for. Writing never blocks: a
// packet waits in the queue of its peer, and a goroutine dials and writes. A queue that is full drops its oldest gossip, and pings and
// acks only if there is no gossip. What is known about a peer that cannot be reached is returned by the next write to it. When a connection
// ends just after a write, that is made again on a new one: a packet may arrive twice. A connection may also be half-open, so that packets are
// lost on it without an error: a new one is made, in both directions, when the peer does not answer a ping, and, on Linux, when the
// kernel gets no acknowledgment for WriteTimeout.
//
// A stream of the library is a connection of its own.
//
// A process that has ended is found early, as its host refuses connections: see memberlist.Config.RefusalGrace, and Config.IsRefused for
// those who dial in another way. A process that is paused accepts none, and so is as silent as its host would be: unlike over a
// NetTransport, memberlist.Config.SilenceTimeout applies to it.
//
// # The bytes
//
// Numbers are big-endian. With TLS everything is inside of it, and the kind of the connection is also its ALPN protocol:
// "memberlist-packets/1" or "memberlist-stream/1". The side that dials begins with an opening:
//
//	offset  bytes
//	 0      4      6d 6c 73 74, "mlst"
//	 4      1      version: 1
//	 5      1      kind: 1 packets, 2 a stream
//	 6      2      length n of the name, 0 to 512
//	 8      1      length a of the IP address: 0, 4 or 16
//	 9      1      1 if the other side was silent on the former connections, else 0
//	10      2      port
//	12      a      IP address; with the port, the advertised address of the member that dials
//	12+a    n      name of the member that dials
//
// The other side answers, always with eight bytes:
//
//	offset  bytes
//	 0      4      6d 6c 73 74
//	 4      1      version: 1
//	 5      1      0 accepted, 1 TLS is required, 2 version, 3 malformed, 4 peer not accepted, 5 TLS is not used
//	 6      2      0
//
// After any but 0 it closes the connection. A side that expects TLS and is sent an opening answers 1, without TLS; one that does not and is
// sent a TLS record answers 5. After 0 a stream carries whatever the library writes, in both directions. A connection for packets carries
// frames, from the side that dialled alone:
//
//	offset  bytes
//	 0      4      length n of the packet, 1 to 1048576
//	 4      n      the packet
//
// # Limits
//
// At most 256 accepted connections are open that have not completed their opening, for at most DialTimeout each, and four times
// MaxConnections for packets; beyond that, one of the source that has most is closed, the one that was used least recently. A
// frame has WriteTimeout to arrive. At most MaxConnections peers have a queue, of QueueBytes each: 256 MiB, if all are full. Memory is allocated as bytes arrive, for at most 64 MiB of frames of more than 64 KiB at a time.
//
// An idle connection for packets takes 15 KiB in both processes together, with TLS 33 KiB; an accepted one that says nothing 4 KiB, with TLS
// 9 KiB, so that 256 take 2.3 MB (BenchmarkConnectionMemory).
package tcptransport
