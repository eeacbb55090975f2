package main

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/e3431adc/memberlist"
)

// packetBytes is the size of the messages that are sent.
const packetBytes = 500

// flights are the numbers of packets that are on the way at a time.
var flights = []int{1, 32}

// cost is what a packet takes, from SendBestEffort to the Delegate of the receiver.
type cost struct{ cpu, latency time.Duration }

// packetResult is the costs of one kind, for each of flights: medians.
type packetResult struct {
	kind  kind
	costs []cost
}

// measurePackets measures all kinds, in turn.
func measurePackets(s *settings, dir string) (results []packetResult, err error) {
	kinds := []kind{udp, tcp, tcpTLS, dial, dialTLS}
	samples := make(map[kind][][]cost)
	for range s.rounds {
		for _, k := range kinds {
			n := s.packets
			if k == dial || k == dialTLS {
				n = s.dials
			}
			costs, err := measureKind(k, dir, n)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", k, err)
			}
			samples[k] = append(samples[k], costs)
		}
		slices.Reverse(kinds)
	}
	for _, k := range []kind{udp, tcp, tcpTLS, dial, dialTLS} {
		r := packetResult{kind: k}
		for i := range flights {
			var cpu, latency []time.Duration
			for _, sample := range samples[k] {
				cpu, latency = append(cpu, sample[i].cpu), append(latency, sample[i].latency)
			}
			r.costs = append(r.costs, cost{median(cpu), median(latency)})
		}
		results = append(results, r)
	}
	return results, nil
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// measureKind sends n packets from one member to another, for each of flights.
func measureKind(k kind, dir string, n int) (costs []cost, err error) {
	arrived := make(chan struct{}, slices.Max(flights))
	var members []*memberlist.Memberlist
	defer func() {
		for _, m := range members {
			m.Shutdown()
		}
	}()
	for i := range 2 {
		c, err := k.config(fmt.Sprint("m", i), dir)
		if err != nil {
			return nil, err
		}
		c.EnableCompression, c.ProbeInterval = false, time.Hour
		c.Delegate = receiver{arrived}
		m, err := memberlist.Create(c)
		if err != nil {
			return nil, err
		}
		members = append(members, m)
	}
	if _, err := members[0].Join([]string{members[1].LocalNode().Address()}); err != nil {
		return nil, err
	}
	message := make([]byte, packetBytes)
	rand.Read(message) // never fails
	for _, flight := range flights {
		var took cost
		for _, n := range []int{n / 10, n} { // the first round warms up
			if took, err = exchange(members[0], members[1].LocalNode(), message, arrived, n, flight); err != nil {
				return nil, err
			}
		}
		costs = append(costs, took)
	}
	return costs, nil
}

// exchange sends n packets, a number at a time.
func exchange(from *memberlist.Memberlist, to *memberlist.Node, message []byte, arrived <-chan struct{}, n, flight int) (cost, error) {
	n = max(n, flight)
	began, cpu := time.Now(), cpuTime()
	for sent := 0; sent < n; sent += flight {
		for range flight {
			if err := from.SendBestEffort(to, message); err != nil {
				return cost{}, err
			}
		}
		for range flight {
			select {
			case <-arrived:
			case <-time.After(5 * time.Second):
				return cost{}, fmt.Errorf("a packet is lost")
			}
		}
	}
	return cost{(cpuTime() - cpu) / time.Duration(n), time.Since(began) / time.Duration(n)}, nil
}

// cpuTime returns the CPU time of this process so far, user and system.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// receiver is a Delegate that notes messages.
type receiver struct{ arrived chan<- struct{} }

func (r receiver) NotifyMsg([]byte)              { r.arrived <- struct{}{} }
func (receiver) NodeMeta(int) []byte             { return nil }
func (receiver) GetBroadcasts(int, int) [][]byte { return nil }
func (receiver) LocalState(bool) []byte          { return nil }
func (receiver) MergeRemoteState([]byte, bool)   {}

// packetTable returns a table of the results. The first one is what the others are compared with.
func packetTable(results []packetResult) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| a packet of %d bytes | CPU | latency | CPU, %d at a time | CPU against UDP |\n", packetBytes, flights[1])
	b.WriteString("| --- | ---: | ---: | ---: | ---: |\n")
	base := results[0].costs
	for _, r := range results {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %.2gx, %.2gx |\n", r.kind, micros(r.costs[0].cpu), micros(r.costs[0].latency), micros(r.costs[1].cpu),
			ratio(r.costs[0].cpu, base[0].cpu), ratio(r.costs[1].cpu, base[1].cpu))
	}
	return b.String()
}

func micros(d time.Duration) string {
	return fmt.Sprintf("%.3g us", float64(d)/float64(time.Microsecond))
}

func ratio[T ~int64 | ~float64](a, b T) float64 { return float64(a) / float64(b) }
