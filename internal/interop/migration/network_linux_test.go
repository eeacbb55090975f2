package migration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What the network does to every packet.
const (
	networkLoss   = 5 // percent
	networkDelay  = 20 * time.Millisecond
	networkJitter = 20 * time.Millisecond // around the delay
)

// networkSize is how many processes there are; those at even places are of this library.
const networkSize = 8

// networkPace has a failure found in some 10 s, by processes that share a busy machine.
var networkPace = pace{
	Probe:            500 * time.Millisecond,
	ProbeTimeout:     250 * time.Millisecond,
	Gossip:           100 * time.Millisecond,
	PushPull:         3 * time.Second,
	RememberDead:     time.Second, // less than the partition lasts
	Reconnect:        5 * time.Second,
	SuspicionMult:    8, // 4 s at the least
	SuspicionMaxMult: 2,
	Retransmits:      4,
}

// namespaces are network namespaces, one for each of some processes.
type namespaces interface {
	namespace(i int) string
	address(i int) string
}

// startInNamespaces starts a cluster with a process in each namespace; those at even places are of this library.
func startInNamespaces(t *testing.T, n namespaces, size int) *cluster {
	t.Helper()
	b := build(t)
	c := newCluster(t)
	c.pace = &networkPace
	c.command = func(binary, name string) *exec.Cmd {
		i, _ := strconv.Atoi(name[1:])
		return exec.Command("ip", "netns", "exec", n.namespace(i), binary)
	}
	for i := range size {
		binary := b.ours
		if i%2 == 1 {
			binary = b.theirs
		}
		c.agents = append(c.agents, c.start(binary, fmt.Sprintf("m%d", i), n.address(i)+":7946"))
		if i > 0 {
			c.join(c.agents[i], c.agents[0])
		}
	}
	return c
}

// TestNetwork runs both libraries in network namespaces, over links that lose and delay packets: a partition and its heal,
// and processes that are stopped and go on. No member may take another for dead from which it was not cut off. The partition outlasts
// the time for which the dead are remembered, and no agent joins again: the members of this library reconnect the two sides.
func TestNetwork(t *testing.T) {
	if os.Getenv("REFERENCE_MODFILE") != "" {
		t.Skip("one version of the reference is enough")
	}
	n := newNetwork(t)
	c := startInNamespaces(t, n, networkSize)
	everyone := func(*process) []*process { return c.agents }
	nobody := func(*process) []*process { return nil }
	c.see("after the start", everyone)
	since := c.mark()

	c.quiet("after the start", c.agents)
	c.lost("while nothing is wrong", since, nobody)

	left, right := c.agents[:networkSize/2], c.agents[networkSize/2:]
	side := func(p *process) []*process {
		if slices.Contains(left, p) {
			return left
		}
		return right
	}
	other := func(p *process) []*process {
		if slices.Contains(left, p) {
			return right
		}
		return left
	}
	began := time.Now()
	n.partition()
	c.see("in the partition", side)
	c.quiet("in the partition", c.agents)
	c.Logf("the partition was seen by all after %v", time.Since(began).Round(time.Second/10))
	c.lost("in the partition", since, other)

	since, began = c.mark(), time.Now()
	n.heal()
	c.see("after the partition", everyone)
	c.quiet("after the partition", c.agents)
	c.Logf("its end was seen by all after %v", time.Since(began).Round(time.Second/10))
	c.lost("after the partition", since, nobody)

	since, began = c.mark(), time.Now()
	stopped := []*process{c.agents[2], c.agents[5]} // one of each library
	var running []*process
	for _, p := range c.agents {
		if !slices.Contains(stopped, p) {
			running = append(running, p)
		}
	}
	for _, p := range stopped {
		p.signal(t, syscall.SIGSTOP)
	}
	c.seeAmong("without those that are stopped", running, func(*process) []*process { return running })
	c.Logf("two stopped processes were seen by all after %v", time.Since(began).Round(time.Second/10))
	began = time.Now()
	for _, p := range stopped {
		p.signal(t, syscall.SIGCONT)
	}
	c.see("when they are back", everyone)
	c.Logf("their return was seen by all after %v", time.Since(began).Round(time.Second/10))
	c.lost("while two are stopped", since, func(*process) []*process { return stopped })

	for _, p := range c.agents {
		c.stop(p)
	}
	n.report()
}

