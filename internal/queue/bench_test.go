package queue

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

const (
	depth      = 10_000
	packetRoom = 1400
)

var kinds = []struct {
	name string
	kind Kind
}{{"named", Named}, {"unique", Unique}, {"plain", Plain}}

// benchNames and sizes are those of members of a large cluster and of what is gossiped about them.
func benchNames() []string {
	names := make([]string, depth)
	for i := range names {
		names[i] = fmt.Sprintf("node-%05d", i)
	}
	return names
}

func benchMessages() [][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	messages := make([][]byte, depth)
	for i := range messages {
		messages[i] = make([]byte, 40+r.IntN(80))
	}
	return messages
}

func benchQueue(kind Kind) *Queue[uint64] {
	q := New[uint64]()
	names, messages := benchNames(), benchMessages()
	for i := range depth {
		q.Push(names[i], kind, messages[i], uint64(i), nil)
	}
	return q
}

// BenchmarkTake fills one packet from a queue that stays full. ns/message is the price of each message in it.
func BenchmarkTake(b *testing.B) {
	for _, k := range kinds {
		b.Run(k.name, func(b *testing.B) {
			b.ReportAllocs()
			q := benchQueue(k.kind)
			var dst [][]byte
			messages := 0
			for b.Loop() {
				dst = q.Take(dst[:0], 2, packetRoom, 1<<30, nil)
				messages += len(dst)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(messages), "ns/message")
		})
	}
}

// BenchmarkDrain empties a queue, each message transmitted once.
func BenchmarkDrain(b *testing.B) {
	for _, k := range kinds {
		b.Run(k.name, func(b *testing.B) {
			b.ReportAllocs()
			var dst [][]byte
			for b.Loop() {
				b.StopTimer()
				q := benchQueue(k.kind)
				b.StartTimer()
				for q.Len() > 0 {
					dst = q.Take(dst[:0], 2, packetRoom, 1, nil)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/depth, "ns/message")
		})
	}
}

// BenchmarkFill queues a full queue's worth of messages; one op is one message.
func BenchmarkFill(b *testing.B) {
	for _, k := range kinds {
		b.Run(k.name, func(b *testing.B) {
			b.ReportAllocs()
			names, messages := benchNames(), benchMessages()
			q := New[uint64]()
			i := 0
			for b.Loop() {
				if i == depth {
					i = 0
					b.StopTimer()
					q.Reset(nil)
					b.StartTimer()
				}
				q.Push(names[i], k.kind, messages[i], uint64(i), nil)
				i++
			}
		})
	}
}

// BenchmarkReplace replaces named messages in a full queue.
func BenchmarkReplace(b *testing.B) {
	b.ReportAllocs()
	q := benchQueue(Named)
	names, messages := benchNames(), benchMessages()
	i := 0
	for b.Loop() {
		q.Push(names[i], Named, messages[(i*7)%depth], uint64(i), func(uint64) {})
		i = (i + 1) % depth
	}
}
