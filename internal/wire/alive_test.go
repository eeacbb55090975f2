package wire

import (
	"bytes"
	"fmt"
	"testing"
)

var aliveTests = []messageTest{
	{
		name: "no meta",
		m: &Alive{Incarnation: 1, Node: "n1", Addr: []byte{127, 0, 0, 1}, Port: 7946,
			Vsn: []byte{1, 5, 2, 0, 0, 0}},
		hex: `04 86 a441646472 a47f000001 ab496e6361726e6174696f6e 01 a44d657461 c0 a44e6f6465 a26e31 a4506f7274 cd1f0a
			a356736e a6010502000000`,
	},
	{
		name: "zero", m: &Alive{},
		hex: "04 86 a441646472 c0 ab496e6361726e6174696f6e 00 a44d657461 c0 a44e6f6465 a0 a4506f7274 00 a356736e c0",
	},
	{
		name: "empty is not nil", m: &Alive{Addr: []byte{}, Meta: []byte{}, Vsn: []byte{}, Port: 65535},
		hex: "04 86 a441646472 a0 ab496e6361726e6174696f6e 00 a44d657461 a0 a44e6f6465 a0 a4506f7274 cdffff a356736e a0",
	},
	{
		name: "zone",
		m: &Alive{Incarnation: 1, Node: "n1", Addr: []byte{127, 0, 0, 1}, Port: 7946,
			Vsn: []byte{1, 5, 2, 0, 0, 0}, Zone: []byte("eu-1a")},
		hex: `04 87 a441646472 a47f000001 ab496e6361726e6174696f6e 01 a44d657461 c0 a44e6f6465 a26e31 a4506f7274 cd1f0a
			a356736e a6010502000000 a25a6e a565752d3161`,
	},
}

func TestAlive(t *testing.T)      { testMessages(t, aliveTests) }
func TestAliveQuick(t *testing.T) { testQuick(t, func(m *Alive) { dropEmptyZone(&m.Zone) }) }
func FuzzAlive(f *testing.F) {
	fuzzMessage[Alive, refAlive](f, aliveTests[0].m, aliveTests[1].m, aliveTests[3].m)
}

// An empty zone is left out, so it comes back as none.
func dropEmptyZone(zone *[]byte) {
	if len(*zone) == 0 {
		*zone = nil
	}
}

// A Vsn of 0 to 5 bytes made a peer panic (hashicorp/memberlist#368, #178). Here it is a shorter slice, for the
// caller to judge.
func TestAliveShortVsn(t *testing.T) {
	for n := range 8 {
		sent := Alive{Node: "n", Vsn: bytes.Repeat([]byte{1}, n)}
		var got Alive
		if err := got.Parse(sent.Append(nil)[1:], nil); err != nil {
			t.Fatal(err)
		}
		if len(got.Vsn) != n {
			t.Errorf("Vsn of %d bytes arrives as %v", n, got.Vsn)
		}
	}
	var got Alive
	if err := got.Parse([]byte{0x80}, nil); err != nil || got.Vsn != nil {
		t.Errorf("absent: %v, %v", got.Vsn, err)
	}
}

// Addresses of any size, names that are empty or have a slash, and port 0 are parsed; the caller decides whether to
// accept them.
func TestAliveOddFacts(t *testing.T) {
	for _, size := range []int{0, 3, 5, 15, 17, 300} {
		for _, name := range []string{"", "a/b", "\xff\x00"} {
			t.Run(fmt.Sprintf("%d %q", size, name), func(t *testing.T) {
				sent := Alive{Node: name, Addr: bytes.Repeat([]byte{9}, size)}
				var got Alive
				if err := got.Parse(sent.Append(nil)[1:], NewNames()); err != nil {
					t.Fatal(err)
				}
				if got.Node != name || len(got.Addr) != size || got.Port != 0 {
					t.Errorf("got %+v", got)
				}
			})
		}
	}
}

func BenchmarkAliveAppend(b *testing.B) {
	m := aliveTests[0].m
	buf := m.Append(nil)
	b.ReportAllocs()
	for b.Loop() {
		buf = m.Append(buf[:0])
	}
}

func BenchmarkAliveParse(b *testing.B) {
	body := aliveTests[0].m.Append(nil)[1:]
	names := NewNames()
	b.ReportAllocs()
	for b.Loop() {
		var m Alive
		if err := m.Parse(body, names); err != nil {
			b.Fatal(err)
		}
	}
}

// The same message through go-msgpack alone, to compare.
func BenchmarkAliveParseGeneral(b *testing.B) {
	body := aliveTests[0].m.Append(nil)[1:]
	b.ReportAllocs()
	for b.Loop() {
		var m Alive
		if err := fallback("alive", body, &m); err != nil {
			b.Fatal(err)
		}
	}
}
