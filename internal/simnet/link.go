package simnet

import (
	"maps"
	"net/netip"
	"slices"
	"time"
)

// Link describes one direction between two endpoints. The zero value is a perfect link.
type Link struct {
	// Latency is the delay of every packet and write.
	Latency time.Duration

	// Jitter is the maximum of a random delay, evenly distributed, that is added to Latency for each packet or write.
	// It reorders packets, but not the bytes of a stream.
	Jitter time.Duration

	// Loss is the probability that a packet is lost, from 0 to 1. Streams, like TCP, lose nothing.
	Loss float64

	// Duplicate is the probability that a packet arrives twice, from 0 to 1.
	Duplicate float64

	// PacketsDown loses every packet.
	PacketsDown bool

	// StreamsDown stops all bytes: they arrive once the link is up again, and a dial blocks until then.
	StreamsDown bool
}

// pair is a link's two ends.
type pair struct{ from, to netip.AddrPort }

// faults determine how one endpoint reaches another.
type faults struct {
	normal Link
	links  map[pair]Link
	choose func(from, to netip.AddrPort) (Link, bool)
	group  map[netip.AddrPort]int // of a partition; nil if there is none
	down   map[netip.AddrPort]bool
	paused map[netip.AddrPort]bool
}

func newFaults() faults {
	return faults{
		links:  make(map[pair]Link),
		down:   make(map[netip.AddrPort]bool),
		paused: make(map[netip.AddrPort]bool),
	}
}

// SetDefault sets the link for all pairs without one of their own.
func (n *Network) SetDefault(link Link) {
	n.change(func(f *faults) { f.normal = link })
}

// SetLink sets the link in one direction.
func (n *Network) SetLink(from, to netip.AddrPort, link Link) {
	n.change(func(f *faults) { f.links[pair{unmapped(from), unmapped(to)}] = link })
}

// ClearLinks removes the links of SetLink and SetLinkFunc.
func (n *Network) ClearLinks() {
	n.change(func(f *faults) {
		clear(f.links)
		f.choose = nil
	})
}

// SetLinkFunc sets a function that takes precedence; it returns false to use SetLink and SetDefault. It must be safe
// for concurrent use. It is called for every packet and write, but bytes that wait for a link to come up are retried
// only after a call of a method that changes links: call SetLinkFunc again when the function's results change.
func (n *Network) SetLinkFunc(choose func(from, to netip.AddrPort) (Link, bool)) {
	n.change(func(f *faults) { f.choose = choose })
}

// Partition cuts every link between different groups, and replaces an earlier partition. Addresses in no group form
// one group together. Packets in flight still arrive; bytes of streams do not.
func (n *Network) Partition(groups ...[]netip.AddrPort) {
	group := make(map[netip.AddrPort]int)
	for i, members := range groups {
		for _, a := range members {
			group[unmapped(a)] = i + 1
		}
	}
	n.change(func(f *faults) { f.group = group })
}

// Heal ends the partition.
func (n *Network) Heal() {
	n.change(func(f *faults) { f.group = nil })
}

// Down cuts every link from and to a host, as if its cable were pulled.
func (n *Network) Down(addr netip.AddrPort) {
	n.change(func(f *faults) { f.down[unmapped(addr)] = true })
}

// Up ends Down.
func (n *Network) Up(addr netip.AddrPort) {
	n.change(func(f *faults) { delete(f.down, unmapped(addr)) })
}

// Pause holds all packets and bytes that a host sends and receives until Resume, as if its process were stopped. More
// than 1024 packets are dropped. Dials to it succeed until its backlog of 128 is full.
func (n *Network) Pause(addr netip.AddrPort) {
	n.change(func(f *faults) { f.paused[unmapped(addr)] = true })
}

// Resume ends Pause. Held packets and bytes are sent or delivered before it returns, latency aside.
func (n *Network) Resume(addr netip.AddrPort) {
	addr = unmapped(addr)
	n.change(func(f *faults) {
		delete(f.paused, addr)
		n.acceptHeld(addr)
	})
	n.mu.Lock()
	held := n.mu.held[addr]
	delete(n.mu.held, addr)
	n.mu.Unlock()
	for _, again := range held {
		again()
	}
}

// change changes the faults and retries everything that waits for one of them.
func (n *Network) change(apply func(*faults)) {
	n.mu.Lock()
	apply(&n.mu.faults)
	n.mu.version++
	if n.mu.changed != nil {
		close(n.mu.changed)
		n.mu.changed = nil
	}
	stalled := n.mu.stalled
	n.mu.stalled = nil
	for _, p := range stalled {
		p.stalled = false
	}
	n.mu.Unlock()
	for _, p := range stalled {
		p.deliver()
	}
}

// link returns the link from one address to the other, and the version of the faults at which that is valid. Streams are down too while
// one of some processes is paused.
func (n *Network) link(from, to netip.AddrPort, processes ...netip.AddrPort) (Link, uint64) {
	n.mu.Lock()
	f := &n.mu.faults
	link, ok := f.links[pair{from, to}]
	if !ok {
		link = f.normal
	}
	cut := f.down[from] || f.down[to] || f.group[from] != f.group[to]
	paused := slices.ContainsFunc(processes, func(a netip.AddrPort) bool { return f.paused[a] })
	choose, version := f.choose, n.mu.version
	n.mu.Unlock()

	if choose != nil {
		if chosen, ok := choose(from, to); ok {
			link = chosen
		}
	}
	link.PacketsDown = link.PacketsDown || cut
	link.StreamsDown = link.StreamsDown || cut || paused
	return link, version
}

// delay returns a random delay on a link.
func (n *Network) delay(link Link) time.Duration {
	if link.Jitter <= 0 {
		return link.Latency
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return link.Latency + time.Duration(n.mu.random.Int64N(int64(link.Jitter)+1))
}

// happens returns true with the given probability.
func (n *Network) happens(probability float64) bool {
	if probability <= 0 {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.mu.random.Float64() < probability
}

// stall adds a pipe to those that are retried when the faults change. It returns false if they have changed since
// that version.
func (n *Network) stall(p *pipe, version uint64) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mu.version != version {
		return false
	}
	if !p.stalled {
		p.stalled = true
		n.mu.stalled = append(n.mu.stalled, p)
	}
	return true
}

// changedSince returns a channel that is closed once the faults have changed after that version.
func (n *Network) changedSince(version uint64) <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mu.version != version {
		done := make(chan struct{})
		close(done)
		return done
	}
	if n.mu.changed == nil {
		n.mu.changed = make(chan struct{})
	}
	return n.mu.changed
}

// Addrs returns the addresses in use, unordered.
func (n *Network) Addrs() []netip.AddrPort {
	n.mu.Lock()
	defer n.mu.Unlock()
	addrs := make([]netip.AddrPort, 0, len(n.mu.endpoints))
	for a := range maps.Keys(n.mu.endpoints) {
		addrs = append(addrs, a)
	}
	return addrs
}
