package clustertest

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist/internal/simnet"
	"github.com/e3431adc/memberlist/internal/wire"

	"github.com/e3431adc/memberlist"
)

// evidenceTransport is a simTransport whose dials are refused as those of sockets are, and whose process can be stopped: meanwhile its
// kernel opens streams and keeps packets, and it sends nothing.
type evidenceTransport struct {
	*simTransport
	stopped atomic.Bool
	packets chan *memberlist.Packet
	streams chan net.Conn
}

func newEvidenceTransport(s *simTransport) *evidenceTransport {
	e := &evidenceTransport{simTransport: s, packets: make(chan *memberlist.Packet), streams: make(chan net.Conn)}
	go func() {
		for {
			select {
			case p := <-s.PacketCh():
				e.awaitRunning()
				select {
				case e.packets <- p:
				case <-s.ctx.Done():
				}
			case conn := <-s.StreamCh():
				go func() {
					e.awaitRunning()
					select {
					case e.streams <- conn:
					case <-s.ctx.Done():
					}
				}()
			case <-s.ctx.Done():
				return
			}
		}
	}()
	return e
}

func (e *evidenceTransport) awaitRunning() {
	for e.stopped.Load() && e.ctx.Err() == nil {
		time.Sleep(10 * time.Millisecond)
	}
}

func (e *evidenceTransport) PacketCh() <-chan *memberlist.Packet { return e.packets }
func (e *evidenceTransport) StreamCh() <-chan net.Conn           { return e.streams }
func (e *evidenceTransport) IsRefused(err error) bool            { return errors.Is(err, simnet.ErrRefused) }

func (e *evidenceTransport) WriteTo(b []byte, addr string) (time.Time, error) {
	if e.stopped.Load() {
		return time.Now(), nil
	}
	return e.simTransport.WriteTo(b, addr)
}

func (e *evidenceTransport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	e.awaitRunning()
	return e.simTransport.DialTimeout(addr, timeout)
}

// read tells from the evidence about one member, that all others have, what has happened to it.
func read(events []memberlist.Event) string {
	for _, e := range events {
		why := e.Evidence
		if why == nil || why.Probe == nil {
			continue
		}
		found := func(result memberlist.ProbeResult) bool {
			return why.Probe.Stream == result ||
				slices.ContainsFunc(why.Probe.Helpers, func(h memberlist.HelperEvidence) bool { return h.Result == result })
		}
		switch {
		case why.Probe.Stream == memberlist.ProbeAcked:
			return "UDP is lost"
		case found(memberlist.ProbeAcked):
			return "one-way cut"
		case found(memberlist.ProbeRefused):
			return "crash"
		case found(memberlist.ProbeConnected):
			return "pause"
		}
	}
	accusers := map[string]int{}
	for _, e := range events {
		if why := e.Evidence; e.Kind == memberlist.EventRecover && why.Probe == nil && len(why.Confirmed) == 0 {
			accusers[why.SuspectedBy]++
		}
	}
	for name, n := range accusers {
		if n > 2 {
			return name + " lies"
		}
	}
	for i, e := range events {
		if e.Kind == memberlist.EventLeave && strings.HasPrefix(e.Evidence.Sender, "10.") && i+1 < len(events) &&
			events[i+1].Kind == memberlist.EventJoin && events[i+1].Evidence.Down < 10*time.Second {
			return "forged by " + e.Evidence.Sender
		}
	}
	return "unknown"
}

