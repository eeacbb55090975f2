package sim

import (
	"cmp"
	"encoding/binary"
	"slices"
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// The scenarios of this file vary the configurations of members, their transports and programs.

// timings sets any valid intervals.
func (d draw) timings(core *swim.Config) {
	core.ProbeInterval = d.seconds(0.2, 3)
	core.ProbeTimeout = time.Duration(float64(core.ProbeInterval) * []float64{0.1, 0.5, 0.8, 1, 1.5, 3}[d.IntN(6)])
	core.IndirectChecks = d.IntN(5)
	core.SuspicionMult = 1 + d.IntN(6)
	core.SuspicionMaxTimeoutMult = 1 + d.IntN(6)
	core.AwarenessMaxMultiplier = 1 + d.IntN(8)
	core.GossipInterval = d.seconds(0.02, 1)
	core.GossipNodes = 1 + d.IntN(4)
	core.GossipToTheDeadTime = d.seconds(1, 60)
	core.RetransmitMult = 2 + d.IntN(4)
	core.PushPullInterval = d.seconds(5, 60)
	core.ReconnectInterval = d.seconds(5, 60)
	core.DeadNodeReclaimTime = 0
	switch d.IntN(6) {
	case 0:
		core.GossipInterval = 0
	case 1:
		core.GossipNodes = 0
	case 2:
		core.PushPullInterval = 0
	case 3:
		core.DeadNodeReclaimTime = d.seconds(1, 30)
	case 4:
		core.GossipToTheDeadTime = d.seconds(60, 600)
	}
}

// leastRoom returns the minimum size of a packet that can hold every node's alive message and requests.
func leastRoom() int {
	name, addr := "n65535", make([]byte, 4)
	alive := wire.Alive{Incarnation: 1 << 16, Node: name, Addr: addr, Port: port, Meta: binary.BigEndian.AppendUint32(nil, 0), Vsn: versions[:]}
	ask := wire.IndirectPing{SeqNo: 1 << 31, Target: addr, Port: port, Node: name, Nack: true, SourceAddr: addr, SourcePort: port, SourceNode: name}
	return max(len(alive.Append(nil)), len(ask.Append(nil))) + wire.CompoundHeaderSize + wire.CompoundPartOverhead + wire.ChecksumSize
}

// configurations are those of other scenarios, with any configuration.
func configurations(d draw) Config {
	all := []func(draw) Config{calm, joinOneByOne, loss, duplicates, longPartition, crash, crashAndReturn, amnesia, move, leave,
		metadata, swap, take, rename, rollingRename, moveByName, replayed, strange, userBroadcasts}
	cfg := all[d.IntN(len(all))](d)
	cfg.Never = 0
	cfg.N = min(cfg.N, 20)
	d.timings(&cfg.Core)
	if d.IntN(2) == 0 {
		cfg.Room = leastRoom() + d.IntN(1400-leastRoom())/(1+d.IntN(10))
	}
	if d.IntN(3) == 0 {
		cfg.NoSyncs = d.some(cfg.N, cfg.N/2)
	}
	if d.IntN(3) == 0 && cfg.Core.ProbeInterval > 0 {
		cfg.NoGossip = d.some(cfg.N, cfg.N)
	}
	if d.IntN(2) == 0 {
		cfg.CompressionBudget = 1 + d.IntN(3*cmp.Or(cfg.Room, 1400))
	}
	return cfg
}

// compressed fills packets by their compressed size, with broadcasts of members and of programs.
func compressed(d draw) Config {
	cfg := userBroadcasts(d)
	cfg.Start, cfg.N = Joining, cfg.N+d.IntN(30)
	cfg.CompressionBudget = 1 + d.IntN(3*cmp.Or(cfg.Room, 1400))
	return d.with(cfg, 3, func() Fault {
		return Fault{Kind: Meta, At: d.seconds(0, 30), For: d.seconds(1, 20), Delay: d.seconds(0.1, 1), Nodes: d.some(cfg.N, 9)}
	})
}

// observers do not probe: some, or all. If some do, one of them is always up.
func observers(d draw) Config {
	cfg := d.cluster()
	if d.IntN(3) > 0 {
		last := cfg.N - 1
		cfg.NoProbes = d.some(last, last)
		return d.with(cfg, 3, func() Fault {
			f := d.crash(last, []Kind{Crash, Move, Leave, Swap}[d.IntN(4)])
			if f.Kind != Crash && f.Kind != Leave {
				f = d.back(f)
			}
			return f
		})
	}
	cfg.Core.ProbeInterval = 0
	return d.with(cfg, 3, func() Fault { return d.back(d.crash(cfg.N, []Kind{Leave, Leave, Move, Crash}[d.IntN(4)])) })
}

// noWay has pairs without packets between them, though others and streams work. No member is suspected, whatever the
// timeouts.
func noWay(d draw) Config {
	cfg := d.cluster()
	cfg.Never = Suspicion
	cfg.Core.ProbeTimeout = time.Duration(float64(cfg.Core.ProbeInterval) * []float64{0.1, 0.5, 0.9, 1, 1.5, 3}[d.IntN(6)])
	return d.with(cfg, 2, func() Fault {
		pair := d.Perm(cfg.N)[:2]
		return Fault{Kind: NoPackets, At: d.seconds(0, 20), For: d.seconds(20, 60), Nodes: pair[:1], To: pair[1:]}
	})
}

// oneDeath has one member that crashes. The others' health scores stay 0.
func oneDeath(d draw) Config {
	cfg := d.cluster()
	cfg.N += 3
	cfg.Never = Illness
	cfg.Faults = []Fault{{Kind: Crash, At: d.seconds(0, 40), Nodes: []int{d.IntN(cfg.N)}}}
	return cfg
}

// refusedByTheDead has members that crash, to which sending fails from then on.
func refusedByTheDead(d draw) Config {
	cfg := d.cluster()
	f := d.crash(cfg.N, Crash)
	f.For = 0
	cfg.Faults = []Fault{f, {Kind: Refuse, At: f.At, To: slices.Clone(f.Nodes)}}
	return cfg
}

// strange has names without usable versions.
func strange(d draw) Config {
	cfg := d.cluster()
	return d.with(cfg, 2, func() Fault {
		return Fault{Kind: Strange, At: d.seconds(0, 30), Nodes: d.some(cfg.N, 3), Count: 1 + d.IntN(8)}
	})
}

// userBroadcasts has programs that broadcast messages, with and without gossip.
func userBroadcasts(d draw) Config {
	cfg := d.cluster()
	switch d.IntN(4) {
	case 0:
		cfg.Core.GossipInterval = 0
	case 1:
		cfg.Core.GossipNodes = 0
	case 2:
		cfg.NoGossip = d.some(cfg.N, cfg.N)
	}
	if d.IntN(2) == 0 {
		cfg.Room = leastRoom() + d.IntN(300)
	}
	return d.with(cfg, 4, func() Fault { return Fault{Kind: Say, At: d.seconds(0, 30), Nodes: d.some(cfg.N, 3)} })
}
