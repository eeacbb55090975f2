package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// agent is a process of Serf.
type agent struct {
	name  string
	ports ports
	log   *journal
	list  *list
	cmd   *exec.Cmd
	done  chan struct{} // closed when the process has ended
	err   error         // its result; read after done
}

// startAgent starts an agent, which ends when the context does, or before.
func startAgent(ctx context.Context, binary, dir, name string, at ports, args ...string) (*agent, error) {
	a := &agent{name: name, ports: at, log: new(journal), list: &list{addr: at.rpcAddr()},
		done: make(chan struct{})}
	a.cmd = exec.CommandContext(ctx, binary, append([]string{"agent",
		"-node=" + name, "-bind=" + at.gossipAddr(), "-rpc-addr=" + at.rpcAddr()}, args...)...)
	a.cmd.Dir = dir
	a.cmd.Stdout, a.cmd.Stderr = a.log, a.log
	// In a process group of its own: the harness handles an interrupt at the terminal.
	a.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := a.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(a.done)
		a.err = a.cmd.Wait()
	}()
	return a, nil
}

// ended reports whether the process has ended.
func (a *agent) ended() bool {
	select {
	case <-a.done:
		return true
	default:
		return false
	}
}

// kill ends the process at once, unless it has ended.
func (a *agent) kill() {
	a.cmd.Process.Kill()
	<-a.done
	a.list.close()
}

// interrupt asks the agent to leave.
func (a *agent) interrupt() error { return a.cmd.Process.Signal(os.Interrupt) }

// wait waits for the process to end and returns its result.
func (a *agent) wait(ctx context.Context) error {
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case <-a.done:
		return a.err
	case <-timeout.C:
		return fmt.Errorf("%s has not ended within %v", a.name, patience)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// failure adds the agent's last log lines to an error.
func (a *agent) failure(err error) error {
	if a.ended() {
		err = errors.Join(err, fmt.Errorf("%s has ended: %v", a.name, a.err))
	}
	return fmt.Errorf("%w\n%s logged last:\n%s", err, a.name, a.log.last())
}
