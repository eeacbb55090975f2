package clustertest

import (
	"bytes"
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist"
)

// keptMessages is a Delegate that keeps the messages that it is called with.
type keptMessages struct {
	broadcaster
	mu       sync.Mutex
	messages [][]byte
}

func (k *keptMessages) NotifyMsg(m []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.messages = append(k.messages, m)
}

// TestMessagesMayBeKept: messages that a delegate keeps do not change.
func TestMessagesMayBeKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t)
		defer c.stop()
		kept := &keptMessages{broadcaster: func(int, int) [][]byte { return nil }}
		c.add(func(config *memberlist.Config) { config.Delegate = kept })
		c.grow(1, nil)
		if _, err := c.members[1].Join([]string{simAddr(0).String()}); err != nil {
			t.Fatal(err)
		}
		message := func(i int) []byte { return bytes.Repeat([]byte{byte('a' + i%26)}, 40+i) }
		const n = 200
		for i := range n {
			if err := c.members[1].SendBestEffort(c.members[0].LocalNode(), message(i)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Second)
		kept.mu.Lock()
		defer kept.mu.Unlock()
		if len(kept.messages) != n {
			t.Fatalf("%d messages, want %d", len(kept.messages), n)
		}
		for i, m := range kept.messages {
			if !bytes.Equal(m, message(i)) {
				t.Fatalf("message %d is %q now", i, m)
			}
		}
	})
}

// wildcard is a transport whose packets come from the wildcard address of its listener, as some programs' do.
type wildcard struct {
	*simTransport
	packets chan *memberlist.Packet
	from    net.Addr
}

func newWildcard(inner *simTransport, from string) *wildcard {
	addr, _ := net.ResolveTCPAddr("tcp", from)
	w := &wildcard{inner, make(chan *memberlist.Packet), addr}
	go func() {
		for {
			select {
			case p := <-inner.PacketCh():
				p.From = w.from
				select {
				case w.packets <- p:
				case <-inner.ctx.Done():
				}
			case <-inner.ctx.Done():
				return
			}
		}
	}()
	return w
}

func (w *wildcard) PacketCh() <-chan *memberlist.Packet { return w.packets }

// TestPacketsFromTheWildcardAddress: members find each other and stay together where packets do not tell from where they come.
func TestPacketsFromTheWildcardAddress(t *testing.T) {
	for _, from := range []string{"0.0.0.0:9094", "[::]:9094"} {
		t.Run(fmt.Sprint(from), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newSimCluster(t)
				defer c.stop()
				c.grow(4, func(config *memberlist.Config) {
					config.Transport = newWildcard(config.Transport.(*simTransport), from)
				})
				for range 60 {
					time.Sleep(time.Second)
					if !c.agree(4) {
						t.Fatal("not all know all")
					}
				}
			})
		})
	}
}
