// Code generated from ../suite by go generate; DO NOT EDIT.

package suite

import (
	"bytes"
	"net"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"
)

// recorder is a transport that keeps the sent packets.
type recorder struct {
	*loneTransport
	written [][]byte
}

func (r *recorder) WriteTo(b []byte, _ string) (time.Time, error) {
	r.written = append(r.written, b)
	return time.Now(), nil
}

// TestPacketsAreThoseOfAPeer checks that the packets of the benchmarks are the same as those that the library sends.
func TestPacketsAreThoseOfAPeer(t *testing.T) {
	for _, mode := range []mode{plain, sealed, compressing, both} {
		t.Run(mode.name, func(t *testing.T) {
			r := &recorder{loneTransport: newLoneTransport()}
			created, err := memberlist.Create(mode.config(t, r))
			if err != nil {
				t.Fatal(err)
			}
			defer created.Shutdown()
			r.answer = mode.stream(t, pushPullMessage(t, 10))
			if _, err := created.Join([]string{memberAddr(1).String()}); err != nil {
				t.Fatal(err)
			}
			to := &memberlist.Node{Name: memberName(1), Addr: net.IP(memberIP(1)), Port: port}
			if err := sendTo(created, to); err != nil {
				t.Fatal(err)
			}
			want := mode.packet(t, append([]byte{typeUser}, userMessage()...)).Buf
			if len(r.written) != 1 {
				t.Fatalf("%d packets, want 1", len(r.written))
			}
			got := r.written[0]
			if mode.seal { // the nonces differ
				header := len(labelHeader()) + 1
				got, want = append(got[:header:header], byte(len(got))), append(want[:header:header], byte(len(want)))
			}
			if !bytes.Equal(got, want) {
				t.Errorf("the library sends\n%x\nand the benchmarks make\n%x", got, want)
			}
		})
	}
}

// sendTo sends to the library's own Node of the member.
func sendTo(m *memberlist.Memberlist, to *memberlist.Node) error {
	for _, n := range m.Members() {
		if n.Name == to.Name {
			return m.SendBestEffort(n, userMessage())
		}
	}
	return nil
}
