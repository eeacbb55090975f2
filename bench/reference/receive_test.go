// Code generated from ../suite by go generate; DO NOT EDIT.

package suite

import (
	"bytes"
	"slices"
	"testing"

	"github.com/hashicorp/memberlist"
)

const (
	// perPacket is how many messages about members a full packet holds.
	perPacket = 18

	// batch is how many packets are received at once; what they say fits into the hand-off.
	batch = 128

	// rebuilt is how many packets are made between two timed parts, for those that can be received only once.
	rebuilt = 8 * batch
)

// BenchmarkPing is a ping that arrives and its ack that is sent.
func BenchmarkPing(b *testing.B) {
	for _, mode := range []mode{plain, sealed, compressing, both} {
		b.Run(mode.name, func(b *testing.B) {
			l := newLone(b, mode, 100)
			p := mode.packet(b, pingMessage(b))
			meter := newMeter(b)
			meter.start()
			for left := b.N; left > 0; left -= batch {
				n := min(left, batch)
				l.transport.sent.expect(n)
				for range n {
					l.transport.packets <- p
				}
				l.transport.sent.await()
			}
			meter.stop()
			meter.report()
		})
	}
}

// BenchmarkKnownAlives is a packet of gossip that has been heard before.
func BenchmarkKnownAlives(b *testing.B) {
	for _, mode := range []mode{plain, sealed, compressing, both} {
		b.Run(mode.name, func(b *testing.B) {
			l := newLone(b, mode, 100)
			receiveAgain(b, l, mode.packet(b, aliveMessages(b, 1, 1)...))
		})
	}
}

// BenchmarkStaleSuspects is a packet of accusations that have been refuted.
func BenchmarkStaleSuspects(b *testing.B) {
	for _, mode := range []mode{plain, both} {
		b.Run(mode.name, func(b *testing.B) {
			l := newLone(b, mode, 100)
			receiveAgain(b, l, mode.packet(b, accusations(b, typeSuspect, 1, 0)...))
		})
	}
}

// BenchmarkFreshAlives is a packet of gossip about members that are what they were, at higher incarnations.
func BenchmarkFreshAlives(b *testing.B) {
	for _, mode := range []mode{plain, both} {
		b.Run(mode.name, func(b *testing.B) {
			l := newLone(b, mode, 100)
			receiveOnce(b, l, func(i int) [][]byte { return aliveMessages(b, 1, uint32(i+2)) })
		})
	}
}

// BenchmarkDeadThenAlive is a packet that says of members that they are dead, or the one after it that brings them back.
func BenchmarkDeadThenAlive(b *testing.B) {
	for _, mode := range []mode{plain, both} {
		b.Run(mode.name, func(b *testing.B) {
			l := newLone(b, mode, batch*perPacket)
			receiveOnce(b, l, func(i int) [][]byte {
				first, round := 1+i%batch*perPacket, i/batch
				incarnation := uint32(1 + round/2)
				if round%2 == 0 {
					return accusations(b, typeDead, first, incarnation)
				}
				return aliveMessages(b, first, incarnation+1)
			})
		})
	}
}

// BenchmarkRefute is a packet of accusations of the receiver itself, each at the incarnation that refuted the one before.
func BenchmarkRefute(b *testing.B) {
	l := newLone(b, plain, 100)
	receiveOnce(b, l, func(i int) [][]byte {
		messages := make([][]byte, perPacket)
		for j := range messages {
			messages[j] = accuse(b, typeSuspect, self, uint32(1+i*perPacket+j))
		}
		return messages
	})
}

// BenchmarkUserPacket is a user message that arrives in a packet and is given to the delegate.
func BenchmarkUserPacket(b *testing.B) {
	for _, bb := range []struct {
		name string
		mode mode
		key  []byte
	}{
		{"sealed", sealed, primaryKey},
		{"second key", sealed, secondKey},
		{"both", both, primaryKey},
	} {
		b.Run(bb.name, func(b *testing.B) {
			l := newLone(b, bb.mode, 100)
			p := bb.mode.packetWith(b, bb.key, append([]byte{typeUser}, userMessage()...))
			meter := newMeter(b)
			meter.start()
			for left := b.N; left > 0; left -= batch {
				n := min(left, batch)
				l.heard.expect(n)
				for range n {
					l.transport.packets <- p
				}
				l.heard.await()
			}
			meter.stop()
			meter.report()
		})
	}
}

// userMessage is one that compression makes shorter.
func userMessage() []byte {
	return bytes.Repeat([]byte("event=deploy service=billing version=v1.42.0 "), 5)
}

// receiveAgain measures the receipt of a packet that may arrive any number of times.
func receiveAgain(b *testing.B, l *lone, p *memberlist.Packet) {
	b.Helper()
	packets := slices.Repeat([]*memberlist.Packet{p}, batch)
	meter := newMeter(b)
	meter.start()
	for left := b.N; left > 0; left -= batch {
		l.receive(packets[:min(left, batch)])
	}
	meter.stop()
	meter.report()
}

// receiveOnce measures the receipt of packets each of which is made for its place in the order. For a library that handles
// the newest first it turns the order of a batch around, so that to both what they handle is news.
func receiveOnce(b *testing.B, l *lone, messages func(i int) [][]byte) {
	b.Helper()
	meter := newMeter(b)
	for made := 0; made < b.N; {
		var packets []*memberlist.Packet
		for len(packets) < rebuilt && made < b.N {
			in := messages(made)
			if l.newestFirst {
				slices.Reverse(in)
			}
			packets = append(packets, l.mode.packet(b, in...))
			made++
		}
		batches := slices.Collect(slices.Chunk(packets, batch))
		if l.newestFirst {
			for _, some := range batches {
				slices.Reverse(some)
			}
		}
		meter.start()
		for _, some := range batches {
			l.receive(some)
		}
		meter.stop()
	}
	meter.report()
}

// aliveMessages are a packet's worth of them, from the first member on.
func aliveMessages(tb testing.TB, first int, incarnation uint32) [][]byte {
	messages := make([][]byte, perPacket)
	for i := range messages {
		messages[i] = aliveMessage(tb, first+i, incarnation)
	}
	return messages
}

func accusations(tb testing.TB, kind byte, first int, incarnation uint32) [][]byte {
	messages := make([][]byte, perPacket)
	for i := range messages {
		messages[i] = accuse(tb, kind, memberName(first+i), incarnation)
	}
	return messages
}
