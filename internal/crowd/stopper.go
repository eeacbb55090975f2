//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// pace is how a process is stopped: for stop, then it runs for run, and so on, for all.
type pace struct{ stop, run, all time.Duration }

// impose starts a process that stops this one, and waits for it.
func (p pace) impose() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	stopper := exec.Command(self, "-stopper", fmt.Sprint(p.stop, " ", p.run, " ", p.all))
	stopper.Stderr = os.Stderr
	return stopper.Run()
}

// stopParent stops the parent as the pace says.
func stopParent(text string) error {
	var stop, run, all string
	if _, err := fmt.Sscan(text, &stop, &run, &all); err != nil {
		return err
	}
	var p pace
	for _, d := range []struct {
		to   *time.Duration
		text string
	}{{&p.stop, stop}, {&p.run, run}, {&p.all, all}} {
		var err error
		if *d.to, err = time.ParseDuration(d.text); err != nil {
			return err
		}
	}
	parent := os.Getppid()
	for end := time.Now().Add(p.all); time.Now().Before(end); time.Sleep(p.run) {
		if err := syscall.Kill(parent, syscall.SIGSTOP); err != nil {
			return err
		}
		time.Sleep(p.stop)
		if err := syscall.Kill(parent, syscall.SIGCONT); err != nil {
			return err
		}
	}
	return nil
}
