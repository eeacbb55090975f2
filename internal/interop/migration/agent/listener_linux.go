package main

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// deafen ends the listeners of this process: its host refuses streams from then on, while packets arrive.
func deafen() error {
	return eachListener(func(fd int) error { return syscall.Shutdown(fd, syscall.SHUT_RDWR) })
}

// shorten makes the accept queues of this process as short as they can be.
func shorten() error { return eachListener(func(fd int) error { return syscall.Listen(fd, 0) }) }

// eachListener calls f for each socket of this process that accepts connections.
func eachListener(f func(fd int) error) error {
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	n := 0
	for _, file := range files {
		fd, err := strconv.Atoi(file.Name())
		if err != nil {
			return err
		}
		if accepts, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN); err != nil || accepts == 0 {
			continue // no socket, or another one
		}
		n++
		if err := f(fd); err != nil {
			return err
		}
	}
	if n == 0 {
		return fmt.Errorf("there is no listener among %d files", len(files))
	}
	return nil
}
