package wire

import (
	"bytes"
	"fmt"
	"io"
	"testing"
	"testing/iotest"
)

func FuzzStream(f *testing.F) {
	c := testCipher(f, 16, 1)
	f.Add(pushPull(2, "user"), false)
	f.Add(compressMessage(f, pushPull(2, "user")), true)
	f.Add(AppendSealedFrame(nil, c, 1, &testNonce, "label", pushPull(2, "user")), false)
	f.Add(AppendSealedFrame(nil, c, 0, &testNonce, "label", nil), true)
	f.Add([]byte{10, 0, 0, 0, 0}, false)
	f.Add(append([]byte{8}, 0x81, 0xaa), false)
	for _, m := range []message{errTests[0].m, pingTests[0].m, ackTests[0].m, userHeaderTests[2].m, pushPullHeaderTests[2].m} {
		f.Add(m.Append(nil), true)
	}
	for i, stream := range loadTraffic(f).streams {
		f.Add(stream, i%2 == 0)
	}
	f.Fuzz(func(t *testing.T, in []byte, seal bool) {
		if seal {
			in = AppendSealedFrame(nil, c, 1, &testNonce, "label", in)
		}
		whole, asked := readStream(bytes.NewReader(in), c)
		trickled, _ := readStream(iotest.OneByteReader(bytes.NewReader(in)), c)
		if whole != trickled {
			t.Fatalf("%x\n      at once %s\nbyte by byte %s", in, whole, trickled)
		}
		// Decompression multiplies by the ratio of LZW at most; other memory follows from the bytes that arrived.
		if limit := 1 << 26; asked > limit {
			t.Fatalf("asked for %d bytes for %d", asked, len(in))
		}
	})
}

// readStream reads a whole stream and returns its content as text.
func readStream(r io.Reader, c *Cipher) (out string, asked int) {
	s := NewStreamReader(r, func(n int) error { asked += n; return nil })
	for {
		kind, err := s.ReadType()
		if err != nil {
			return fmt.Sprint(out, " ", err), asked
		}
		out += fmt.Sprint(" ", kind)
		switch kind {
		case TypeEncrypt:
			_, err = s.OpenFrame([]*Cipher{c}, "label")
		case TypeCompress:
			err = s.Decompress()
		case TypePushPull:
			var header PushPullHeader
			if err = s.ReadMessage(&header); err == nil {
				err = header.Validate()
			}
			if err == nil {
				var states States
				states, err = s.ReadStates(header.Nodes)
				out += fmt.Sprint(" ", states.Take(states.Len()))
			}
			if err == nil {
				var user []byte
				user, err = s.ReadN(header.UserStateLen, MaxUserState)
				out += fmt.Sprintf(" %x", user)
			}
		case TypeUser:
			var header UserHeader
			var user []byte
			if err = s.ReadMessage(&header); err == nil {
				user, err = s.ReadN(header.UserMsgLen, MaxUserMessage)
			}
			out += fmt.Sprintf(" %x", user)
		case TypePing:
			var m Ping
			err = s.ReadMessage(&m)
			out += fmt.Sprint(" ", m)
		case TypeAck:
			var m Ack
			err = s.ReadMessage(&m)
			out += fmt.Sprint(" ", m)
		case TypeErr:
			var m Err
			err = s.ReadMessage(&m)
			out += fmt.Sprint(" ", m)
		default:
			return out, asked
		}
		if err != nil {
			return fmt.Sprint(out, " ", err), asked
		}
	}
}
