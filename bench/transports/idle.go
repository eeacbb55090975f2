package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// idleResult is what members of an idle cluster take, each.
type idleResult struct {
	kind        kind
	cpu         float64 // ms a minute
	connections float64 // for packets, both directions
	memory      float64 // resident bytes
}

// measureIdle measures clusters of each kind, one after the other.
func measureIdle(s *settings, dir string) (results []idleResult, err error) {
	for _, k := range []kind{udp, tcp, tcpTLS} {
		r, err := measureCluster(s, k, dir)
		if err != nil {
			return nil, fmt.Errorf("%s, idle: %w", k, err)
		}
		fmt.Fprintf(os.Stderr, "%+v\n", r)
		results = append(results, r)
	}
	return results, nil
}

func measureCluster(s *settings, k kind, dir string) (r idleResult, err error) {
	var c cluster
	defer func() {
		if endErr := c.end(); err == nil {
			err = endErr
		}
	}()
	for left := s.members; left > 0; left -= s.process {
		if err := c.start(k, dir, min(left, s.process)); err != nil {
			return r, err
		}
	}
	for _, p := range c.processes { // one after the other, as the machine is shared by all
		if err := p.say("join " + c.addrs[0]); err != nil {
			return r, err
		}
	}
	if err := c.await(s.members); err != nil {
		return r, err
	}
	for _, addr := range c.addrs {
		for _, p := range c.processes {
			if err := p.say("greet " + addr); err != nil {
				return r, err
			}
		}
	}
	r.kind = k
	if r.cpu, err = c.watch(s); err != nil {
		return r, err
	}
	total, err := c.usage()
	r.connections, r.memory = float64(total.connections)/float64(s.members), float64(total.memory)/float64(s.members)
	return r, err
}

// cluster is processes with some members each.
type cluster struct {
	processes []*process
	addrs     []string // of all members
}

// process is a child process.
type process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// start starts a process with n members.
func (c *cluster) start(k kind, dir string, n int) error {
	p := &process{cmd: exec.Command(os.Args[0])}
	p.cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d|%s|%s", processEnv, n, dir, k))
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return err
	}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	p.out = bufio.NewReader(out)
	c.processes = append(c.processes, p)
	line, err := p.out.ReadString('\n')
	c.addrs = append(c.addrs, strings.Fields(line)...)
	return err
}

// say makes a process do something, and waits for it.
func (p *process) say(line string) error {
	if _, err := fmt.Fprintln(p.in, line); err != nil {
		return err
	}
	answer, err := p.out.ReadString('\n')
	if err == nil && answer != "ok\n" {
		err = fmt.Errorf("%s: it answers %q", line, answer)
	}
	return err
}

// usage is what processes have used so far.
type usage struct {
	cpu         time.Duration
	memory      int64
	connections int
	least, most int // members that a member knows
}

// usage returns the usage of all processes.
func (c *cluster) usage() (total usage, err error) {
	for _, p := range c.processes {
		if _, err := fmt.Fprintln(p.in, "usage"); err != nil {
			return total, err
		}
		var u usage
		if _, err := fmt.Fscanln(p.out, &u.cpu, &u.memory, &u.connections, &u.least, &u.most); err != nil {
			return total, err
		}
		if total.least == 0 || u.least < total.least {
			total.least = u.least
		}
		total.cpu, total.memory, total.connections, total.most = total.cpu+u.cpu, total.memory+u.memory, total.connections+u.connections, max(total.most, u.most)
	}
	return total, nil
}

// await waits until all members know n.
func (c *cluster) await(n int) error {
	for end := time.Now().Add(5 * time.Minute); ; time.Sleep(500 * time.Millisecond) {
		u, err := c.usage()
		if err != nil {
			return err
		}
		if u.least == n && u.most == n {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("members know %d to %d others, want %d", u.least, u.most, n)
		}
	}
}

// watch returns the CPU time of a member, in ms a minute, once the cluster has come to rest.
func (c *cluster) watch(s *settings) (float64, error) {
	time.Sleep(s.window / 2)
	before, err := c.usage()
	if err != nil {
		return 0, err
	}
	time.Sleep(s.window)
	after, err := c.usage()
	return float64((after.cpu - before.cpu).Microseconds()) / 1000 / float64(s.members) / s.window.Minutes(), err
}

// end ends all processes.
func (c *cluster) end() (err error) {
	for _, p := range c.processes {
		p.in.Close()
	}
	for _, p := range c.processes {
		if waitErr := p.cmd.Wait(); err == nil {
			err = waitErr
		}
	}
	return err
}

// idleTable returns a table of the results. The first one is what the others are compared with.
func idleTable(results []idleResult, members int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| an idle member of %d | CPU a minute | against UDP | connections | memory |\n", members)
	b.WriteString("| --- | ---: | ---: | ---: | ---: |\n")
	for _, r := range results {
		fmt.Fprintf(&b, "| %s | %.3g ms | %.2gx | %.0f | %.3g MB |\n", r.kind, r.cpu, ratio(r.cpu, results[0].cpu), r.connections, r.memory/1e6)
	}
	return b.String()
}
