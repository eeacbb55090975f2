package suite

import (
	"bytes"
	"slices"
	"testing"

	"github.com/e3431adc/memberlist"
)

const (
	// perPacket is the number of messages about members in a full packet.
	perPacket = 18

	// batch is the number of packets received at once; their messages fit the hand-off queue.
	batch = 128

	// rebuilt is the number of packets made between two timed parts, for packets that can be received only once.
	rebuilt = 8 * batch
)

// BenchmarkPing receives a ping and sends its ack.
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

// BenchmarkKnownAlives receives a packet of known gossip.
func BenchmarkKnownAlives(b *testing.B) {
	for _, mode := range []mode{plain, sealed, compressing, both} {
		b.Run(mode.name, func(b *testing.B) {
			l := newLone(b, mode, 100)
			receiveAgain(b, l, mode.packet(b, aliveMessages(b, 1, 1)...))
		})
	}
}

// BenchmarkStaleSuspects receives a packet of suspect messages that have been refuted.
func BenchmarkStaleSuspects(b *testing.B) {
	for _, mode := range []mode{plain, both} {
		b.Run(mode.name, func(b *testing.B) {
			l := newLone(b, mode, 100)
			receiveAgain(b, l, mode.packet(b, accusations(b, typeSuspect, 1, 0)...))
		})
	}
}

// BenchmarkFreshAlives receives a packet of alive messages at higher incarnations, without other changes.
func BenchmarkFreshAlives(b *testing.B) {
	for _, mode := range []mode{plain, both} {
		b.Run(mode.name, func(b *testing.B) {
			l := newLone(b, mode, 100)
			receiveOnce(b, l, func(i int) [][]byte { return aliveMessages(b, 1, uint32(i+2)) })
		})
	}
}

// BenchmarkDeadThenAlive receives a packet of dead messages, or the one after it with alive messages of the same
// members.
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

// BenchmarkRefute receives a packet of suspect messages about the receiver itself, each at the incarnation of the
// previous refutation.
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

// BenchmarkUserPacket receives a user message in a packet and calls the delegate.
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

// userMessage returns a message that compression makes shorter.
func userMessage() []byte {
	return bytes.Repeat([]byte("event=deploy service=billing version=v1.42.0 "), 5)
}

// receiveAgain measures receiving a packet that may arrive any number of times.
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

// receiveOnce measures receiving packets that each are made for their place in the order. For a library that handles
// the newest first it reverses the order of a batch, so that both handle changes.
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

// aliveMessages returns a packet's worth of messages, from the first member on.
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
