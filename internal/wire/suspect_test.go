package wire

import "testing"

var suspectTests = []messageTest{
	{
		name: "all fields", m: &Suspect{Incarnation: 3, Node: "n1", From: "n0"},
		hex: "03 83 a446726f6d a26e30 ab496e6361726e6174696f6e 03 a44e6f6465 a26e31",
	},
	{name: "zero", m: &Suspect{}, hex: "03 83 a446726f6d a0 ab496e6361726e6174696f6e 00 a44e6f6465 a0"},
}

// The highest incarnation is no special case here: the caller decides whether to accept it.
var deadTests = []messageTest{
	{
		name: "left, highest incarnation", m: &Dead{Incarnation: 1<<32 - 1, Node: "n1", From: "n1"},
		hex: "05 83 a446726f6d a26e31 ab496e6361726e6174696f6e ceffffffff a44e6f6465 a26e31",
	},
	{name: "zero", m: &Dead{}, hex: "05 83 a446726f6d a0 ab496e6361726e6174696f6e 00 a44e6f6465 a0"},
}

func TestSuspect(t *testing.T)      { testMessages(t, suspectTests) }
func TestDead(t *testing.T)         { testMessages(t, deadTests) }
func TestSuspectQuick(t *testing.T) { testQuick[Suspect](t, nil) }
func TestDeadQuick(t *testing.T)    { testQuick[Dead](t, nil) }
func FuzzSuspect(f *testing.F)      { fuzzMessage[Suspect, refAccusation](f, suspectTests[0].m) }
func FuzzDead(f *testing.F)         { fuzzMessage[Dead, refAccusation](f, deadTests[0].m) }

func BenchmarkSuspectParse(b *testing.B) {
	body := suspectTests[0].m.Append(nil)[1:]
	names := NewNames()
	b.ReportAllocs()
	for b.Loop() {
		var m Suspect
		if err := m.Parse(body, names); err != nil {
			b.Fatal(err)
		}
	}
}
