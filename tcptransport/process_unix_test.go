//go:build unix

package tcptransport

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/internal/goroutines"
)

// asPeer is the variable that makes the test binary a peer process.
const asPeer = "TCPTRANSPORT_TEST_PEER"

func TestMain(m *testing.M) {
	if os.Getenv(asPeer) == "" {
		os.Exit(m.Run())
	}
	tr, err := New(Config{BindAddr: "127.0.0.1"})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(tr.addr())
	for p := range tr.PacketCh() { // echo
		if _, err := tr.WriteTo(p.Buf, p.From.String()); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
}

// peerProcess starts a process with a transport that sends packets back, and returns its address. It is killed when the test ends.
func peerProcess(t *testing.T) (process *os.Process, addr string) {
	t.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), asPeer+"=1")
	command.Stderr = os.Stderr
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		command.Process.Kill()
		command.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return command.Process, strings.TrimSpace(line)
}

// echo sends a packet to a process until it comes back.
func echo(t *testing.T, tr *Transport, addr, text string) {
	t.Helper()
	await(t, "an echo", func() bool {
		if _, err := tr.WriteTo([]byte(text), addr); err != nil {
			return false
		}
		select {
		case p := <-tr.PacketCh():
			return string(p.Buf) == text
		case <-time.After(time.Second):
			return false
		}
	})
}

// TestStoppedProcess: a peer that is stopped with its connections open blocks no write, is noticed when its buffers are full, and is
// reached again when it goes on.
func TestStoppedProcess(t *testing.T) {
	process, addr := peerProcess(t)
	a, other := start(t, Config{WriteTimeout: 200 * time.Millisecond, DialTimeout: time.Second}), start(t, Config{})
	echo(t, a, addr, "before")
	if err := process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, 100_000)
	await(t, "the process takes nothing", func() bool {
		began := time.Now()
		_, err := a.WriteTo(body, addr)
		if took := time.Since(began); took > time.Minute/2 {
			t.Fatalf("WriteTo took %v", took)
		}
		return err != nil
	})
	send(t, a, other, "others go on")
	if err := process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	echo(t, a, addr, "after")
}

// TestKilledProcess: the next packets to a peer that was killed, and streams, return the kernel's error, which package memberlist takes for
// evidence that the process has ended.
func TestKilledProcess(t *testing.T) {
	process, addr := peerProcess(t)
	a := start(t, Config{})
	echo(t, a, addr, "before")
	if err := process.Kill(); err != nil {
		t.Fatal(err)
	}
	await(t, "the error is returned", func() bool {
		_, err := a.WriteTo([]byte("x"), addr)
		return errors.Is(err, syscall.ECONNREFUSED)
	})
	if _, err := a.DialTimeout(addr, time.Second); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a stream: got error %v, want one that wraps ECONNREFUSED", err)
	}
}

// descriptors returns the number of open file descriptors of this process.
func descriptors(t *testing.T) int {
	t.Helper()
	fds, err := filepath.Glob("/proc/self/fd/*")
	if err != nil || len(fds) == 0 {
		t.Skip("no /proc/self/fd")
	}
	return len(fds)
}

// TestNothingIsLeft: members in use are shut down, and no goroutine and no descriptor remains.
func TestNothingIsLeft(t *testing.T) {
	ca := newAuthority(t)
	run := func(config func(name string) Config) {
		var members []*memberlist.Memberlist
		for i := range 4 {
			c := memberlist.DefaultLocalConfig()
			c.Name, c.LogOutput = fmt.Sprint("m", i), io.Discard
			c.GossipInterval, c.ProbeInterval = 5*time.Millisecond, 20*time.Millisecond
			tc := config(c.Name)
			tc.BindAddr = "127.0.0.1"
			tr, err := New(tc)
			if err != nil {
				t.Fatal(err)
			}
			c.Transport = tr
			m, err := memberlist.Create(c)
			if err != nil {
				t.Fatal(err)
			}
			members = append(members, m)
			if _, err := m.Join([]string{members[0].LocalNode().Address()}); err != nil {
				t.Fatal(err)
			}
		}
		await(t, "all know all", func() bool {
			for _, m := range members {
				if m.NumMembers() != len(members) {
					return false
				}
			}
			return true
		})
		for _, m := range members {
			m.Shutdown()
		}
	}
	plain := func(string) Config { return Config{} }
	secure := func(name string) Config { return Config{Name: name, TLS: ca.tls(name), VerifyPeer: NameInCertificate} }
	run(plain) // what the runtime opens once
	goroutinesBefore, before := runtime.NumGoroutine(), descriptors(t)
	for range 3 {
		run(plain)
		run(secure)
	}
	goroutines.Await(t, goroutinesBefore, time.Minute)
	if got := descriptors(t); got != before {
		t.Errorf("%d descriptors are open, want %d", got, before)
	}
}
