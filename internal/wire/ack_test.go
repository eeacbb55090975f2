package wire

import "testing"

var ackTests = []messageTest{
	{name: "no payload", m: &Ack{SeqNo: 300}, hex: "02 82 a75061796c6f6164 c0 a55365714e6f cd012c"},
	{name: "empty payload", m: &Ack{Payload: []byte{}}, hex: "02 82 a75061796c6f6164 a0 a55365714e6f 00"},
	{name: "payload", m: &Ack{SeqNo: 65536, Payload: []byte{0xc1, 0}}, hex: "02 82 a75061796c6f6164 a2c100 a55365714e6f ce00010000"},
	{name: "view", m: &Ack{SeqNo: 7, View: 0x8000000000000003}, hex: "02 83 a75061796c6f6164 c0 a55365714e6f 07 a25677 cf8000000000000003"},
	{name: "view unsaid", m: &Ack{SeqNo: 7, View: ViewUnsaid}, hex: "02 83 a75061796c6f6164 c0 a55365714e6f 07 a25677 01"},
}

var nackTests = []messageTest{
	{name: "zero", m: &Nack{}, hex: "0b 81 a55365714e6f 00"},
	{name: "one byte", m: &Nack{SeqNo: 128}, hex: "0b 81 a55365714e6f cc80"},
	{name: "refused", m: &Nack{SeqNo: 128, Evidence: EvidenceRefused}, hex: "0b 82 a24576 01 a55365714e6f cc80"},
	{name: "evidence of a later version", m: &Nack{Evidence: 200}, hex: "0b 82 a24576 ccc8 a55365714e6f 00"},
}

func TestAck(t *testing.T)       { testMessages(t, ackTests) }
func TestNack(t *testing.T)      { testMessages(t, nackTests) }
func TestAckQuick(t *testing.T)  { testQuick[Ack](t, nil) }
func TestNackQuick(t *testing.T) { testQuick[Nack](t, nil) }
func FuzzAck(f *testing.F) {
	fuzzMessage[Ack, refAck](f, ackTests[0].m, ackTests[2].m, ackTests[3].m, ackTests[4].m)
}
func FuzzNack(f *testing.F) { fuzzMessage[Nack, refNack](f, nackTests[1].m, nackTests[2].m) }

func BenchmarkAckParse(b *testing.B) {
	body := ackTests[2].m.Append(nil)[1:]
	b.ReportAllocs()
	for b.Loop() {
		var m Ack
		if err := m.Parse(body, nil); err != nil {
			b.Fatal(err)
		}
	}
}
