package memberlist

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist/internal/race"
	"github.com/e3431adc/memberlist/internal/wire"
)

// victimEnv is set in the environment of a process whose memory is measured.
const victimEnv = "MEMBERLIST_TEST_VICTIM"

// TestServeVictim runs the member of that process.
func TestServeVictim(t *testing.T) {
	if os.Getenv(victimEnv) == "" {
		t.Skip("not a victim")
	}
	c := loopbackConfig("victim")
	m, err := Create(c)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("at", m.LocalNode().Address())
	io.Copy(io.Discard, os.Stdin)
	m.Shutdown()
}

// TestResidentMemoryIsBounded: the process of a member whose streams take what the budget allows has about three times that as resident
// memory: Go's heap grows to twice what is in use, and to more while the collector runs.
func TestResidentMemoryIsBounded(t *testing.T) {
	if race.Enabled || testing.Short() || runtime.GOOS != "linux" {
		t.Skip("sends hundreds of megabytes; reads /proc")
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestServeVictim$")
	cmd.Env = append(os.Environ(), victimEnv+"=1", "GOGC=100", "GOMEMLIMIT=off")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		stdin.Close()
		cmd.Wait()
	}()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	address, found := strings.CutPrefix(strings.TrimSpace(line), "at ")
	if err != nil || !found {
		t.Fatalf("the victim said %q: %v", line, err)
	}

	const size = wire.MaxUserMessage
	message := append((&wire.UserHeader{UserMsgLen: size}).Append(nil), make([]byte, size)...)
	var c wire.Compressor
	bomb := c.Append(nil, message)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	var streams sync.WaitGroup
	for range 40 {
		streams.Go(func() { sendAndHold(ctx, address, message[:len(message)-1]) })
	}
	for range 8 {
		streams.Go(func() {
			for range 50 {
				sendAndHold(ctx, address, bomb)
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
	streams.Wait()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	var kB int
	if _, err := fmt.Sscan(peak, &kB); err != nil {
		t.Fatal(err)
	}
	t.Logf("resident memory of up to %d MB", kB*1024/1e6)
	if kB*1024 > 380e6 {
		t.Errorf("resident memory of up to %d MB, want about 300", kB*1024/1e6)
	}
}

// sendAndHold opens a stream, writes to it, and holds it until the other side closes it or ctx ends.
func sendAndHold(ctx context.Context, to string, message []byte) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", to)
	if err != nil {
		return
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if _, err := conn.Write(message); err == nil {
		io.Copy(io.Discard, conn)
	}
}

// TestMembersShareMemory: many members in one process need little more at rest than what they know of each other. The memory for
// packets, streams and turns is that of the few that are working.
func TestMembersShareMemory(t *testing.T) {
	if race.Enabled {
		t.Skip("with the race detector a pool drops some of what is put there")
	}
	const size, most = 100, 72 << 10
	before := heap()
	synctest.Test(t, func(t *testing.T) {
		var network MockNetwork
		members := make([]*Memberlist, size)
		for i := range members {
			members[i] = newMember(t, &network, fmt.Sprintf("m%03d", i), nil)
			joinMember(t, members[i], members[0])
		}
		time.Sleep(time.Minute) // until the news has spread and each has exchanged states
		for _, m := range members {
			if m.NumMembers() != size {
				t.Fatalf("%s knows %d members, want %d", m.config.Name, m.NumMembers(), size)
			}
		}
		if got := (heap() - before) / size; got > most {
			t.Errorf("%d bytes of heap for each member, want at most %d", got, most)
		} else {
			t.Logf("%d bytes of heap for each member", got)
		}
	})
}
