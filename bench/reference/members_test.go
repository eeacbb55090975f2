// Code generated from ../suite by go generate; DO NOT EDIT.

package suite

import (
	"sync"
	"sync/atomic"
	"testing"
)

// BenchmarkMembers, BenchmarkNumMembers and BenchmarkLocalNode are queries of a program in a large cluster.
func BenchmarkMembers(b *testing.B) {
	l := newLone(b, plain, 10000)
	meter := newMeter(b)
	meter.start()
	for range b.N {
		if len(l.Members()) != 10001 {
			b.Fatal("not all members")
		}
	}
	meter.stop()
	meter.report()
}

func BenchmarkNumMembers(b *testing.B) {
	l := newLone(b, plain, 10000)
	meter := newMeter(b)
	meter.start()
	for range b.N {
		if l.NumMembers() != 10001 {
			b.Fatal("not all members")
		}
	}
	meter.stop()
	meter.report()
}

func BenchmarkLocalNode(b *testing.B) {
	l := newLone(b, plain, 10000)
	meter := newMeter(b)
	meter.start()
	for range b.N {
		if l.LocalNode() == nil {
			b.Fatal("no local node")
		}
	}
	meter.stop()
	meter.report()
}

// BenchmarkUpdatesUnderReaders is changes of members while two goroutines call Members of 1,000 members in a loop.
func BenchmarkUpdatesUnderReaders(b *testing.B) {
	l := newLone(b, plain, 1000)
	var stop atomic.Bool
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for !stop.Load() {
				l.Members()
			}
		})
	}
	receiveOnce(b, l, func(i int) [][]byte { return aliveMessages(b, 1, uint32(i+2)) })
	stop.Store(true)
	readers.Wait()
	b.ReportMetric(float64(perPacket*b.N)/b.Elapsed().Seconds(), "updates/s")
}
