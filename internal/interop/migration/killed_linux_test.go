package migration

import (
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// kills is the number of processes that TestKilled kills in each cluster. docs/experiments.md has the results of 30:
//
//	go test -run TestKilled -kills 30 -timeout 1h -v ./migration
var kills = flag.Int("kills", 2, "the number of processes that TestKilled kills, one after the other")

// manyKills is the least number of kills of which the median says something.
const manyKills = 10

// killedSize is the number of processes in each cluster of TestKilled.
const killedSize = 20

// lanPace is that of DefaultLANConfig of both libraries.
var lanPace = pace{
	Probe:            time.Second,
	ProbeTimeout:     500 * time.Millisecond,
	Gossip:           200 * time.Millisecond,
	PushPull:         30 * time.Second,
	RememberDead:     30 * time.Second,
	Reconnect:        30 * time.Second,
	SuspicionMult:    4,
	SuspicionMaxMult: 6,
	Retransmits:      4,
}

// TestKilled measures the time from the SIGKILL of one of 20 processes, each in a network namespace of its own, until all others
// know of its end. It is of either library in turn.
func TestKilled(t *testing.T) {
	if os.Getenv("REFERENCE_MODFILE") != "" {
		t.Skip("one version of the reference is enough")
	}
	b := build(t)
	all := func(binary string) func(int) string { return func(int) string { return binary } }
	half := func(i int) string {
		if i%2 == 1 {
			return b.theirs
		}
		return b.ours
	}
	for _, tt := range []struct {
		name   string
		grace  time.Duration
		binary func(i int) string
		within time.Duration // the median of many; 0: it is only measured
	}{
		{"reference", 0, all(b.theirs), 0},
		{"half of the reference", 0, half, 6 * time.Second},
		{"half of the reference, no grace", -1, half, 5 * time.Second},
		{"ours", 0, all(b.ours), 4 * time.Second},
		{"ours, no grace", -1, all(b.ours), 2 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if *kills < manyKills && tt.binary(0) == tt.binary(1) {
				t.Skip("it runs with more kills")
			}
			t.Parallel()
			took, others := killSome(t, tt.binary, tt.grace, *kills)
			slices.Sort(took)
			quantile := func(q float64) time.Duration {
				return took[max(0, int(math.Ceil(q*float64(len(took))))-1)].Round(10 * time.Millisecond)
			}
			p50 := quantile(0.5)
			t.Logf("%d killed: known everywhere after p50 %v, p90 %v, max %v; others declared dead: %d", len(took), p50, quantile(0.9), quantile(1), others)
			if len(took) >= manyKills && tt.within > 0 && p50 > tt.within {
				t.Errorf("killed processes are found after %v, want %v", took, tt.within)
			}
		})
	}
}

// killSome starts a cluster, kills one process after the other, and starts each of them again. It returns the times until all
// others knew, and the number of other members that were declared dead, summed over all: on a machine that is busy enough there are some.
func killSome(t *testing.T, binary func(i int) string, grace time.Duration, kills int) (took []time.Duration, others int) {
	t.Helper()
	n := newLab(t, killedSize)
	c := newCluster(t)
	pace := lanPace
	pace.RefusalGrace = grace
	c.pace = &pace
	c.command = func(binary, name string) *exec.Cmd {
		i, _ := strconv.Atoi(name[1:])
		return exec.Command("ip", "netns", "exec", n.namespace(i), binary)
	}
	for i := range killedSize {
		c.agents = append(c.agents, c.start(binary(i), fmt.Sprintf("m%02d", i), n.address(i)+":7946"))
		if i > 0 {
			c.join(c.agents[i], c.agents[0])
		}
	}
	everyone := func(*process) []*process { return c.agents }
	c.see("after the start", everyone)
	time.Sleep(12 * time.Second) // each has measured round trips by then

	for k := range kills {
		i := (1 + 3*k) % killedSize // of either library in turn
		killed, since := c.agents[i], c.mark()
		killed.signal(t, syscall.SIGKILL)
		took = append(took, c.awaitDeath(killed, since))
		<-killed.ended
		killed.cmd.Wait() // it was killed
		c.agents[i] = c.start(binary(i), killed.name, killed.addr)
		c.join(c.agents[i], c.agents[(i+1)%killedSize])
		c.see("after a restart", everyone)
		for _, p := range c.agents {
			events := p.history()[since[p]:] // of the new process: all
			others += count(events, "leave", "") - count(events, "leave", killed.name)
		}
		time.Sleep(2 * time.Second)
	}
	return took, others
}
