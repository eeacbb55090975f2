package wire

import (
	"reflect"
	"strings"
	"testing"
)

var pingTests = []messageTest{
	{
		name: "all fields",
		m:    &Ping{SeqNo: 7, Node: "n1", SourceAddr: []byte{127, 0, 0, 1}, SourcePort: 7946, SourceNode: "n0"},
		hex: `00 85 a44e6f6465 a26e31 a55365714e6f 07 aa536f7572636541646472 a47f000001 aa536f757263654e6f6465 a26e30
			aa536f75726365506f7274 cd1f0a`,
	},
	{name: "zero", m: &Ping{}, hex: "00 82 a44e6f6465 a0 a55365714e6f 00"},
	{
		name: "source name alone",
		m:    &Ping{SeqNo: 1<<32 - 1, SourceNode: "a/b"},
		hex:  "00 83 a44e6f6465 a0 a55365714e6f ceffffffff aa536f757263654e6f6465 a3612f62",
	},
	{
		name: "view",
		m: &Ping{SeqNo: 7, Node: "n1", SourceAddr: []byte{127, 0, 0, 1}, SourcePort: 7946, SourceNode: "n0",
			View: 0xfedcba9876543210},
		hex: `00 86 a44e6f6465 a26e31 a55365714e6f 07 aa536f7572636541646472 a47f000001 aa536f757263654e6f6465 a26e30
			aa536f75726365506f7274 cd1f0a a25677 cffedcba9876543210`,
	},
	{
		name: "view unsaid",
		m:    &Ping{View: ViewUnsaid},
		hex:  "00 83 a44e6f6465 a0 a55365714e6f 00 a25677 01",
	},
}

var indirectPingTests = []messageTest{
	{
		name: "all fields",
		m: &IndirectPing{SeqNo: 200, Target: []byte{10, 0, 0, 2}, Port: 80, Node: "n2", Nack: true,
			SourceAddr: []byte{127, 0, 0, 1}, SourcePort: 7946, SourceNode: "n0"},
		hex: `01 88 a44e61636b c3 a44e6f6465 a26e32 a4506f7274 50 a55365714e6f ccc8 aa536f7572636541646472 a47f000001
			aa536f757263654e6f6465 a26e30 aa536f75726365506f7274 cd1f0a a6546172676574 a40a000002`,
	},
	{
		name: "dial", m: &IndirectPing{Target: []byte{}, Dial: true, Nack: true},
		hex: "01 86 a2446c c3 a44e61636b c3 a44e6f6465 a0 a4506f7274 00 a55365714e6f 00 a6546172676574 a0",
	},
	{
		name: "zero", m: &IndirectPing{},
		hex: "01 85 a44e61636b c2 a44e6f6465 a0 a4506f7274 00 a55365714e6f 00 a6546172676574 c0",
	},
	{
		name: "source port alone", m: &IndirectPing{Target: []byte{}, SourcePort: 1},
		hex: "01 86 a44e61636b c2 a44e6f6465 a0 a4506f7274 00 a55365714e6f 00 aa536f75726365506f7274 01 a6546172676574 a0",
	},
}

func TestPing(t *testing.T)         { testMessages(t, pingTests) }
func TestIndirectPing(t *testing.T) { testMessages(t, indirectPingTests) }

// An empty source address is left out, so it comes back as none.
func TestPingQuick(t *testing.T) {
	testQuick(t, func(m *Ping) {
		if len(m.SourceAddr) == 0 {
			m.SourceAddr = nil
		}
	})
}

func TestIndirectPingQuick(t *testing.T) {
	testQuick(t, func(m *IndirectPing) {
		if len(m.SourceAddr) == 0 {
			m.SourceAddr = nil
		}
	})
}

func FuzzPing(f *testing.F) {
	fuzzMessage[Ping, refPing](f, pingTests[0].m, pingTests[1].m, pingTests[3].m, pingTests[4].m)
}

func FuzzIndirectPing(f *testing.F) {
	fuzzMessage[IndirectPing, refIndirectPing](f, indirectPingTests[0].m, indirectPingTests[1].m)
}

func BenchmarkPingAppend(b *testing.B) {
	m := pingTests[0].m
	buf := m.Append(nil)
	b.ReportAllocs()
	for b.Loop() {
		buf = m.Append(buf[:0])
	}
}

func BenchmarkPingParse(b *testing.B) {
	body := pingTests[0].m.Append(nil)[1:]
	names := NewNames()
	b.ReportAllocs()
	for b.Loop() {
		var m Ping
		if err := m.Parse(body, names); err != nil {
			b.Fatal(err)
		}
	}
}

// TestPingView: it equals the message, in any shape, and parsing the usual shapes copies nothing.
func TestPingView(t *testing.T) {
	long := strings.Repeat("node.", 20)
	for _, m := range []*Ping{
		{},
		{SeqNo: 1, Node: "self"},
		{SeqNo: 300, Node: "self", SourceAddr: []byte{10, 0, 0, 1}, SourcePort: 7946, SourceNode: "m1"},
		{SeqNo: 1<<32 - 1, Node: long, SourceAddr: make([]byte, 16), SourcePort: 7, SourceNode: long},
		{SeqNo: 7, SourceAddr: []byte{10, 0, 0, 1}, SourcePort: 1<<16 - 1, SourceNode: "a name of 32 bytes, no short one"},
		{SeqNo: 7, Node: "self", SourceAddr: []byte{10, 0, 0, 1}, SourcePort: 7946, SourceNode: "m1", View: 1<<64 - 1},
		{SeqNo: 7, Node: "self", SourceAddr: []byte{10, 0, 0, 1}, SourcePort: 7946, SourceNode: "m1", View: ViewUnsaid},
	} {
		body := m.Append(nil)[1:]
		for n := range len(body) + 1 {
			checkPingView(t, body[:n])
		}
		var v PingView
		if got := testing.AllocsPerRun(100, func() { v.Parse(body) }); got != 0 && m.SourceNode != "" {
			t.Errorf("%+v: %v allocations", m, got)
		}
	}
}

func checkPingView(t *testing.T, body []byte) {
	t.Helper()
	var v PingView
	var m Ping
	err, want := v.Parse(body), m.Parse(body, nil)
	if (err == nil) != (want == nil) {
		t.Fatalf("%x: %v, want %v", body, err, want)
	}
	if got := (Ping{SeqNo: v.SeqNo, Node: string(v.Node), SourceAddr: v.SourceAddr, SourcePort: v.SourcePort,
		SourceNode: string(v.SourceNode), View: v.View}); !reflect.DeepEqual(got, m) {
		t.Errorf("%x: got %+v, want %+v", body, got, m)
	}
}

func FuzzPingView(f *testing.F) {
	for _, tt := range pingTests {
		f.Add(tt.m.Append(nil)[1:])
	}
	f.Fuzz(checkPingView)
}
