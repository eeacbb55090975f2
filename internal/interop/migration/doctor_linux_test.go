package migration

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/e3431adc/memberlist/internal/doctor"
)

// labSize is the number of members in network namespaces; those at even places are of this library. The tool runs in a
// further one.
const labSize = 4

// TestDoctor runs the tool against processes of both libraries in network namespaces, with a fault of the network each.
func TestDoctor(t *testing.T) {
	if os.Getenv("REFERENCE_MODFILE") != "" {
		t.Skip("one version of the reference is enough")
	}
	n := newLab(t, labSize+1)
	c := startInNamespaces(t, n, labSize)
	c.see("after the start", func(*process) []*process { return c.agents })
	tool := n.buildTool(c.key)

	tool.examine("no fault", 0, "-ignore", "implementations")
	tool.find("implementations", "m0, m2")

	// One member of each library, and what its namespace drops.
	for _, member := range []int{2, 1} {
		name := fmt.Sprintf("m%d (%s:7946)", member, n.address(member))
		for _, fault := range []struct{ kind, title, hook, rule string }{
			{"udp", "answers streams and no packets", "type filter hook input priority 0", "meta l4proto udp drop"},
			{"udp", "answers streams and no packets", "type filter hook output priority 0", "meta l4proto udp drop"}, // one way
			{"tcp", "answers packets and no streams", "type filter hook input priority 0", "tcp dport 7946 drop"},
		} {
			n.block(member, fault.hook, fault.rule)
			tool.find(fault.kind, name+" "+fault.title)
			n.unblock(member)
		}
		n.must("ip", "-n", n.namespace(member), "link", "set", "eth0", "mtu", "1000")
		tool.find("mtu", name+" gets no packets of 1400 bytes")
		tool.examine("packets that fit", 0, "-packet-size", "900", "-ignore", "implementations,dead-answers,partly-seen,dead")
		n.must("ip", "-n", n.namespace(member), "link", "set", "eth0", "mtu", "1500")
	}
	for _, p := range c.agents {
		c.stop(p)
	}
}

// lab is some network namespaces, connected by a bridge.
type lab struct {
	*testing.T
	prefix string
	size   int
}

// labs counts the labs of this process.
var labs atomic.Int32

// newLab makes a lab of a number of namespaces.
func newLab(t *testing.T, size int) *lab {
	t.Helper()
	needNamespaces(t)
	n := &lab{T: t, prefix: fmt.Sprintf("mlt%d-d%d-", os.Getpid(), labs.Add(1)), size: size}
	removeAbandoned()
	t.Cleanup(n.remove)
	n.orSkip("ip", "netns", "add", n.bridge())
	n.orSkip("ip", "-n", n.bridge(), "link", "add", "br0", "type", "bridge")
	n.must("ip", "-n", n.bridge(), "link", "set", "br0", "up")
	for i := range size {
		n.must("ip", "netns", "add", n.namespace(i))
		port := "p" + strconv.Itoa(i)
		n.must("ip", "link", "add", port, "netns", n.bridge(), "type", "veth", "peer", "name", "eth0", "netns", n.namespace(i))
		n.must("ip", "-n", n.bridge(), "link", "set", port, "master", "br0", "up")
		n.must("ip", "-n", n.namespace(i), "addr", "add", n.address(i)+"/24", "dev", "eth0")
		n.must("ip", "-n", n.namespace(i), "link", "set", "eth0", "up")
		n.must("ip", "-n", n.namespace(i), "link", "set", "lo", "up")
	}
	n.orSkip("ip", "netns", "exec", n.namespace(0), "nft", "add table inet test; delete table inet test")
	return n
}

func (n *lab) namespace(i int) string { return n.prefix + strconv.Itoa(i) }
func (n *lab) bridge() string         { return n.prefix + "b" }
func (n *lab) address(i int) string   { return fmt.Sprintf("10.78.0.%d", i+1) }

func (n *lab) must(name string, args ...string) {
	n.Helper()
	if out, err := tool(name, args...); err != nil {
		n.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
}

// orSkip skips the test if the kernel cannot do something.
func (n *lab) orSkip(name string, args ...string) {
	n.Helper()
	if out, err := tool(name, args...); err != nil {
		n.Skipf("not possible here: %s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
}

// block makes the namespace of a member drop packets.
func (n *lab) block(i int, hook, rule string) {
	n.Helper()
	n.must("ip", "netns", "exec", n.namespace(i), "nft",
		"add table inet fault; add chain inet fault only { "+hook+"; }; add rule inet fault only "+rule)
}

func (n *lab) unblock(i int) {
	n.Helper()
	n.must("ip", "netns", "exec", n.namespace(i), "nft", "delete table inet fault")
}

func (n *lab) remove() {
	for i := range n.size {
		tool("ip", "netns", "del", n.namespace(i))
	}
	tool("ip", "netns", "del", n.bridge())
}

// labTool is the program cmd/memberlist in a namespace of its own.
type labTool struct {
	*lab
	binary, keys string
}

func (n *lab) buildTool(key []byte) *labTool {
	n.Helper()
	dir := n.TempDir()
	tool := &labTool{lab: n, binary: filepath.Join(dir, "memberlist"), keys: filepath.Join(dir, "keys")}
	if err := os.WriteFile(tool.keys, []byte(hex.EncodeToString(key)+"\n"), 0o600); err != nil {
		n.Fatal(err)
	}
	out, err := exec.Command("go", "build", "-o", tool.binary, "github.com/e3431adc/memberlist/cmd/memberlist").CombinedOutput()
	if err != nil {
		n.Fatalf("go build: %v\n%s", err, out)
	}
	return tool
}

// examine runs "memberlist doctor", which must exit with a status.
func (p *labTool) examine(what string, status int, flags ...string) doctor.Report {
	p.Helper()
	args := append([]string{"netns", "exec", p.namespace(labSize), p.binary, "doctor", "-json", "-timeout", "10s", "-key-file", p.keys}, flags...)
	cmd := exec.Command("ip", append(args, p.address(0))...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if got := cmd.ProcessState.ExitCode(); got != status || err != nil && !errors.As(err, &exit) {
		p.Errorf("%s: exit status %d, want %d: %v\n%s%s", what, got, status, err, &stdout, &stderr)
	}
	var r doctor.Report
	if err := json.Unmarshal(stdout.Bytes(), &r); err != nil {
		p.Fatalf("%s: %v: %s%s", what, err, &stdout, &stderr)
	}
	return r
}

// find fails unless the tool reports a finding of a kind with a text.
func (p *labTool) find(kind, text string) {
	p.Helper()
	r := p.examine(kind, 1)
	for _, f := range r.Findings {
		p.Logf("%v %s: %s", f.Severity, f.Kind, f.Title)
		if f.Kind == kind && strings.Contains(f.Title+fmt.Sprint(f.Details), text) {
			return
		}
	}
	p.Errorf("no finding %q with %q", kind, text)
}
