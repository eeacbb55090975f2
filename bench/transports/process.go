package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/tcptransport"
)

// processEnv makes this program run some members: their number, the directory of the certificates, and the kind.
const processEnv = "TRANSPORTS_PROCESS"

// runProcess runs members: it prints their addresses, does what the lines that it reads say, and ends with its input.
func runProcess() {
	if err := runMembers(os.Getenv(processEnv)); err != nil {
		fmt.Fprintln(os.Stderr, "members:", err)
		os.Exit(1)
	}
}

func runMembers(what string) error {
	parts := strings.SplitN(what, "|", 3)
	n, err := strconv.Atoi(parts[0])
	if err != nil {
		return err
	}
	var members []*memberlist.Memberlist
	var transports []*tcptransport.Transport
	for i := range n {
		c, err := kind(parts[2]).config(fmt.Sprintf("m%d-%d", os.Getpid(), i), parts[1])
		if err != nil {
			return err
		}
		if t, ok := c.Transport.(*tcptransport.Transport); ok {
			transports = append(transports, t)
		}
		m, err := memberlist.Create(c)
		if err != nil {
			return err
		}
		members = append(members, m)
		fmt.Print(m.LocalNode().Address(), " ")
	}
	fmt.Println()
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		verb, addr, _ := strings.Cut(lines.Text(), " ")
		if err := do(verb, addr, members, transports); err != nil {
			return err
		}
	}
	return lines.Err()
}

// do does what a line says.
func do(verb, addr string, members []*memberlist.Memberlist, transports []*tcptransport.Transport) error {
	switch verb {
	case "join":
		for _, m := range members {
			_, err := m.Join([]string{addr})
			for tries := 0; err != nil && tries < 10; tries++ { // the machine may be too busy
				_, err = m.Join([]string{addr})
			}
			if err != nil {
				return err
			}
			time.Sleep(20 * time.Millisecond) // so that news of one join does not wait for those of all
		}
		fmt.Println("ok")
	case "greet": // so that all have connected to all
		for _, m := range members {
			if m.LocalNode().Address() == addr {
				continue
			}
			// An error is that of an earlier attempt to connect, as on a machine that is too busy to answer in time.
			_ = m.SendToAddress(memberlist.Address{Addr: addr}, []byte("hello"))
		}
		fmt.Println("ok")
	case "usage":
		u := usage{cpu: cpuTime(), memory: resident(), least: members[0].NumMembers()}
		for _, m := range members {
			u.least, u.most = min(u.least, m.NumMembers()), max(u.most, m.NumMembers())
		}
		for _, t := range transports {
			s := t.Stats()
			u.connections += s.Outgoing + s.Incoming
		}
		fmt.Println(u.cpu.Nanoseconds(), u.memory, u.connections, u.least, u.most)
	}
	return nil
}

// resident returns the resident memory of this process in bytes, or 0 if that is not known.
func resident() int64 {
	content, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(content))
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
