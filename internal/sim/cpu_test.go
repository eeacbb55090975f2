package sim

import (
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// costs are what the work of a node costs on a core of its own.
var costs = CPU{Packet: 15 * time.Microsecond, Message: 1500 * time.Nanosecond, State: 500 * time.Nanosecond}

// starved is a cluster whose members have a three-thousandth of a core each, and are all stopped for 5 s.
func starved(seed uint64) Config {
	return Config{N: 60, Seed: seed, Core: LAN(), CPU: costs.Times(3000), Faults: []Fault{{Kind: Pause, At: 5 * time.Second, For: 5 * time.Second}}}
}

// TestStopOfAll: members with little CPU time that are stopped together suspect nobody afterwards. Without lateness they do.
func TestStopOfAll(t *testing.T) {
	without := uint64(0)
	for seed := range uint64(3) {
		cfg := starved(seed)
		if r := run(t, cfg); r.Suspicions > 0 {
			t.Errorf("seed %d: %d suspicions", seed, r.Suspicions)
		}
		cfg.Core.LateAfter = 0
		without += run(t, cfg).Suspicions
	}
	if without == 0 {
		t.Error("there are no suspicions without lateness either: the test shows nothing")
	}
	t.Logf("%d suspicions without lateness", without)
}

// TestBusyJoin: members with little CPU time that join at once all get to know each other, and declare no failure.
func TestBusyJoin(t *testing.T) {
	cfg := starved(1)
	cfg.Start, cfg.Faults = Joining, nil
	s := New(cfg)
	if err := s.RunUntil(2 * time.Minute); err != nil {
		t.Fatal(err)
	}
	r := s.Result()
	t.Logf("%d suspicions, %d false positives, %d messages refused", r.Suspicions, r.FalsePositives, r.Refused)
	if s.check.wrong > 0 || r.FalsePositives > 0 {
		t.Errorf("%d entries are wrong, %d false positives", s.check.wrong, r.FalsePositives)
	}
}

// TestBusyJoinOfMany: nor is one suspected of many that have hardly any time, so that pings are answered after half a minute.
func TestBusyJoinOfMany(t *testing.T) {
	cfg := Config{N: 200, Seed: 1, Core: LAN(), CPU: costs.Times(8000), Start: Joining, JoinEvery: time.Millisecond, Unchecked: true}
	s := New(cfg)
	if err := s.RunUntil(3 * time.Minute); err != nil {
		t.Fatal(err)
	}
	if got := s.Result().Received[wire.TypeSuspect]; got > 0 {
		t.Errorf("%d suspect messages", got)
	}
}

// TestWorkTakesTime: a node that is busy handles one packet after the other, and drops messages for which there is no room.
func TestWorkTakesTime(t *testing.T) {
	cfg := starved(1)
	cfg.Faults, cfg.CPU.Queue, cfg.Start = nil, 10, Joining
	s := New(cfg)
	if err := s.RunUntil(20 * time.Second); err != nil {
		t.Fatal(err)
	}
	most := uint64(20*time.Second/cfg.CPU.Packet) + 2
	for i, n := range s.Result().Nodes {
		if n.PacketsIn+n.PacketsOut > most {
			t.Errorf("node %d sent and received %d packets, there was time for %d", i, n.PacketsIn+n.PacketsOut, most)
		}
	}
	if s.Result().Refused == 0 {
		t.Error("no message was refused")
	}
}
