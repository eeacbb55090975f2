package swim

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/e3431adc/memberlist/internal/wire"
)

// TestUsualEncodings compares the encodings that are written by hand with those of the codec, for values with each field set and not.
func TestUsualEncodings(t *testing.T) {
	endpoints := []Endpoint{{}, {Name: "m1", AddrPort: memberAddr(1)}, {AddrPort: netip.MustParseAddrPort("[fe80::1%eth0]:65535")},
		{AddrPort: netip.MustParseAddrPort("[::ffff:1.2.3.4]:1"), Text: "text"}}
	some := bytes.Repeat([]byte("0123456789"), 30)
	pings := []wire.PingView{{}, {SeqNo: 1 << 31, Node: some, SourceAddr: some[:4], SourcePort: 7946, SourceNode: some[:0], View: 1 << 63}}
	gossip := []wire.GossipView{{}, {Kind: wire.TypeAlive, Incarnation: 1 << 20, Node: some, From: some[:1], Addr: some[:16], Port: 300, Meta: some,
		Vsn: some[:6], Zone: some[:9]}, {Meta: []byte{}}}
	messages := []wire.Message{nil, &wire.Ack{}, &wire.Ack{SeqNo: 7, Payload: some, View: 1 << 40}, &wire.Nack{SeqNo: 8}, &wire.IndirectPing{SeqNo: 9, Node: "m"}}
	for _, metadata := range []bool{false, true} {
		for _, from := range endpoints {
			same := func(what any, usual, general func(*Recorder)) {
				t.Helper()
				one, other := NewRecorder(1<<16, metadata), NewRecorder(1<<16, metadata)
				usual(one)
				general(other)
				if got, want := one.ring.Buffer(), other.ring.Buffer(); !bytes.Equal(got, want) {
					t.Errorf("%+v from %+v:\n got %x\nwant %x", what, from, got, want)
				}
			}
			same("ping", func(r *Recorder) { r.putPing(&from) }, func(r *Recorder) { put(r, &r.calls.Ping, callPing{from}) })
			for _, payload := range [][]byte{nil, {}, some} {
				for _, p := range pings {
					same(p, func(r *Recorder) { r.putStepPing(&from, &p, payload) }, func(r *Recorder) { put(r, &r.calls.StepPing, callStepPing{from, p, payload}) })
				}
			}
			for _, v := range gossip {
				same(v, func(r *Recorder) { r.putStepGossip(&from, &v) }, func(r *Recorder) { put(r, &r.calls.StepGossip, callStepGossip{from, v}) })
			}
			for _, m := range messages {
				same(m, func(r *Recorder) { r.putStep(&from, m) }, func(r *Recorder) { put(r, &r.calls.Step, callStep{from, m}) })
			}
		}
	}
}

// TestUsualOutputs: outputs of which there is a sum that is made by hand differ from others in it, by the order of their parts too.
func TestUsualOutputs(t *testing.T) {
	r := NewRecorder(1<<16, false)
	to := func(name string) Packet {
		return Packet{To: Endpoint{Name: name, AddrPort: memberAddr(1)}, Messages: [][]byte{[]byte("message"), []byte("m")}}
	}
	zone := Packet{To: Endpoint{AddrPort: netip.MustParseAddrPort("[fe80::1%a]:1")}}
	otherZone := Packet{To: Endpoint{AddrPort: netip.MustParseAddrPort("[fe80::1%b]:1")}}
	four, mapped := zone, zone
	four.To.AddrPort, mapped.To.AddrPort = netip.MustParseAddrPort("1.2.3.4:1"), netip.MustParseAddrPort("[::ffff:1.2.3.4]:1")
	split := to("m1")
	split.Messages = [][]byte{[]byte("messagem"), {}}
	sums := make(map[uint32]int)
	for i, out := range []Output{
		{}, {Packets: []Packet{{}}}, {Packets: []Packet{{}, {}}}, {Pings: []PingResult{{}}}, {Packets: []Packet{to("m1"), to("m2")}}, {Packets: []Packet{to("m2"), to("m1")}},
		{Packets: []Packet{to("m1")}}, {Packets: []Packet{to("a long name 1")}}, {Packets: []Packet{to("a long name 2")}}, {Packets: []Packet{zone}}, {Packets: []Packet{otherZone}},
		{Packets: []Packet{four}}, {Packets: []Packet{mapped}}, {Packets: []Packet{split}}, {Wakeup: testStart}, {Health: 1},
	} {
		if !out.isUsual() {
			t.Errorf("output %d is not usual", i)
		}
		sum := r.sumOf(&out, 0)
		if other, ok := sums[sum]; ok {
			t.Errorf("outputs %d and %d have the same sum", other, i)
		}
		if r.sumOf(&out, 1) == sum {
			t.Errorf("output %d: packets that were filled before do not count", i)
		}
		sums[sum] = i
	}
}
