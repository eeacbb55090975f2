package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// openTerminal returns a terminal and its screen: reading the screen returns the text that the program wrote to the terminal.
func openTerminal(t *testing.T) (terminal, screen *os.File) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no terminals here: ", err)
	}
	t.Cleanup(func() { screen.Close() })
	var locked, number int32
	for request, argument := range map[uintptr]*int32{syscall.TIOCSPTLCK: &locked, syscall.TIOCGPTN: &number} {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, screen.Fd(), request, uintptr(unsafe.Pointer(argument))); errno != 0 {
			t.Fatal(errno)
		}
	}
	terminal, err = os.OpenFile(fmt.Sprint("/dev/pts/", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no terminals here: ", err)
	}
	t.Cleanup(func() { terminal.Close() })
	return terminal, screen
}

// TestProgress: on a terminal the doctor shows how far it is, in a line that is gone in the end.
func TestProgress(t *testing.T) {
	terminal, screen := openTerminal(t)
	at := member(t, "a", nil).LocalNode().Address()
	if status := run(t.Context(), []string{"doctor", at}, io.Discard, terminal); status != 0 {
		t.Errorf("status %d", status)
	}
	const cleared = "\r\x1b[K"
	want := []string{"", "asked: 1 of 1", "pinging others: 1 of 1", ""}
	shown := ""
	for buf := make([]byte, 4096); len(strings.Split(shown, cleared)) < len(want); {
		n, err := screen.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		shown += string(buf[:n])
	}
	if got := strings.Split(shown, cleared); !slices.Equal(got, want) {
		t.Errorf("shown: %q, want %q", got, want)
	}
}
