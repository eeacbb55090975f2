package clustertest

import (
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/internal/simnet"
	"github.com/e3431adc/memberlist/internal/wire"
)

// barePing is the shortest ping: 9 bytes.
func barePing(seq byte) []byte { return []byte("\x00\x81\xa5SeqNo" + string(seq%127+1)) }

// TestPingsOfStrangersDrainNoGossip: metadata reaches as many members as ever while a stranger pings each 500 times a second.
// It gets bare acks, and nothing more.
func TestPingsOfStrangersDrainNoGossip(t *testing.T) {
	quiet, _, _ := missedUpdates(t, 0)
	missed, acked, largest := missedUpdates(t, 500)
	t.Logf("of 192 views %d miss an update, %d without the pings; %d acks of at most %d bytes", missed, quiet, acked, largest)
	if missed > quiet+10 || acked < 50_000 || largest > len(barePing(1)) {
		t.Errorf("want no more to be missed, and acks of at most %d bytes", len(barePing(1)))
	}
}

// missedUpdates returns how many of 192 views miss an update of metadata after 3 s, without push/pulls, while a stranger sends
// each member so many pings a second. It returns the number of its acks, and the size of the largest, too.
func missedUpdates(t *testing.T, pings int) (missed, acked, largest int) {
	const members, updates = 8, 24
	synctest.Test(t, func(t *testing.T) {
		delegates := make([]*testDelegate, members)
		c := newSimCluster(t)
		defer c.stop()
		for i := range members {
			delegates[i] = &testDelegate{}
			c.grow(1, func(config *memberlist.Config) {
				config.Delegate, config.PushPullInterval, config.Ping = delegates[i], 0, payloader{}
			})
		}
		time.Sleep(time.Minute)
		stranger := c.outsider(66)
		defer stranger.Close()
		go func() {
			for {
				select {
				case p := <-stranger.Packets():
					acked, largest = acked+1, max(largest, len(p.Data))
				case <-stranger.Done():
					return
				}
			}
		}()
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			for i := 0; pings > 0; i++ {
				select {
				case <-stop:
					return
				case <-time.After(time.Second / time.Duration(pings)):
				}
				for m := range members {
					if err := stranger.Send(barePing(byte(i)), simAddr(m)); err != nil {
						t.Error(err)
					}
				}
			}
		}()
		for u := range updates {
			meta, name := fmt.Sprint("update ", u), fmt.Sprint("m", u%members)
			delegates[u%members].set([]byte(meta))
			if err := c.members[u%members].UpdateNode(5 * time.Second); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Second)
			for _, m := range c.members {
				for _, n := range m.Members() {
					if n.Name == name && string(n.Meta) != meta {
						missed++
					}
				}
			}
		}
		close(stop)
		<-stopped
		time.Sleep(10 * time.Millisecond)
	})
	return missed, acked, largest
}

// payloader is a PingDelegate with a payload.
type payloader struct{}

func (payloader) AckPayload() []byte { return []byte("payload") }

func (payloader) NotifyPingComplete(*memberlist.Node, time.Duration, []byte) {}

// TestPacketsToOthersAreNotAmplified: packets with a thousand pings, or indirect pings, that name a third party as their source
// or target make the members send it less than they got, nothing if it is no member, and delay no ping of a member.
func TestPacketsToOthersAreNotAmplified(t *testing.T) {
	at := simAddr(50) // the third party
	source := func(seq int, a netip.AddrPort) wire.Ping {
		return wire.Ping{SeqNo: uint32(seq), SourceAddr: a.Addr().AsSlice(), SourcePort: a.Port()}
	}
	for _, tt := range []struct {
		name    string
		message func(i int) []byte
	}{
		{"pings from there", func(i int) []byte { p := source(i, at); return p.Append(nil) }},
		{"indirect pings of it", func(i int) []byte {
			return (&wire.IndirectPing{SeqNo: uint32(i), Target: at.Addr().AsSlice(), Port: at.Port()}).Append(nil)
		}},
		{"indirect pings from there", func(i int) []byte {
			to := simAddr(1)
			return (&wire.IndirectPing{SeqNo: uint32(i), Target: to.Addr().AsSlice(), Port: to.Port(), Nack: true,
				SourceAddr: at.Addr().AsSlice(), SourcePort: at.Port()}).Append(nil)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newSimCluster(t).grow(2, nil)
				defer c.stop()
				time.Sleep(10 * time.Second)
				third, stranger := c.outsider(50), c.outsider(66)
				defer third.Close()
				defer stranger.Close()
				received, back := counted(third), counted(stranger)
				parts := make([][]byte, 255)
				sent := 0
				for range 50 * 10 { // in 10 s
					for i := range parts {
						parts[i] = tt.message(i + 1)
					}
					compound, _ := wire.AppendCompound(nil, parts)
					packet := compressed(t, compound)
					sent += len(packet)
					if err := stranger.Send(packet, simAddr(0)); err != nil {
						t.Fatal(err)
					}
					time.Sleep(20 * time.Millisecond)
				}
				if _, err := c.members[1].Ping("m0", mustUDP(simAddr(0))); err != nil {
					t.Errorf("a ping of a member: %v", err)
				}
				t.Logf("%d bytes sent, %d at the third party, %d back", sent, received.Load(), back.Load())
				if received.Load() > 0 || back.Load() > int64(sent) {
					t.Error("the third party gets packets, or the sender more bytes than it sent")
				}
				if drops := c.members[0].Stats().Dropped; drops.Overload < 50*10*250 {
					t.Errorf("%d dropped", drops.Overload)
				}
			})
		})
	}
}

// counted returns the number of bytes that arrive at an endpoint, so far.
func counted(e *simnet.Endpoint) *atomic.Int64 {
	n := new(atomic.Int64)
	go func() {
		for {
			select {
			case p := <-e.Packets():
				n.Add(int64(len(p.Data)))
			case <-e.Done():
				return
			}
		}
	}()
	return n
}
