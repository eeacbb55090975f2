package lzw

import (
	"bytes"
	"compress/lzw"
	"fmt"
	"testing"
)

// packets are typical of members: a ping of 30 bytes, and 18 alive messages in one packet.
func packets() map[string][]byte {
	packet := []byte{7, 18}
	for range 18 {
		packet = append(packet, 0, 75)
	}
	for i := range 18 {
		packet = append(packet, 4, 0x86)
		packet = append(packet, "\xa4Addr\xa4\x0a\x00\x00"...)
		packet = append(packet, byte(7*i))
		packet = append(packet, "\xabIncarnation\x01\xa4Meta\xa4role\xa4Node\xa8"...)
		packet = append(packet, fmt.Sprintf("node-%03d", 37*i%1000)...)
		packet = append(packet, "\xa4Port\xcd\x1f\x0a\xa3Vsn\xa6\x01\x05\x02\x00\x00\x00"...)
	}
	states := bytes.Repeat(packet, 100)
	for i := range states {
		if i%70 < 3 {
			states[i] = byte(uint64(i) * 2654435761 >> 13)
		}
	}
	return map[string][]byte{
		"30 bytes":    packet[38:68],
		"full packet": packet,
		"100 packets": states,
	}
}

// The reference is compress/lzw with reused tables. Compare both in one run.

func BenchmarkEncode(b *testing.B) {
	for name, src := range packets() {
		b.Run(name+"/ours", func(b *testing.B) {
			var e Encoder
			var buf []byte
			b.SetBytes(int64(len(src)))
			b.ReportAllocs()
			for b.Loop() {
				buf = e.Append(buf[:0], src)
			}
		})
		b.Run(name+"/reference", func(b *testing.B) {
			var buf bytes.Buffer
			w := lzw.NewWriter(&buf, lzw.LSB, 8).(*lzw.Writer)
			b.SetBytes(int64(len(src)))
			b.ReportAllocs()
			for b.Loop() {
				buf.Reset()
				w.Reset(&buf, lzw.LSB, 8)
				w.Write(src)
				w.Close()
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for name, src := range packets() {
		packed := reference(b, src)
		buf := make([]byte, 0, len(src)+8)
		b.Run(name+"/ours", func(b *testing.B) {
			var d Decoder
			b.SetBytes(int64(len(src)))
			b.ReportAllocs()
			for b.Loop() {
				d.Reset(packed)
				buf, _ = d.Append(buf[:0])
			}
		})
		b.Run(name+"/reference", func(b *testing.B) {
			source := bytes.NewReader(packed)
			r := lzw.NewReader(source, lzw.LSB, 8).(*lzw.Reader)
			b.SetBytes(int64(len(src)))
			b.ReportAllocs()
			for b.Loop() {
				source.Reset(packed)
				r.Reset(source, lzw.LSB, 8)
				for n := 0; n < len(src); {
					m, err := r.Read(buf[n:cap(buf)])
					if err != nil {
						b.Fatal(err)
					}
					n += m
				}
			}
		})
	}
}
