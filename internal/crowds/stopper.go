//go:build unix

package crowds

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// stopperEnv is set, to a pace, in the environment of a process that is to stop and continue its parent.
const stopperEnv = "MEMBERLIST_CROWDS_STOPPER"

// pace is how a process is stopped: for stop, then it runs for run, and so on until all has passed.
type pace struct{ stop, run, all time.Duration }

// impose starts this program again, which must call ServeStopper, and waits for its end.
func (p pace) impose() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	stopper := exec.Command(self)
	stopper.Env = append(os.Environ(), fmt.Sprintf("%s=%v %v %v", stopperEnv, p.stop, p.run, p.all))
	stopper.Stderr = os.Stderr
	return stopper.Run()
}

// parsePace is the reverse of what impose formats.
func parsePace(s string) (p pace, err error) {
	fields := strings.Fields(s)
	times := []*time.Duration{&p.stop, &p.run, &p.all}
	if len(fields) != len(times) {
		return p, fmt.Errorf("%q has not three durations", s)
	}
	for i, field := range fields {
		if *times[i], err = time.ParseDuration(field); err != nil {
			return p, err
		}
	}
	return p, nil
}

// ServeStopper returns false at once, unless this process was started to stop and continue its parent. The main function of a program
// that runs crowds calls it first.
func ServeStopper() bool {
	s := os.Getenv(stopperEnv)
	if s == "" {
		return false
	}
	p, err := parsePace(s)
	if err == nil {
		err = p.stopParent()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "stopper:", err)
		os.Exit(2)
	}
	return true
}

// stopParent stops and continues the parent, while that exists.
func (p pace) stopParent() error {
	parent := os.Getppid()
	for end := time.Now().Add(p.all); time.Now().Before(end) && os.Getppid() == parent; time.Sleep(p.run) {
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
