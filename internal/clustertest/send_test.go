package clustertest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist"
)

// random returns n bytes that do not compress.
func random(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{}).Read(b)
	return b
}

// memberNamed returns m's Node of a member.
func memberNamed(t *testing.T, m *memberlist.Memberlist, name string) *memberlist.Node {
	t.Helper()
	members := m.Members()
	at := slices.IndexFunc(members, func(n *memberlist.Node) bool { return n.Name == name })
	if at < 0 {
		t.Fatalf("%s is no member", name)
	}
	return members[at]
}

// packetCases are the settings that add bytes to a message in a packet.
var packetCases = []packetCase{
	{version: 2},
	{version: 2, label: "blue"},
	{version: 2, label: "blue", key: attackKey},
	{version: 1, label: "blue", key: attackKey, compress: true},
}

func (p packetCase) apply(c *memberlist.Config) {
	c.Label, c.SecretKey, c.ProtocolVersion = p.label, p.key, p.version
	c.EnableCompression, c.UDPBufferSize = p.compress, p.size
}

// TestBestEffortUpToTheLargestMessage: over a transport that carries packets of any size, messages of up to UDPBufferSize or
// 64 KiB arrive, whatever is added to them and however well they compress, and the sender learns that a longer one is not
// sent.
func TestBestEffortUpToTheLargestMessage(t *testing.T) {
	for _, p := range packetCases {
		for size, largest := range map[int]int{1400: 64 << 10, 3 << 20: 3 << 20} {
			p.size = size
			t.Run(p.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { testLargestMessage(t, p, largest) })
			})
		}
	}
}

func testLargestMessage(t *testing.T, p packetCase, largest int) {
	sink := new(metricSink)
	useSink(t, sink)
	var network memberlist.MockNetwork
	received := make(chan string, 1)
	start := func(name string) *memberlist.Memberlist {
		config := loopbackConfig(name)
		config.Transport = network.NewTransport(name)
		config.Delegate = messageFunc(func(m string) { received <- m })
		p.apply(config)
		m, err := memberlist.Create(config)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	a, b := start("a"), start("b")
	defer a.Shutdown()
	defer b.Shutdown()
	if _, err := a.Join([]string{"b/" + b.LocalNode().Address()}); err != nil {
		t.Fatal(err)
	}
	to := memberNamed(t, a, "b")
	send := map[string]func([]byte) error{
		"SendBestEffort": func(message []byte) error { return a.SendBestEffort(to, message) },
		"SendToAddress":  func(message []byte) error { return a.SendToAddress(to.FullAddress(), message) },
	}
	for name, send := range send {
		for _, n := range []int{1399, 1400, 1401, largest} {
			for _, message := range [][]byte{random(n), bytes.Repeat([]byte{'x'}, n)} {
				if err := send(message); err != nil {
					t.Errorf("%s of %d bytes: %v", name, n, err)
					continue
				}
				select {
				case got := <-received:
					if got != string(message) {
						t.Errorf("%s of %d bytes: another message of %d bytes arrived", name, n, len(got))
					}
				case <-time.After(time.Second):
					t.Errorf("%s of %d bytes: nothing arrived", name, n)
				}
			}
		}
		if err := send(make([]byte, largest+1)); !errors.Is(err, memberlist.ErrMessageTooLarge) {
			t.Errorf("%s of %d bytes: error %v, want ErrMessageTooLarge", name, largest+1, err)
		}
	}
	if got := sink.sum("counter memberlist.dropped.oversize"); got != 2 {
		t.Errorf("%v messages counted as too large, want 2", got)
	}
}

// maxDatagram is the most bytes that a UDP packet over IPv4 carries.
const maxDatagram = 65507

// TestBestEffortUpToADatagram: over UDP, messages arrive whose packet fills a datagram, and the sender learns that a longer
// one is not sent.
func TestBestEffortUpToADatagram(t *testing.T) {
	for _, p := range packetCases {
		p.size = 1400
		t.Run(p.String(), func(t *testing.T) {
			leavesNoGoroutine(t)
			received := make(chan string, 10)
			start := func(name string) *memberlist.Memberlist {
				config := loopbackConfig(name)
				config.Delegate = messageFunc(func(m string) { received <- m })
				p.apply(config)
				m, err := memberlist.Create(config)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { m.Shutdown() })
				return m
			}
			a, b := start("a"), start("b")
			if _, err := a.Join([]string{"b/" + b.LocalNode().Address()}); err != nil {
				t.Fatal(err)
			}
			to := memberNamed(t, a, "b")
			payload := random(maxDatagram)
			refused := func(n int) bool {
				err := a.SendBestEffort(to, payload[:n])
				if err != nil && !errors.Is(err, memberlist.ErrMessageTooLarge) {
					t.Fatalf("%d bytes: %v", n, err)
				}
				return err != nil
			}
			const least = maxDatagram - 100 // more than is added in any case
			largest := least + sort.Search(100, func(n int) bool { return refused(least + n) }) - 1
			if largest < least {
				t.Fatalf("%d bytes are refused", least)
			}
			// A datagram may be lost, even here: of some that are as large one arrives.
			for i := 0; ; i++ {
				message := append([]byte(fmt.Sprintf("%4d", i)), payload[:largest-4]...)
				if err := a.SendBestEffort(to, message); err != nil {
					t.Fatal(err)
				}
				if got := <-received; len(got) == largest {
					break
				}
			}
			if p.compress {
				if err := a.SendBestEffort(to, make([]byte, 64<<10)); err != nil {
					t.Errorf("64 KiB that compress to little: %v", err)
				}
			}
		})
	}
}
