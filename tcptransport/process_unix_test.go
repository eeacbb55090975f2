//go:build unix

package tcptransport

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
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
	switch os.Getenv(asPeer) {
	case "":
		os.Exit(m.Run())
	case "1":
		echoAll()
	default:
		if _, err := startMember("peer", os.Getenv(asPeer)); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("joined")
		select {}
	}
}

// echoAll sends back all packets.
func echoAll() {
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

// startMember starts a member on loopback, whose suspicions last for two minutes at least, and joins another unless its address is empty.
func startMember(name, join string) (*memberlist.Memberlist, error) {
	c := memberlist.DefaultLocalConfig()
	c.Name, c.LogOutput, c.RefusalGrace = name, io.Discard, -1
	c.GossipInterval, c.ProbeInterval, c.SuspicionMult = 20*time.Millisecond, 200*time.Millisecond, 600
	tr, err := New(Config{BindAddr: "127.0.0.1", Logger: log.New(io.Discard, "", 0)})
	if err != nil {
		return nil, err
	}
	c.Transport = tr
	m, err := memberlist.Create(c)
	if err == nil && join != "" {
		_, err = m.Join([]string{join})
	}
	return m, err
}

// peerProcess starts a process with a transport that sends packets back, and returns its address. It is killed when the test ends.
func peerProcess(t *testing.T) (process *os.Process, addr string) {
	t.Helper()
	return testProcess(t, "1")
}

// testProcess starts the test binary as a peer, and returns its first line. It is killed when the test ends.
func testProcess(t *testing.T, as string) (process *os.Process, first string) {
	t.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), asPeer+"="+as)
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

// TestKilledMember: the host of a member that was killed refuses connections, so that its end is found before a suspicion ends.
func TestKilledMember(t *testing.T) {
	var members []*memberlist.Memberlist
	first := ""
	for i := range 4 {
		m, err := startMember(fmt.Sprint("m", i), first)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Shutdown()
		members = append(members, m)
		first = members[0].LocalNode().Address()
	}
	process, said := testProcess(t, first)
	if said != "joined" {
		t.Fatal(said)
	}
	count := func(n int) func() bool {
		return func() bool {
			for _, m := range members {
				if m.NumMembers() != n {
					return false
				}
			}
			return true
		}
	}
	await(t, "all know the process", count(5))
	if err := process.Kill(); err != nil {
		t.Fatal(err)
	}
	killed := time.Now()
	await(t, "all know of its end", count(4))
	took := time.Since(killed)
	t.Logf("known after %v", took)
	if took > time.Minute {
		t.Errorf("its end is known after %v, as if a suspicion had ended", took)
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

// TestNothingIsLeftAmidHandshakes: transports are shut down while peers have connected and say nothing, and while they dial a peer that
// accepts and says nothing.
func TestNothingIsLeftAmidHandshakes(t *testing.T) {
	ca := newAuthority(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	run := func(config Config) {
		tr := start(t, config)
		for range 20 {
			conn, err := net.Dial("tcp", tr.addr())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
		}
		if _, err := tr.WriteTo([]byte("x"), silent.Addr().String()); err != nil {
			t.Fatal(err)
		}
		dialled := make(chan error)
		go func() {
			_, err := tr.DialTimeout(silent.Addr().String(), time.Hour)
			dialled <- err
		}()
		await(t, "all is under way", func() bool { s := tr.Stats(); return s.Pending == 20 && s.Dialed == 2 })
		for range 2 { // what waits to be accepted has a descriptor only then
			conn, err := silent.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
		}
		tr.Shutdown()
		if err := <-dialled; !errors.Is(err, memberlist.ErrShutdown) {
			t.Errorf("a dial: got error %v, want ErrShutdown", err)
		}
	}
	run(Config{}) // what the runtime opens once
	goroutinesBefore, before := runtime.NumGoroutine(), descriptors(t)
	for range 3 {
		run(Config{})
		run(Config{TLS: ca.tls("a")})
	}
	goroutines.Await(t, goroutinesBefore, 10*time.Second)
	if got := descriptors(t); got != before {
		t.Errorf("%d descriptors are open, want %d", got, before)
	}
}
