package attacks

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// streamMemory: memory for streams is limited by the number of bytes that have arrived. Buffers that grow, and decompression, need more.
func streamMemory() Attack {
	return Attack{
		Name: "stream-memory",
		Does: "holds 40 streams that send user messages of 20 MiB without their last byte, and sends others that inflate to 20 MiB",
		Figures: []Figure{
			{What: "growth of the process's resident memory", Unit: "MB", Bound: 400},
		},
		Alone: true,
		Run: func(ctx context.Context, r *Run) ([]float64, error) {
			v, err := r.victim(ctx)
			if err != nil {
				return nil, err
			}
			before, err := v.memory("VmRSS")
			if err != nil {
				return nil, err
			}
			attacking, stop := context.WithTimeout(ctx, scaled(r, 8*time.Second, time.Second))
			defer stop()
			size := scaled(r, wire.MaxUserMessage, 1<<20)
			var streams sync.WaitGroup
			for i := range scaled(r, 40, 4) {
				streams.Go(func() { almost(attacking, sourceHost(i), v.addr, size) })
			}
			bomb := inflating(size)
			for i := range scaled(r, 8, 2) {
				streams.Go(func() { bombs(attacking, sourceHost(i), v.addr, bomb) })
			}
			streams.Wait()
			peak, err := v.memory("VmHWM")
			if err != nil {
				return nil, err
			}
			return []float64{(peak - before) / 1e6}, ctx.Err()
		},
	}
}

func sourceHost(i int) string { return fmt.Sprintf("127.0.0.%d", 20+i%8) }

// userMessage returns the beginning of a user message of a size on a stream.
func userMessage(size int) []byte {
	h := wire.UserHeader{UserMsgLen: size}
	return h.Append(nil)
}

// inflating returns a compressed user message of a size.
func inflating(size int) []byte {
	var c wire.Compressor
	return c.Append(nil, append(userMessage(size), make([]byte, size)...))
}

// almost sends a user message without its last byte, and holds the stream.
func almost(ctx context.Context, host string, to netip.AddrPort, size int) {
	conn, err := dialFrom(ctx, host, to)
	if err != nil {
		return
	}
	defer conn.Close()
	if _, err := conn.Write(append(userMessage(size), make([]byte, size-1)...)); err == nil {
		io.Copy(io.Discard, conn)
	}
}

// bombs sends a message again and again, each on a stream of its own, twenty times a second at most.
func bombs(ctx context.Context, host string, to netip.AddrPort, message []byte) {
	every(ctx, 20, 400, func(int) {
		conn, err := dialFrom(ctx, host, to)
		if err != nil {
			return
		}
		defer conn.Close()
		if _, err := conn.Write(message); err == nil {
			io.Copy(io.Discard, conn)
		}
	})
}

// dialFrom opens a stream that ends with the context.
func dialFrom(ctx context.Context, host string, to netip.AddrPort) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(host)}}
	conn, err := d.DialContext(ctx, "tcp4", to.String())
	if err == nil {
		if end, ok := ctx.Deadline(); ok {
			conn.SetDeadline(end)
		}
	}
	return conn, err
}

// victimEnv is set, to the name of the library, in the environment of a process that is to be a victim.
const victimEnv = "MEMBERLIST_ATTACKS_VICTIM"

// victim is a process with a member, which is attacked for its memory.
type victim struct {
	pid  int
	addr netip.AddrPort
}

// victim starts this program again, which must call ServeVictim.
func (r *Run) victim(ctx context.Context) (*victim, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, path)
	cmd.Env = append(os.Environ(), victimEnv+"="+r.Library.Name())
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	r.closers = append(r.closers, func() error {
		in.Close()
		return cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("the victim did not start: %w", err)
	}
	addr, err := netip.ParseAddrPort(strings.TrimSpace(line))
	return &victim{cmd.Process.Pid, addr}, err
}

// memory returns a line of /proc/PID/status, in bytes.
func (v *victim) memory(key string) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", v.pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, key+":"); ok {
			kB, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			return float64(kB) * 1024, err
		}
	}
	return 0, fmt.Errorf("no %s in the status of the victim", key)
}

// ServeVictim returns false at once, unless this process was started to be a victim. Then it runs a member until standard input ends.
// The main function of a program that runs attacks calls it first.
func ServeVictim(libraries ...Library) bool {
	name := os.Getenv(victimEnv)
	if name == "" {
		return false
	}
	for _, l := range libraries {
		if l.Name() != name {
			continue
		}
		m, err := l.Create(Options{Name: "victim"})
		if err != nil {
			fmt.Fprintln(os.Stderr, "victim:", err)
			return true
		}
		fmt.Println(m.Addr())
		io.Copy(io.Discard, os.Stdin)
		m.Shutdown()
		return true
	}
	fmt.Fprintln(os.Stderr, "victim: no library", name)
	return true
}