// join has an agent join another. On a network that loses packets, that may take more than one attempt.
func (c *cluster) join(p, to *process) {
	c.Helper()
	c.await(fmt.Sprintf("%s joins %s", p.name, to.name), func() error {
		_, err := p.try(request{Do: "join", To: []string{to.addr}})
		return err
	})
}

// see waits until every agent sees those members that it should.
func (c *cluster) see(step string, who func(*process) []*process) {
	c.Helper()
	c.seeAmong(step, c.agents, who)
}

func (c *cluster) seeAmong(step string, agents []*process, who func(*process) []*process) {
	c.Helper()
	c.await(step, func() error {
		c.reports(agents)
		for _, p := range agents {
			var want []member
			for _, q := range who(p) {
				want = append(want, member{q.name, q.addr, c.meta[q.name]})
			}
			if !slices.Equal(p.last.Members, want) {
				return fmt.Errorf("%s sees %v, want %v", p.name, p.last.Members, want)
			}
		}
		return nil
	})
}

// mark is where each agent's history ends.
func (c *cluster) mark() map[*process]int {
	since := make(map[*process]int)
	for _, p := range c.agents {
		since[p] = len(p.history())
	}
	return since
}

// lost fails if an agent took a member for dead since a mark that it must not.
func (c *cluster) lost(step string, since map[*process]int, may func(*process) []*process) {
	c.Helper()
	for _, p := range c.agents {
		for _, e := range p.history()[since[p]:] {
			isMember := func(q *process) bool { return q.name == e.Name }
			if e.What == "leave" && !slices.ContainsFunc(may(p), isMember) {
				c.Errorf("%s: %s took %s for dead", step, p.name, e.Name)
			}
		}
	}
}

func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// network is one network namespace for each process, connected by veth pairs to a switch: a bridge with netem on the links,
// or, where the kernel has no netem, a relay in this process that does the same.
type network struct {
	*testing.T
	prefix string
	relay  *relay // nil: there is a bridge
}

// needNamespaces skips the test where network namespaces cannot be made.
func needNamespaces(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("making network namespaces needs root")
	}
	for _, tool := range []string{"ip", "nft"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs iproute2 and nftables: %v", err)
		}
	}
}

func newNetwork(t *testing.T) *network {
	t.Helper()
	needNamespaces(t)
	n := &network{T: t, prefix: fmt.Sprintf("mlt%d-", os.Getpid())}
	removeAbandoned()
	t.Cleanup(n.remove)
	for i := range networkSize {
		if out, err := tool("ip", "netns", "add", n.namespace(i)); err != nil {
			t.Skipf("no network namespaces here: %v: %s", err, out)
		}
		n.must("ip", "link", "add", n.port(i), "type", "veth", "peer", "name", "eth0", "netns", n.namespace(i))
		n.must("ip", "-n", n.namespace(i), "addr", "add", n.address(i)+"/24", "dev", "eth0")
		n.must("ip", "-n", n.namespace(i), "link", "set", "eth0", "up")
		n.must("ip", "-n", n.namespace(i), "link", "set", "lo", "up")
	}
	if out, err := n.nft(0, "add table inet test; delete table inet test"); err != nil {
		t.Skipf("no nftables here: %v: %s", err, out)
	}
	if !n.bridge() {
		var ports []string
		for i := range networkSize {
			n.must("ip", "link", "set", n.port(i), "up")
			ports = append(ports, n.port(i))
		}
		n.relay = newRelay(t, ports)
	}
	return n
}

func (n *network) namespace(i int) string { return n.prefix + strconv.Itoa(i) }
func (n *network) switchSpace() string    { return n.prefix + "switch" }
func (n *network) port(i int) string      { return n.prefix + "p" + strconv.Itoa(i) } // the switch's end of a link
func (n *network) address(i int) string   { return fmt.Sprintf("10.77.0.%d", i+1) }

