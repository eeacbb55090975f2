package migration

import (
	"crypto/rand"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/race"
)

// patience is how long anything may take, on a machine that has other things to do.
const patience = 5 * time.Minute

// size is how many members the cluster has.
const size = 7

// binaries are the agents, by library.
type binaries struct{ ours, theirs string }

// build builds the agent with both libraries.
func build(t *testing.T) binaries {
	t.Helper()
	dir := t.TempDir()
	b := binaries{filepath.Join(dir, "ours"), filepath.Join(dir, "theirs")}
	for path, flags := range map[string][]string{
		b.ours:   raceFlag(),
		b.theirs: {"-tags", "reference"}, // with data races in it, which are not ours to find
	} {
		args := slices.Concat([]string{"build", "-o", path}, modFlag(), flags, []string{"./agent"})
		if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	return b
}

func raceFlag() []string {
	if race.Enabled {
		return []string{"-race"}
	}
	return nil
}

// modFlag has the agent built with the version of the reference that the test was built with, if it says so.
func modFlag() []string {
	if file := os.Getenv("REFERENCE_MODFILE"); file != "" {
		return []string{"-modfile=" + file}
	}
	return nil
}

// TestMigration replaces a cluster of the reference by one of this library, process by process, and back.
func TestMigration(t *testing.T) {
	b := build(t)
	for _, tc := range []struct {
		name     string
		samePort bool
	}{
		{"new port", false},
		{"same port", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := assemble(t, b.theirs)
			for _, binary := range []string{b.ours, b.theirs} {
				for i := range size {
					c.replace(i, binary, tc.samePort)
				}
			}
			for _, p := range c.agents[1:] {
				c.leave(p)
			}
			c.stop(c.agents[0])
			c.logTotals()
		})
	}
}

// cluster is the agents that run, and what is to be true of them.
type cluster struct {
	*testing.T
	key     []byte
	agents  []*process
	changes chan struct{} // one slot: an agent reported something
	command func(binary, name string) *exec.Cmd
	pace    *pace

	meta  map[string]string // of each member
	sent  map[string]int    // how many broadcasts of each process that has left
	steps int
}

func newCluster(t *testing.T) *cluster {
	c := &cluster{T: t, key: make([]byte, 32), changes: make(chan struct{}, 1), meta: make(map[string]string),
		sent: make(map[string]int)}
	c.command = func(binary, _ string) *exec.Cmd { return exec.Command(binary) }
	rand.Read(c.key)
	return c
}

// assemble starts a cluster.
func assemble(t *testing.T, binary string) *cluster {
	t.Helper()
	c := newCluster(t)
	for i := range size {
		c.agents = append(c.agents, c.start(binary, fmt.Sprintf("m%d", i), "127.0.0.1:0"))
		if i > 0 {
			c.agents[i].do(t, request{Do: "join", To: []string{c.agents[0].addr}})
		}
	}
	for _, p := range c.agents {
		p.do(t, request{Do: "flow"})
	}
	c.agree("after the start")
	return c
}

// start starts an agent. If another process has taken its port meanwhile, it waits for that.
func (c *cluster) start(binary, name, bind string) *process {
	c.Helper()
	c.meta[name] = fmt.Sprintf("%s of %s, %d", name, filepath.Base(binary), c.steps)
	deadline := time.Now().Add(patience)
	for {
		p := run(c.T, c.command(binary, name), name, c.changed)
		l, err := p.try(request{Do: "start", Name: name, Bind: bind, Key: c.key, Meta: c.meta[name], Pace: c.pace})
		if err == nil {
			if want := filepath.Base(binary); l.Library != want {
				c.Fatalf("%s says that it is of %q, want %q", name, l.Library, want)
			}
			p.addr = l.Addr
			return p
		}
		if time.Now().After(deadline) || !strings.Contains(err.Error(), "in use") {
			c.Fatal(err)
		}
	}
}

func (c *cluster) changed() {
	select {
	case c.changes <- struct{}{}:
	default:
	}
}

// leave makes an agent leave for good.
func (c *cluster) leave(p *process) {
	c.Helper()
	c.end(p, "leave")
}

// stop ends the last agent: no other one is left to tell.
func (c *cluster) stop(p *process) {
	c.Helper()
	c.end(p, "stop")
}

func (c *cluster) end(p *process, how string) {
	c.Helper()
	l := p.do(c.T, request{Do: how})
	c.sent[fmt.Sprintf("%s-%d", p.name, p.cmd.Process.Pid)] = l.Sent
	p.wait(c.T)
}

