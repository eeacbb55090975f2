package tcptransport

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/internal/transporttest"
)

func TestConformance(t *testing.T) {
	for _, secure := range []bool{false, true} {
		name := map[bool]string{false: "plain", true: "TLS"}[secure]
		t.Run(name, func(t *testing.T) {
			ca := newAuthority(t)
			transporttest.Run(t, transporttest.Kind{
				New: func(t *testing.T, name string) memberlist.Transport {
					var config Config
					if secure {
						config.TLS = ca.tls(name)
					}
					return start(t, config)
				},
				MaxPacket: MaxPacket,
				Reliable:  true,
			})
		})
	}
}

// TestRestartsAtTheSamePort: a process that is restarted at once misses no packet that is written after it listens.
func TestRestartsAtTheSamePort(t *testing.T) {
	ca := newAuthority(t)
	for name, config := range map[string]Config{"plain": {}, "TLS": {TLS: ca.tls("member")}} {
		t.Run(name, func(t *testing.T) {
			a, b := start(t, config), start(t, config)
			restarted := config
			restarted.BindPort = b.Port()
			for i := range 20 {
				text := fmt.Sprint("packet ", i)
				if err := write(a, b, text); err != nil {
					t.Fatal(err)
				}
				for string(receive(t, b).Buf) != text { // what the former process has received may come again
				}
				b.Shutdown()
				b = start(t, restarted)
			}
			if s := a.Stats(); s.PacketsDropped != 0 {
				t.Errorf("got %+v", s)
			}
		})
	}
}

// messages is a Delegate that passes user messages on.
type messages chan []byte

func (m messages) NotifyMsg(b []byte)            { m <- bytes.Clone(b) }
func (messages) NodeMeta(int) []byte             { return nil }
func (messages) GetBroadcasts(int, int) [][]byte { return nil }
func (messages) LocalState(bool) []byte          { return nil }
func (messages) MergeRemoteState([]byte, bool)   {}

// TestLargePackets: with a UDPBufferSize of 1 MiB, messages of nearly that size travel in one packet.
func TestLargePackets(t *testing.T) {
	arrived := make(messages, 1)
	var members []*memberlist.Memberlist
	for _, name := range []string{"a", "b"} {
		c := memberlist.DefaultLANConfig()
		c.Name, c.LogOutput, c.Delegate = name, io.Discard, arrived
		c.Transport, c.UDPBufferSize, c.SecretKey = start(t, Config{QueueBytes: 4 * MaxPacket}), MaxPacket, make([]byte, 32)
		m, err := memberlist.Create(c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { m.Shutdown() })
		members = append(members, m)
	}
	if _, err := members[0].Join([]string{members[1].LocalNode().Address()}); err != nil {
		t.Fatal(err)
	}
	message := make([]byte, MaxPacket-1000)
	rand.Read(message)
	if err := members[0].SendBestEffort(members[1].LocalNode(), message); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-arrived:
		if !bytes.Equal(got, message) {
			t.Errorf("got %d bytes, want %d", len(got), len(message))
		}
	case <-time.After(10 * time.Second):
		t.Error("the message does not arrive")
	}
}