func tool(name string, args ...string) (string, error) {
	out, err := exec.Command(name, args...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (n *network) must(name string, args ...string) {
	n.Helper()
	if out, err := tool(name, args...); err != nil {
		n.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
}

// bridge connects the links by a bridge, with netem on the members' ends, and reports whether the kernel has that.
func (n *network) bridge() bool {
	n.Helper()
	delay, jitter := fmt.Sprint(networkDelay.Milliseconds(), "ms"), fmt.Sprint(networkJitter.Milliseconds(), "ms")
	for i := range networkSize {
		out, err := tool("tc", "-n", n.namespace(i), "qdisc", "add", "dev", "eth0", "root", "netem", "limit", "10000",
			"delay", delay, jitter, "loss", fmt.Sprint(networkLoss, "%"))
		if err != nil {
			n.Logf("no netem (%v: %s): packets are lost and delayed by a relay", err, out)
			return false
		}
	}
	n.must("ip", "netns", "add", n.switchSpace())
	n.must("ip", "-n", n.switchSpace(), "link", "add", "br0", "type", "bridge")
	n.must("ip", "-n", n.switchSpace(), "link", "set", "br0", "up")
	for i := range networkSize {
		n.must("ip", "link", "set", n.port(i), "netns", n.switchSpace())
		n.must("ip", "-n", n.switchSpace(), "link", "set", n.port(i), "master", "br0", "up")
	}
	return true
}

// nft changes the firewall of a member.
func (n *network) nft(i int, rules string) (string, error) {
	cmd := exec.Command("ip", "netns", "exec", n.namespace(i), "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(rules)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// partition cuts the first half of the members off from the second.
func (n *network) partition() {
	n.Helper()
	for i := range networkSize {
		var others []string
		for j := range networkSize {
			if (i < networkSize/2) != (j < networkSize/2) {
				others = append(others, n.address(j))
			}
		}
		rules := fmt.Sprintf(`table inet cut {
			chain in {
				type filter hook input priority 0; policy accept;
				ip saddr { %s } counter drop
			}
		}`, strings.Join(others, ", "))
		if out, err := n.nft(i, rules); err != nil {
			n.Fatalf("nft: %v: %s", err, out)
		}
	}
}

// heal ends the partition, and fails if it kept nothing back.
func (n *network) heal() {
	n.Helper()
	for i := range networkSize {
		if out, err := tool("ip", "netns", "exec", n.namespace(i), "nft", "list", "table", "inet", "cut"); err != nil ||
			strings.Contains(out, "counter packets 0 ") {
			n.Errorf("the partition kept nothing from member %d: %v: %s", i, err, out)
		}
		if out, err := n.nft(i, "delete table inet cut\n"); err != nil {
			n.Fatalf("nft: %v: %s", err, out)
		}
	}
}

// report says what the network did.
func (n *network) report() {
	n.Helper()
	if n.relay != nil {
		n.relay.report(n.T)
		return
	}
	out, err := tool("tc", "-s", "-n", n.namespace(0), "qdisc", "show", "dev", "eth0")
	n.Logf("netem of one link: %s %v", strings.Join(strings.Fields(out), " "), err)
}

// remove removes all of it. What is in a namespace goes with it.
func (n *network) remove() {
	if n.relay != nil {
		n.relay.stop()
	}
	for i := range networkSize {
		tool("ip", "link", "del", n.port(i))
		tool("ip", "netns", "del", n.namespace(i))
	}
	tool("ip", "netns", "del", n.switchSpace())
}

// removeAbandoned removes the namespaces of tests that were killed.
func removeAbandoned() {
	spaces, _ := filepath.Glob("/run/netns/mlt*-*")
	for _, path := range spaces {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(path), "mlt"), "-")
		if _, err := os.Stat("/proc/" + pid); err != nil {
			tool("ip", "netns", "del", filepath.Base(path))
		}
	}
}
