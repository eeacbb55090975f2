package migration

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"
)

// The lines of the agent: see there.
type (
	request struct {
		Do   string
		Name string   `json:",omitempty"`
		Bind string   `json:",omitempty"`
		Key  []byte   `json:",omitempty"`
		Meta string   `json:",omitempty"`
		To   []string `json:",omitempty"`
		Pace *pace    `json:",omitempty"`
	}

	pace struct {
		Probe, ProbeTimeout, Gossip, PushPull, RememberDead time.Duration
		Reconnect, RefusalGrace, SilenceTimeout             time.Duration
		SuspicionMult, SuspicionMaxMult, Retransmits        int
	}

	member struct{ Name, Addr, Meta string }

	event struct {
		What string
		member
	}

	line struct {
		Reply, Error  string
		Event         *event
		Library, Addr string
		Members       []member
		Heard         map[string]int
		Sent          int
		Quiet, Room   int
	}
)

// process is an agent that runs.
type process struct {
	name    string
	cmd     *exec.Cmd
	in      io.WriteCloser
	replies chan line     // of the one request that is under way
	ended   chan struct{} // closed when it has
	changed func()        // called when it reported something

	addr string
	last line // the latest report

	mu     sync.Mutex
	events []event
}

// run runs an agent.
func run(t *testing.T, cmd *exec.Cmd, name string, changed func()) *process {
	t.Helper()
	p := &process{name: name, cmd: cmd, replies: make(chan line), ended: make(chan struct{}), changed: changed}
	p.cmd.Stderr = os.Stderr
	in, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.in = in
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go p.read(out) // ends with the process
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		in.Close()
		for {
			select {
			case <-p.replies:
			case <-p.ended:
				return
			}
		}
	})
	return p
}

func (p *process) read(out io.Reader) {
	defer close(p.ended)
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var l line
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			l = line{Error: fmt.Sprintf("%v: %s", err, lines.Bytes())}
		}
		if l.Event == nil {
			p.replies <- l
			continue
		}
		p.mu.Lock()
		p.events = append(p.events, *l.Event)
		p.mu.Unlock()
		p.changed()
	}
}

// try makes the agent do something, and returns its reply.
func (p *process) try(r request) (line, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return line{}, err
	}
	if _, err := p.in.Write(append(b, '\n')); err != nil {
		return line{}, fmt.Errorf("%s: %s: %w", p.name, r.Do, err)
	}
	select {
	case l := <-p.replies:
		if l.Error != "" {
			return l, fmt.Errorf("%s: %s: %s", p.name, r.Do, l.Error)
		}
		return l, nil
	case <-p.ended:
		return line{}, fmt.Errorf("%s: %s: the agent has ended", p.name, r.Do)
	case <-time.After(patience):
		return line{}, fmt.Errorf("%s: %s: no reply", p.name, r.Do)
	}
}

func (p *process) do(t *testing.T, r request) line {
	t.Helper()
	l, err := p.try(r)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// wait waits for the process to end well, which with the race detector also means without a race.
func (p *process) wait(t *testing.T) {
	t.Helper()
	<-p.ended
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("%s: %v", p.name, err)
	}
}

// history returns the events of members that the agent has reported so far.
func (p *process) history() []event {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.events)
}
