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
	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// perPacket is the number of messages about members in a full packet.
const perPacket = 18

// addMembers makes n members known to m, all alive at incarnation 1.
func addMembers(m *Memberlist, n int) {
	states := make([]wire.PushNodeState, n)
	for i := range states {
		states[i] = wire.PushNodeState{Name: fmt.Sprintf("node-%06d", i), Addr: []byte{10, byte(i >> 16), byte(i >> 8), byte(i)},
			Port: 7946, Incarnation: 1, Meta: []byte("role=web"), Vsn: []byte{1, 5, 2, 0, 0, 0}}
	}
	for read := wire.StatesOf(states...); read.Len() > 0; {
		t := m.begin()
		t.core.Merge(new(swim.Peer), &read)
		t.commit()
	}
}

// alivePacket returns a packet in which the first members are alive.
func alivePacket(incarnation uint32) *Packet {
	messages := make([][]byte, perPacket)
	for i := range messages {
		messages[i] = (&wire.Alive{Node: fmt.Sprintf("node-%06d", i), Addr: []byte{10, 0, 0, byte(i)}, Port: 7946, Incarnation: incarnation,
			Meta: []byte("role=web"), Vsn: []byte{1, 5, 2, 0, 0, 0}}).Append(nil)
	}
	compound, _ := wire.AppendCompound(nil, messages)
	return &Packet{Buf: compound, From: peer(1)}
}

func suspectPacket() *Packet {
	messages := make([][]byte, perPacket)
	for i := range messages {
		messages[i] = (&wire.Suspect{Node: fmt.Sprintf("node-%06d", i), From: "node-000050"}).Append(nil)
	}
	compound, _ := wire.AppendCompound(nil, messages)
	return &Packet{Buf: compound, From: peer(1)}
}

// deadPacket returns a packet in which the first members are dead.
func deadPacket(incarnation uint32) *Packet {
	messages := make([][]byte, perPacket)
	for i := range messages {
		messages[i] = (&wire.Dead{Node: fmt.Sprintf("node-%06d", i), Incarnation: incarnation, From: "node-000050"}).Append(nil)
	}
	compound, _ := wire.AppendCompound(nil, messages)
	return &Packet{Buf: compound, From: peer(1)}
}

// selfSuspectPacket returns a packet with a suspect message about one member, at an incarnation that makes it refute
// again each time.
func selfSuspectPacket(name string, incarnation uint32) *Packet {
	messages := make([][]byte, perPacket)
	for i := range messages {
		messages[i] = (&wire.Suspect{Node: name, Incarnation: incarnation + uint32(i), From: "node-000050"}).Append(nil)
	}
	compound, _ := wire.AppendCompound(nil, messages)
	return &Packet{Buf: compound, From: peer(1)}
}

// TestAllocations limits the allocations on frequent paths: none for known state, and for news no more than is kept.
func TestAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates too")
	}
	m := benchMember(t, func(c *Config) { c.Delegate = &forwardingDelegate{} })
	addMembers(m, 100)
	f := newFeed(m)
	known, stale := alivePacket(1), suspectPacket()
	for range 2000 { // until there is room for all names
		f.receive(known)
		f.receive(stale)
	}
	incarnation := uint32(1)
	fresh := make([]*Packet, 0, 2000)
	for range cap(fresh) {
		incarnation++
		fresh = append(fresh, alivePacket(incarnation))
	}
	var gone, refuted []*Packet // deaths, each with a return; suspect messages about this member
	for i := range uint32(1001) {
		gone = append(gone, deadPacket(incarnation+i), alivePacket(incarnation+i+1))
		refuted = append(refuted, selfSuspectPacket(m.LocalNode().Name, 1+i*perPacket))
	}
	to := m.Members()[0] // never this member, as all others were added later
	message := make([]byte, 200)
	for _, tt := range []struct {
		name string
		most float64
		f    func()
	}{
		{"18 known alives", 0, func() { f.receive(known) }},
		{"18 stale suspects", 0, func() { f.receive(stale) }},
		{"18 fresh alives", 40, func() { f.receive(fresh[0]); fresh = fresh[1:] }},
		{"18 that die and return", 4 * 20, func() { f.receive(gone[0]); f.receive(gone[1]); gone = gone[2:] }},
		{"18 suspect messages about this member, refuted and answered", 60 + 2*20, func() { f.receive(refuted[0]); refuted = refuted[1:] }},
		{"SendBestEffort", 2, func() { // a copy for a transport that may keep it, and the address in text
			if err := m.SendBestEffort(to, message); err != nil {
				t.Fatal(err)
			}
		}},
		{"Members", 1, func() { m.Members() }},
		{"NumMembers", 0, func() { m.NumMembers() }},
		{"LocalNode", 0, func() { m.LocalNode() }},
		{"a turn with nothing to do", 0, func() {
			turn := m.begin()
			turn.core.Tick()
			turn.commit()
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := testing.AllocsPerRun(1000, tt.f); got > tt.most {
				t.Errorf("%v allocations, want at most %v", got, tt.most)
			}
		})
	}
	for name, want := range map[string]uint32{m.LocalNode().Name: 1 + 1001*perPacket, "node-000000": incarnation + 1001} {
		if info, _ := m.Member(name); info.Incarnation != want {
			t.Errorf("%s is at incarnation %d, want %d", name, info.Incarnation, want)
		}
	}
}

// TestSendReliableAllocates: most allocations are package net's, on both sides of a real connection.
func TestSendReliableAllocates(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates too")
	}
	heard := make(chan []byte, 1)
	pair := make([]*Memberlist, 2)
	for i := range pair {
		pair[i] = benchMember(t, func(c *Config) {
			c.Name, c.Transport = fmt.Sprint("m", i), nil
			c.BindAddr, c.BindPort, c.AdvertisePort = "127.0.0.1", 0, 0
			c.Delegate = &forwardingDelegate{heard: heard}
		})
	}
	to, message := pair[1].LocalNode(), make([]byte, 200)
	got := testing.AllocsPerRun(200, func() {
		if err := pair[0].SendReliable(to, message); err != nil {
			t.Fatal(err)
		}
		<-heard
	})
	if got > 41 {
		t.Errorf("%v allocations, want at most 41", got)
	}
}

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
