// Code generated from ../suite by go generate; DO NOT EDIT.

package suite

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"
)

// memberEnv, in the environment of a test binary, makes it run one member and nothing else, with or without a
// Delegate.
const memberEnv = "BENCH_MEMBER"

// The values of memberEnv.
const (
	withoutDelegate = "without_delegate"
	withDelegate    = "with_delegate" // without broadcasts
)

func TestMain(m *testing.M) {
	kind := os.Getenv(memberEnv)
	if kind == "" {
		os.Exit(m.Run())
	}
	if err := runMember(kind); err != nil {
		fmt.Fprintln(os.Stderr, "member:", err)
		os.Exit(1)
	}
}

// usage is the cost of a process so far.
type usage struct {
	cpu      time.Duration
	switches int64 // voluntary context switches
}

func (u usage) since(before usage) usage {
	return usage{u.cpu - before.cpu, u.switches - before.switches}
}

// runMember runs one member in a process: it prints its address, joins the address that it reads, and for every
// further line prints the number of known members and its usage. It ends with its input.
func runMember(kind string) error {
	c := memberlist.DefaultLANConfig()
	c.Name = fmt.Sprint("member-", os.Getpid())
	c.BindAddr, c.BindPort, c.AdvertisePort = "127.0.0.1", 0, 0
	c.LogOutput = io.Discard
	if kind == withDelegate {
		c.Delegate = &listener{heard: newCounter()}
	}
	m, err := memberlist.Create(c)
	if err != nil {
		return err
	}
	defer m.Shutdown()
	fmt.Println(m.LocalNode().Address())
	in := bufio.NewScanner(os.Stdin)
	if !in.Scan() {
		return errors.New("nothing to join")
	}
	if _, err := m.Join([]string{in.Text()}); err != nil {
		return err
	}
	for in.Scan() {
		var taken syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &taken); err != nil {
			return err
		}
		fmt.Println(m.NumMembers(), taken.Utime.Nano()+taken.Stime.Nano(), taken.Nvcsw)
	}
	return in.Err()
}

// memberProcess is a process that runs runMember.
type memberProcess struct {
	b    *testing.B
	addr string
	in   io.Writer
	out  *bufio.Reader
}

// startMember starts a process, which ends with the benchmark.
func startMember(b *testing.B, kind string) *memberProcess {
	b.Helper()
	p := &memberProcess{b: b}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), memberEnv+"="+kind)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			b.Error(err)
		}
	})
	p.in, p.out = in, bufio.NewReader(out)
	p.scan(&p.addr)
	return p
}

// say writes a line to the process.
func (p *memberProcess) say(line string) {
	p.b.Helper()
	if _, err := fmt.Fprintln(p.in, line); err != nil {
		p.b.Fatal(err)
	}
}

// scan reads a line from the process.
func (p *memberProcess) scan(into ...any) {
	p.b.Helper()
	if _, err := fmt.Fscanln(p.out, into...); err != nil {
		p.b.Fatal(err)
	}
}

// used returns the usage so far, and the number of known members.
func (p *memberProcess) used() (taken usage, members int) {
	p.b.Helper()
	p.say("")
	p.scan(&members, &taken.cpu, &taken.switches)
	return taken, members
}

// awaitMembers waits until the process knows the given number of members.
func (p *memberProcess) awaitMembers(want int) {
	p.b.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		_, known := p.used()
		if known == want {
			return
		}
		if time.Now().After(end) {
			p.b.Fatalf("a member knows %d, want %d", known, want)
		}
	}
}

// BenchmarkIdleProcess is five processes of one member each on loopback, with the defaults for a LAN and without
// changes.
func BenchmarkIdleProcess(b *testing.B) {
	settle, watch := 8*time.Second, *window
	if testing.Short() {
		settle, watch = 100*time.Millisecond, 200*time.Millisecond
	}
	for _, kind := range []string{withoutDelegate, withDelegate} {
		b.Run(kind, func(b *testing.B) {
			members := make([]*memberProcess, 5)
			for i := range members {
				members[i] = startMember(b, kind)
				members[i].say(members[0].addr)
			}
			time.Sleep(settle)
			for _, p := range members {
				p.awaitMembers(len(members))
			}
			for range b.N {
				before := make([]usage, len(members))
				for i, p := range members {
					before[i], _ = p.used()
				}
				time.Sleep(watch)
				var total usage
				for i, p := range members {
					now, known := p.used()
					if known != len(members) {
						b.Errorf("a member knows %d, want %d", known, len(members))
					}
					taken := now.since(before[i])
					total.cpu, total.switches = total.cpu+taken.cpu, total.switches+taken.switches
				}
				minutes := float64(len(members)) * watch.Minutes()
				b.ReportMetric(float64(total.cpu.Microseconds())/minutes, "cpu-us/node-minute")
				b.ReportMetric(float64(total.switches)/minutes, "switches/node-minute")
			}
		})
	}
}
