package migration

import (
	"errors"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// endedPace makes refusals, which count after 10 s, and suspicions, which last for a minute at least, easy to tell apart, also on a busy
// machine.
var endedPace = pace{
	Probe:            time.Second,
	ProbeTimeout:     500 * time.Millisecond,
	Gossip:           100 * time.Millisecond,
	PushPull:         time.Minute,
	RememberDead:     30 * time.Second,
	Reconnect:        time.Minute,
	RefusalGrace:     10 * time.Second,
	SuspicionMult:    60,
	SuspicionMaxMult: 3,
	Retransmits:      8,
}

// leastSuspicion is the time that a suspicion lasts unless it ends early.
const leastSuspicion = time.Minute

// awaitDeath waits until all others have a process for dead, and returns how long that took.
func (c *cluster) awaitDeath(p *process, since map[*process]int) time.Duration {
	c.Helper()
	began := time.Now()
	c.await(p.name+" is found dead", func() error {
		for _, other := range c.agents {
			if other != p && count(other.history()[since[other]:], "leave", p.name) == 0 {
				return fmt.Errorf("%s does not know", other.name)
			}
		}
		return nil
	})
	return time.Since(began)
}

// without removes a process that has ended.
func (c *cluster) without(p *process) {
	c.agents = slices.DeleteFunc(c.agents, func(other *process) bool { return other == p })
}

// TestEnded: a process that was killed, or has ended without leaving, is found in less time than a suspicion lasts, one that
// is stopped by SIGSTOP is not, and neither is one that starts again within the grace. Members of the reference among them receive
// the verdict too.
func TestEnded(t *testing.T) {
	b := build(t)
	for _, tt := range []struct {
		name   string
		theirs int // the last members
	}{{"ours", 0}, {"with the reference", 2}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.pace = &endedPace
			for i := range 8 {
				binary := b.ours
				if i >= 8-tt.theirs {
					binary = b.theirs
				}
				c.agents = append(c.agents, c.start(binary, fmt.Sprintf("m%d", i), "127.0.0.1:0"))
				if i > 0 {
					c.agents[i].do(t, request{Do: "join", To: []string{c.agents[0].addr}})
				}
			}
			c.see("after the start", func(*process) []*process { return c.agents })

			since := c.mark()
			stopped := c.agents[1]
			stopped.signal(t, syscall.SIGSTOP)
			time.Sleep(8 * time.Second)
			stopped.signal(t, syscall.SIGCONT)
			c.see("after SIGSTOP", func(*process) []*process { return c.agents })
			c.lost("while one was stopped", since, func(*process) []*process { return nil })

			restarted := c.agents[2]
			restarted.signal(t, syscall.SIGKILL)
			<-restarted.ended
			restarted.cmd.Wait() // it was killed
			c.agents[2] = c.start(b.ours, restarted.name, restarted.addr)
			c.join(c.agents[2], c.agents[0])
			since[c.agents[2]] = 0
			time.Sleep(endedPace.RefusalGrace + 3*time.Second)
			c.lost("after a restart", since, func(*process) []*process { return nil })

			for name, end := range map[string]func(p *process){
				"SIGKILL": func(p *process) { p.signal(t, syscall.SIGKILL) },
				"an exit": func(p *process) { p.do(t, request{Do: "stop"}) },
			} {
				since, p := c.mark(), c.agents[3]
				end(p)
				took := c.awaitDeath(p, since)
				t.Logf("%s: all know after %v", name, took.Round(time.Second/10))
				if took > leastSuspicion {
					t.Errorf("%s was found after %v, want less than a suspicion lasts", name, took)
				}
				c.without(p)
			}
		})
	}
}

// startEnded starts a cluster of processes of this library on loopback.
func startEnded(t *testing.T, size int, silence time.Duration) *cluster {
	t.Helper()
	b := build(t)
	c := newCluster(t)
	pace := endedPace
	pace.SilenceTimeout = silence
	c.pace = &pace
	for i := range size {
		c.agents = append(c.agents, c.start(b.ours, fmt.Sprintf("m%d", i), "127.0.0.1:0"))
		if i > 0 {
			c.join(c.agents[i], c.agents[0])
		}
	}
	c.see("after the start", func(*process) []*process { return c.agents })
	return c
}

