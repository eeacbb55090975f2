// Code generated from ../suite by go generate; DO NOT EDIT.

package suite

import "testing"

// BenchmarkSendBestEffort sends a user message to a member, up to the transport.
func BenchmarkSendBestEffort(b *testing.B) {
	for _, mode := range []mode{plain, sealed, compressing, both} {
		b.Run(mode.name, func(b *testing.B) {
			l := newLone(b, mode, 100)
			to, message := l.member(b, memberName(7)), userMessage()
			meter := newMeter(b)
			meter.start()
			for range b.N {
				if err := l.SendBestEffort(to, message); err != nil {
					b.Fatal(err)
				}
			}
			meter.stop()
			meter.report()
		})
	}
}