// TestEvidenceTells: what happened to a member can be read from the evidence of the events about it, and from nothing else.
func TestEvidenceTells(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		kinds      []memberlist.EventKind // that occur, among others
		happen     func(c *simCluster)
	}{
		{"crash", "crash", []memberlist.EventKind{memberlist.EventSuspect, memberlist.EventFail},
			func(c *simCluster) { c.members[3].Shutdown() }},
		{"pause", "pause", []memberlist.EventKind{memberlist.EventSuspect, memberlist.EventRecover}, func(c *simCluster) {
			stopped := &c.configs[3].Transport.(*evidenceTransport).stopped
			stopped.Store(true)
			time.Sleep(4 * time.Second)
			stopped.Store(false)
		}},
		{"one-way cut", "one-way cut", []memberlist.EventKind{memberlist.EventReachability}, func(c *simCluster) {
			c.network.SetLink(simAddr(3), simAddr(0), simnet.Link{PacketsDown: true, StreamsDown: true})
		}},
		{"UDP is lost", "UDP is lost", []memberlist.EventKind{memberlist.EventReachability}, func(c *simCluster) {
			c.network.SetLinkFunc(func(from, to netip.AddrPort) (simnet.Link, bool) {
				return simnet.Link{Latency: time.Millisecond, PacketsDown: true}, from == simAddr(3) || to == simAddr(3)
			})
		}},
		{"lying accuser", "m4 lies", []memberlist.EventKind{memberlist.EventSuspect, memberlist.EventRecover}, func(c *simCluster) {
			for range 10 {
				info, _ := c.members[0].Member("m3")
				lie := (&wire.Suspect{Node: "m3", Incarnation: info.Incarnation, From: "m4"}).Append(nil)
				for to := range 3 {
					c.configs[4].Transport.WriteTo(lie, simAddr(to).String())
				}
				time.Sleep(3 * time.Second)
			}
		}},
		{"forged leave", "forged by 10.0.0.66:7946", []memberlist.EventKind{memberlist.EventLeave, memberlist.EventJoin}, func(c *simCluster) {
			info, _ := c.members[0].Member("m3")
			c.outsider(66).Send((&wire.Dead{Node: "m3", Incarnation: info.Incarnation, From: "m3"}).Append(nil), simAddr(0))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newSimCluster(t)
				defer c.stop()
				c.grow(6, func(config *memberlist.Config) {
					config.Transport = newEvidenceTransport(config.Transport.(*simTransport))
				})
				c.await(settles, func() bool { return c.agree(6) })
				time.Sleep(10 * time.Second)
				var subs []*memberlist.Subscription
				for _, m := range c.members {
					subs = append(subs, m.Subscribe(1000))
				}
				tt.happen(c)
				time.Sleep(40 * time.Second)
				var events []memberlist.Event
				occurred := map[memberlist.EventKind]bool{}
				for i, sub := range subs {
					for len(sub.Events()) > 0 {
						if e := <-sub.Events(); e.Member.Name == "m3" {
							events = append(events, e)
							occurred[e.Kind] = true
							t.Logf("m%d: %v m3: %v", i, e.Kind, e.Evidence)
						}
					}
				}
				for _, kind := range tt.kinds {
					if !occurred[kind] {
						t.Errorf("no event %v", kind)
					}
				}
				if got := read(events); got != tt.want {
					t.Errorf("it reads as %q, want %q", got, tt.want)
				}
			})
		})
	}
}

// TestEvidenceOfPresentState: All and Member tell why a member is suspect or dead, and for how long it has been suspected; the same is in
// the event and in one log record.
func TestEvidenceOfPresentState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(recordHandler)
		c := newSimCluster(t)
		defer c.stop()
		m := c.add(func(config *memberlist.Config) { config.LogOutput, config.SlogHandler = nil, h })
		c.grow(4, nil)
		c.await(settles, func() bool { return c.agree(5) })
		for info := range m.All() {
			if info.Evidence != nil {
				t.Errorf("of %s, which is alive: %v", info.Name, info.Evidence)
			}
		}
		sub := m.Subscribe(100)
		defer sub.Close()
		next := func(kind memberlist.EventKind) memberlist.Event {
			t.Helper()
			for e := range sub.Events() {
				if e.Kind == kind && e.Member.Name == "m3" {
					return e
				}
			}
			t.Fatalf("no event %v", kind)
			return memberlist.Event{}
		}
		c.network.Down(simAddr(3))
		e := next(memberlist.EventSuspect)
		if e.Evidence == nil || e.Member.Evidence != e.Evidence || e.Evidence.SuspectedBy != e.By || e.Evidence.Timeout == 0 {
			t.Errorf("suspect: %+v", e.Evidence)
		}
		time.Sleep(time.Second)
		if why := infoOf(t, m, "m3").Evidence; why == nil || why.Suspected != time.Since(e.Time) || why.Cause != e.Evidence.Cause {
			t.Errorf("suspected for a second: %v", why)
		}
		e = next(memberlist.EventFail)
		for info := range m.All() {
			if dead := info.Name == "m3"; dead != (info.Evidence != nil) || dead && info.Evidence.String() != e.Evidence.String() {
				t.Errorf("%s: %v, at its event %v", info.Name, info.Evidence, e.Evidence)
			}
		}
		c.network.Up(simAddr(3))
		back := next(memberlist.EventJoin)
		if why := back.Evidence; why == nil || why.Down != back.Time.Sub(e.Time) || back.Member.Evidence != nil {
			t.Errorf("back: %v", why)
		}
		time.Sleep(time.Minute)
		c.network.Down(simAddr(3))
		next(memberlist.EventSuspect)
		c.network.Up(simAddr(3))
		recovered := next(memberlist.EventRecover)
		if why := recovered.Evidence; why == nil || why.Suspected == 0 || why.Suspected >= why.Timeout || why.By != "m3" {
			t.Errorf("recovered: %v", why)
		}
		synctest.Wait() // the record of a change may follow its event
		for text, want := range map[string]string{"marking member as failed": e.Evidence.String(), "member that was down is alive again": back.Evidence.String(),
			"suspect member has refuted": recovered.Evidence.String()} {
			n := 0
			for _, r := range h.find(text) {
				if r["node"] == "m3" && r["evidence"] == want {
					n++
				}
			}
			if n != 1 {
				t.Errorf("%d records %q with %q, want one: %v", n, text, want, h.find(text))
			}
		}
		suspected := append(h.find("suspecting member, no acks received"), h.find("member is suspected by another")...)
		if !slices.ContainsFunc(suspected, func(r map[string]string) bool { return r["node"] == "m3" && r["evidence"] != "" }) {
			t.Errorf("suspicions: %v", suspected)
		}
	})
}