// TestListenerGone: a process whose host refuses streams, but which answers packets, is not dead. Once it has ended it is, in less
// time than a suspicion lasts.
func TestListenerGone(t *testing.T) {
	t.Parallel()
	c := startEnded(t, 6, 0)
	since, deaf := c.mark(), c.agents[1]
	deaf.do(t, request{Do: "deafen"})
	if conn, err := net.Dial("tcp", deaf.addr); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("dial a process without a listener: %v, %v", conn, err)
	}
	time.Sleep(endedPace.RefusalGrace + 5*time.Second)
	c.lost("without a listener", since, func(*process) []*process { return nil })
	c.see("without a listener", func(*process) []*process { return c.agents })

	deaf.signal(t, syscall.SIGKILL)
	if took := c.awaitDeath(deaf, since); took > leastSuspicion {
		t.Errorf("its end was found after %v, want less than a suspicion lasts", took)
	}
}

// TestFullAcceptQueue: the kernel opens streams to a process that is stopped until its accept queue is full. Then it is as silent as a
// host that is gone, as streams are neither opened nor refused: it has the time of a suspicion, or the SilenceTimeout.
func TestFullAcceptQueue(t *testing.T) {
	for _, tt := range []struct {
		name    string
		full    bool
		silence time.Duration
		dead    bool
	}{
		{"full", true, 0, false},
		{"full, SilenceTimeout", true, 5 * time.Second, true},
		{"SilenceTimeout", false, 5 * time.Second, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := startEnded(t, 6, tt.silence)
			since, stopped := c.mark(), c.agents[1]
			if tt.full {
				stopped.do(t, request{Do: "shorten"})
			}
			stopped.signal(t, syscall.SIGSTOP)
			if tt.full {
				fillQueue(t, stopped.addr)
			}
			if tt.dead {
				if took := c.awaitDeath(stopped, since); took > leastSuspicion {
					t.Errorf("it was found dead after %v, want less than a suspicion lasts", took)
				}
				return
			}
			time.Sleep(endedPace.RefusalGrace + 5*time.Second)
			stopped.signal(t, syscall.SIGCONT)
			c.see("after SIGCONT", func(*process) []*process { return c.agents })
			c.lost("while one was stopped", since, func(*process) []*process { return nil })
		})
	}
}

// fillQueue opens connections to a process that is stopped until no more are opened.
func fillQueue(t *testing.T, addr string) {
	t.Helper()
	for {
		conn, err := net.DialTimeout("tcp", addr, time.Second/2)
		var failed net.Error
		switch {
		case err == nil:
			t.Cleanup(func() { conn.Close() })
		case errors.As(err, &failed) && failed.Timeout():
			return
		default:
			t.Fatal(err)
		}
	}
}

// TestRejected: a firewall that rejects streams to a member, and drops packets, is no end of its process while others reach it.
func TestRejected(t *testing.T) {
	n := newNetwork(t)
	b := build(t)
	c := newCluster(t)
	c.pace = &endedPace
	c.command = func(binary, name string) *exec.Cmd {
		i, _ := strconv.Atoi(name[1:])
		return exec.Command("ip", "netns", "exec", n.namespace(i), binary)
	}
	for i := range networkSize {
		c.agents = append(c.agents, c.start(b.ours, fmt.Sprintf("m%d", i), n.address(i)+":7946"))
		if i > 0 {
			c.join(c.agents[i], c.agents[0])
		}
	}
	c.see("after the start", func(*process) []*process { return c.agents })
	since := c.mark()
	if out, err := n.nft(1, fmt.Sprintf("table inet firewall { chain out { type filter hook output priority 0; ip daddr %s tcp dport 7946 reject with tcp reset; ip daddr %s udp dport 7946 drop; }\n}\n",
		n.address(0), n.address(0))); err != nil {
		t.Skip(out)
	}
	time.Sleep(endedPace.RefusalGrace + 5*time.Second)
	c.lost("behind a firewall that rejects", since, func(*process) []*process { return nil })
}
