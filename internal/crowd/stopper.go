//go:build unix

package main

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// pace is how a process is stopped: for stop, then it runs for run, and so on until all has passed.
type pace struct{ stop, run, all time.Duration }

// impose starts a process that stops and continues this one, and waits for its end.
func (p pace) impose() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	stopper := exec.Command(self, "-stopper", p.stop.String(), p.run.String(), p.all.String())
	stopper.Stderr = os.Stderr
	return stopper.Run()
}

// stopParent stops and continues the parent at a pace.
func stopParent(args []string) error {
	var times [3]time.Duration
	if len(args) != len(times) {
		return errors.New("want three durations")
	}
	for i := range times {
		var err error
		if times[i], err = time.ParseDuration(args[i]); err != nil {
			return err
		}
	}
	p, parent := pace{times[0], times[1], times[2]}, os.Getppid()
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
