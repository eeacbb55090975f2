package envelope

import (
	"bytes"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

func TestUsage(t *testing.T) {
	var u usageCounter
	if got := u.snapshot(); got != (Usage{}) {
		t.Errorf("got %+v without any use", got)
	}
	now := time.Unix(1000, 5)
	u.packet(now, testFrom)
	u.stream(now.Add(time.Millisecond), Source{Text: "m2"})
	want := Usage{Packets: 1, Streams: 1, LastHeard: now, LastFrom: "10.0.0.1:7946"} // to a second
	if got := u.snapshot(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	later := now.Add(time.Second)
	u.packet(later, Source{Text: "m2"})
	want = Usage{Packets: 2, Streams: 1, LastHeard: later, LastFrom: "m2"}
	if got := u.snapshot(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	u.packet(time.Time{}, testFrom)
	if got := u.snapshot(); got.LastHeard.IsZero() || got.LastFrom != testFrom.Addr.String() {
		t.Errorf("got %+v of a packet without a timestamp", got)
	}
}

func TestUsageDoesNotAllocate(t *testing.T) {
	var u usageCounter
	now := time.Unix(1000, 0)
	if n := testing.AllocsPerRun(100, func() { now = now.Add(time.Second / 2); u.packet(now, testFrom) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestKeyUsage(t *testing.T) {
	ring := testRing(t, testKeyA, testKeyB)
	to, from := newTest(t, ring, nil), newTest(t, testRing(t, testKeyB), nil)
	if _, err := to.Open(new(Opener), from.Wrap(new(Packer), message, 0), time.Unix(1000, 0), testFrom); err != nil {
		t.Fatal(err)
	}
	var stream bytes.Buffer
	if _, err := from.WriteRequest(&stream, message, 0); err != nil {
		t.Fatal(err)
	}
	if _, _, err := to.ReadRequest(wire.NewStreamReader(&stream, nil), testFrom); err != nil {
		t.Fatal(err)
	}
	keys := ring.Load().Keys
	if got := keys[0].Usage(); got != (Usage{}) {
		t.Errorf("a key that was not used: %+v", got)
	}
	if got := keys[1].Usage(); got.Packets != 1 || got.Streams != 1 || got.LastFrom != testFrom.Addr.String() {
		t.Errorf("a key that was used: %+v", got)
	}
	if n := testing.AllocsPerRun(100, func() { ring.Load() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if i := ring.Load().Index(testKeyB); i != 1 {
		t.Errorf("index %d, want 1", i)
	}
	if i := new(Ring).Load().Index(testKeyB); i != -1 {
		t.Errorf("index %d in an empty ring", i)
	}
}
