package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// ownSockets returns the number of sockets of this process in some of the kernel's tables, such as "udp".
func ownSockets(t *testing.T, tables ...string) (n int) {
	t.Helper()
	fds, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	own := make(map[string]bool)
	for _, fd := range fds {
		if target, err := os.Readlink(fd); err == nil && strings.HasPrefix(target, "socket:[") {
			own[strings.Trim(target, "socket:[]")] = true
		}
	}
	for _, table := range tables {
		content, err := os.ReadFile("/proc/self/net/" + table)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(content) {
			const inode = 9 // column
			if fields := strings.Fields(string(line)); len(fields) > inode && own[fields[inode]] {
				n++
			}
		}
	}
	return n
}

// TestSocketsOfTLS: with TLS no UDP socket is open in the process during the whole story.
func TestSocketsOfTLS(t *testing.T) {
	for _, secure := range []bool{false, true} {
		s := fastSettings()
		s.tls, s.members = secure, 3
		done := make(chan int, 1)
		go func() { done <- tell(t.Context(), s, &plainView{out: io.Discard}, io.Discard) }()
		udp, tcp := 0, 0
		for running := true; running; {
			select {
			case status := <-done:
				if status != exitOK {
					t.Errorf("exit status %d, want %d", status, exitOK)
				}
				running = false
			case <-time.After(20 * time.Millisecond):
				udp = max(udp, ownSockets(t, "udp", "udp6", "raw", "raw6"))
				tcp = max(tcp, ownSockets(t, "tcp", "tcp6"))
			}
		}
		if tcp < 3 || (udp > 0) == secure {
			t.Errorf("TLS: %v: %d TCP and %d UDP sockets were open at a time", secure, tcp, udp)
		}
	}
}