// replace replaces an agent, while another one changes its metadata and all broadcast. No agent may see
// another member leave, or the one that is replaced more than once, and nothing may be lost.
func (c *cluster) replace(i int, binary string, samePort bool) {
	c.Helper()
	c.steps++
	old := c.agents[i]
	step := fmt.Sprintf("step %d, %s becomes %s", c.steps, old.name, filepath.Base(binary))
	others := slices.Delete(slices.Clone(c.agents), i, i+1)
	before := make(map[*process]int)
	for _, p := range others {
		before[p] = len(p.history())
	}

	c.leave(old)
	c.await(step+": all see that it left", func() error {
		for _, p := range others {
			if n := count(p.history()[before[p]:], "leave", old.name); n != 1 {
				return fmt.Errorf("%s saw it leave %d times", p.name, n)
			}
		}
		return nil
	})
	// While a member still gossips that the old one left, that may be taken to be about the new one.
	c.quiet(step, others)

	changing := others[c.steps%len(others)]
	c.meta[changing.name] = fmt.Sprintf("%s since step %d", changing.name, c.steps)
	changing.do(c.T, request{Do: "meta", Meta: c.meta[changing.name]})

	bind := "127.0.0.1:0"
	if samePort {
		bind = old.addr
	}
	p := c.start(binary, old.name, bind)
	if samePort && p.addr != old.addr {
		c.Fatalf("%s: at %s, want %s as before", step, p.addr, old.addr)
	}
	c.agents[i] = p
	p.do(c.T, request{Do: "join", To: []string{others[c.steps%len(others)].addr}})
	p.do(c.T, request{Do: "flow"})
	c.agree(step)

	for _, q := range others {
		events := q.history()[before[q]:]
		for _, e := range events {
			if e.What != "update" && e.Name != old.name {
				c.Errorf("%s: %s saw a %s of %s", step, q.name, e.What, e.Name)
			}
		}
		if left, joined := count(events, "leave", old.name), count(events, "join", old.name); left != 1 || joined != 1 {
			c.Errorf("%s: %s saw it leave %d times and join %d times: %v", step, q.name, left, joined, events)
		}
	}
	if n := count(p.history(), "leave", ""); n > 0 {
		c.Errorf("%s: the new one saw %d leave: %v", step, n, p.history())
	}
}

// count counts events, of one member or, if name is empty, of all.
func count(events []event, what, name string) int {
	n := 0
	for _, e := range events {
		if e.What == what && (name == "" || e.Name == name) {
			n++
		}
	}
	return n
}

// quietRounds is in how many packets of gossip in a row, about, an agent must have had nothing to tell of members before what
// it told last has been heard, too, by others that are busy.
const quietRounds = 20

// quiet waits until the agents have nothing more to tell of members.
func (c *cluster) quiet(step string, agents []*process) {
	c.Helper()
	c.reports(agents)
	since := make(map[*process]int)
	for _, p := range agents {
		since[p] = p.last.Quiet
	}
	c.await(step+": they stop talking of it", func() error {
		c.reports(agents)
		for _, p := range agents {
			if p.last.Quiet < since[p]+quietRounds {
				return fmt.Errorf("%s is not quiet", p.name)
			}
		}
		return nil
	})
}

func (c *cluster) reports(agents []*process) {
	c.Helper()
	for _, p := range agents {
		p.last = p.do(c.T, request{Do: "report"})
	}
}

// agree waits until all agents see all members as they are, and have heard all that was broadcast before.
func (c *cluster) agree(step string) {
	c.Helper()
	var want []member
	for _, p := range c.agents {
		want = append(want, member{p.name, p.addr, c.meta[p.name]})
	}
	c.reports(c.agents)
	heard := maps.Clone(c.sent)
	for _, p := range c.agents {
		heard[fmt.Sprintf("%s-%d", p.name, p.cmd.Process.Pid)] = p.last.Sent
	}
	c.await(step+": all agree", func() error {
		c.reports(c.agents)
		for _, p := range c.agents {
			if !slices.Equal(p.last.Members, want) {
				return fmt.Errorf("%s sees %v, want %v", p.name, p.last.Members, want)
			}
			for from, n := range heard {
				if p.last.Heard[from] < n {
					return fmt.Errorf("%s heard %d of %d broadcasts of %s", p.name, p.last.Heard[from], n, from)
				}
			}
			states, err := ask(p.addr, c.key)
			if err != nil {
				return fmt.Errorf("push/pull with %s: %w", p.name, err)
			}
			for name, state := range states {
				if state != 0 {
					return fmt.Errorf("%s has %s in state %d", p.name, name, state)
				}
			}
			if room := c.agents[0].last.Room; p.last.Room < room-checksumSize || p.last.Room > room+checksumSize {
				return fmt.Errorf("%s has room for %d bytes of broadcasts, %s for %d", p.name, p.last.Room, c.agents[0].name, room)
			}
		}
		return nil
	})
}

// checksumSize is what this library counts of a packet and the reference does not.
const checksumSize = 5

// await waits for a condition, which is looked at when an agent reports something, and now and then.
func (c *cluster) await(what string, met func() error) {
	c.Helper()
	ticker, deadline := time.NewTicker(50*time.Millisecond), time.NewTimer(patience)
	defer ticker.Stop()
	defer deadline.Stop()
	for {
		err := met()
		if err == nil {
			return
		}
		select {
		case <-c.changes:
		case <-ticker.C:
		case <-deadline.C:
			c.Fatalf("%s: not so after %v: %v", what, patience, err)
		}
	}
}

func (c *cluster) logTotals() {
	broadcasts := 0
	for _, n := range c.sent {
		broadcasts += n
	}
	c.Logf("%d processes, %d replacements, %d broadcasts, none lost", len(c.sent), c.steps, broadcasts)
}
