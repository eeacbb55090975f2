package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// TestMain makes the test's own executable an agent if the environment says so.
func TestMain(m *testing.M) {
	if os.Getenv("RUN_AGENT") == "" {
		os.Exit(m.Run())
	}
	if err := run(os.Args[1:], slog.New(slog.NewTextHandler(os.Stderr, nil))); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// process is an agent in a process of its own.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	file   string // its configuration
	exited chan error

	mu  sync.Mutex
	log strings.Builder
	at  map[string]string // addresses by server
}

var addressLine = regexp.MustCompile(`msg=(member|HTTP|DNS) addr=(\S+)`)

// startProcess starts an agent and waits until it serves.
func startProcess(t *testing.T, i int, join string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, file: filepath.Join(t.TempDir(), "agent.json"), exited: make(chan error, 1), at: make(map[string]string)}
	p.configure(i, map[string]string{"role": "first"})
	p.cmd = exec.Command(self, "-config", p.file, "-join", join)
	p.cmd.Env = append(os.Environ(), "RUN_AGENT=1")
	output, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go p.read(output)
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.exited
		if t.Failed() {
			t.Logf("agent %d:\n%s", i, p.log.String())
		}
	})
	p.await("the agent serves", func() error {
		for _, server := range []string{"member", "HTTP", "DNS"} {
			if p.addr(server) == "" {
				return fmt.Errorf("no %s", server)
			}
		}
		return nil
	})
	return p
}

// configure writes the configuration of agent i.
func (p *process) configure(i int, tags map[string]string) {
	p.t.Helper()
	host := "127.0.0.1"
	if runtime.GOOS == "linux" { // where all of 127.0.0.0/8 is this machine
		host = fmt.Sprint("127.0.7.", i)
	}
	c := config{
		Name: fmt.Sprint("m", i), Bind: host + ":0", DNS: "127.0.0.1:0", HTTP: "127.0.0.1:0", Domain: "test",
		Services: []service{{"web", uint16(8000 + i)}}, Tags: tags,
	}
	b, err := json.Marshal(c)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(p.file, b, 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// read reads the agent's log until it ends.
func (p *process) read(output io.Reader) {
	for lines := bufio.NewScanner(output); lines.Scan(); {
		p.mu.Lock()
		fmt.Fprintln(&p.log, lines.Text())
		if m := addressLine.FindStringSubmatch(lines.Text()); m != nil {
			p.at[m[1]] = m[2]
		}
		p.mu.Unlock()
	}
	p.exited <- p.cmd.Wait()
	close(p.exited)
}

func (p *process) addr(server string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at[server]
}

// await waits until a condition holds: at most two minutes, as the machine may be busy.
func (p *process) await(what string, condition func() error) {
	p.t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for {
		err := condition()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("not so after two minutes: %s: %v", what, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// get returns the body of a page.
func (p *process) get(path string) (string, error) {
	r, err := http.Get("http://" + p.addr("HTTP") + path)
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if r.StatusCode != http.StatusOK {
		err = errors.Join(err, errors.New(r.Status))
	}
	return string(b), err
}

// query asks the agent's DNS server.
func (p *process) query(network, name string, kind uint16) (*dns.Msg, error) {
	client := dns.Client{Net: network, Timeout: 10 * time.Second}
	m, _, err := client.Exchange(new(dns.Msg).SetQuestion(name, kind).SetEdns0(1232, false), p.addr("DNS"))
	return m, err
}

// knows waits until the agent answers with members and with none else, in every way.
func (p *process) knows(members ...int) {
	p.t.Helper()
	var names, targets []string
	for _, i := range members {
		names = append(names, fmt.Sprint("m", i))
		targets = append(targets, fmt.Sprintf("SRV 1 1 %d m%d.node.test.", 8000+i, i))
	}
	p.await(fmt.Sprint("the API answers with ", members), func() error {
		body, err := p.get("/v1/members")
		if err != nil {
			return err
		}
		var found []instance
		if err := json.Unmarshal([]byte(body), &found); err != nil {
			return err
		}
		var got []string
		for _, i := range found {
			got = append(got, i.Name)
		}
		if strings.Join(got, " ") != strings.Join(names, " ") {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
	for _, network := range []string{"udp", "tcp"} {
		m, err := p.query(network, "web.service.test.", dns.TypeSRV)
		if err != nil {
			p.t.Fatal(err)
		}
		if got, want := short(m.Answer), strings.Join(targets, ", "); got != want {
			p.t.Errorf("DNS over %s answers %s, want %s", network, got, want)
		}
	}
	page, err := p.get("/?format=json")
	if err != nil {
		p.t.Fatal(err)
	}
	if n := strings.Count(page, `"state":"alive"`); n != len(members) {
		p.t.Errorf("the page shows %d members that are alive, want %d", n, len(members))
	}
	metrics, err := p.get("/metrics")
	if err != nil {
		p.t.Fatal(err)
	}
	if want := fmt.Sprintf("memberlist_members{state=\"alive\"} %d\n", len(members)); !strings.Contains(metrics, want) {
		p.t.Errorf("the metrics do not have %s", want)
	}
}

// TestAgents: five agents find each other's services; one is reconfigured, one is killed and one leaves.
func TestAgents(t *testing.T) {
	first := startProcess(t, 1, "")
	agents := []*process{first}
	for i := 2; i <= 5; i++ {
		agents = append(agents, startProcess(t, i, first.addr("member")))
	}
	for _, a := range agents {
		a.knows(1, 2, 3, 4, 5)
	}

	if page, err := first.get("/"); err != nil || !strings.Contains(page, "web:8003 role=first") {
		t.Errorf("the page does not show the services of m3: %v", err)
	}
	agents[1].configure(2, map[string]string{"role": "second"})
	if err := agents[1].cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	agents[3].await("the new tags are known", func() error {
		m, err := agents[3].query("udp", "m2.node.test.", dns.TypeTXT)
		if err != nil {
			return err
		}
		if got := short(m.Answer); got != `TXT "role=second"` {
			return errors.New(got)
		}
		return nil
	})

	if err := agents[4].cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for _, a := range agents[:4] {
		a.knows(1, 2, 3, 4)
	}
	first.await("the name of a killed agent is gone", func() error { // until then it may be suspected only
		m, err := first.query("udp", "m5.node.test.", dns.TypeA)
		if err == nil && m.Rcode != dns.RcodeNameError {
			err = errors.New(short(m.Answer))
		}
		return err
	})

	if err := agents[3].cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-agents[3].exited; err != nil {
		t.Errorf("an agent that was asked to leave: %v", err)
	}
	for _, a := range agents[:3] {
		a.knows(1, 2, 3)
	}
	if metrics, err := first.get("/metrics"); err != nil || !strings.Contains(metrics, `memberlist_events_total{kind="leave"} 1`) {
		t.Errorf("the metrics do not have the leave: %v", err)
	}
	if _, err := first.get("/v1/services/none"); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("an unknown service: %v", err)
	}
	if body, err := first.get("/v1/services"); err != nil || body != "{\"web\":3}\n" {
		t.Errorf("services: %s, %v", body, err)
	}
}
