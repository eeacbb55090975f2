package swim

import (
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// BenchmarkRecordPing measures what recorders of both members add to the work of their cores for a ping and its ack. Pings without and with
// them take turns, and the least time of each counts: on a busy machine all others have work of other programs in them.
func BenchmarkRecordPing(b *testing.B) {
	const rounds, pings = 500, 100
	plain, recorded := pingOf(b, false), pingOf(b, true)
	least := func(before time.Duration, ping func()) time.Duration {
		start := time.Now()
		for range pings {
			ping()
		}
		return min(before, time.Since(start))
	}
	without, with := time.Hour, time.Hour
	for b.Loop() {
		for range rounds {
			without, with = least(without, plain), least(with, recorded)
		}
	}
	b.ReportMetric(float64(without)/pings, "plain-ns")
	b.ReportMetric(float64(with)/pings, "recorded-ns")
	b.ReportMetric(float64(with-without)/pings, "more-ns")
}

// pingOf returns a function that does the turns of a ping between two members as the driver does them.
func pingOf(tb testing.TB, recorded bool) func() {
	var cores []*Core
	now := time.Now() // the driver has monotonic times
	for i := range 2 {
		cfg := testConfig()
		cfg.Name, cfg.Extensions = memberName(i), true
		if recorded {
			cfg.Recorder = NewRecorder(1<<20, false)
		}
		c := New(cfg)
		turn := c.Begin(now, new(Output))
		turn.Announce(memberAddr(i), nil, testVersions, 0)
		turn.End()
		cores = append(cores, c)
	}
	out, outB := new(Output), new(Output)
	for i, c := range cores {
		turn := c.Begin(now, out)
		turn.StepGossip(Endpoint{}, viewOf(tb, wire.TypeAlive, (&wire.Alive{Incarnation: 1, Node: memberName(1 - i), Addr: memberAddr(1 - i).Addr().AsSlice(),
			Port: 7946, Vsn: testVersions[:]}).Append(nil)[1:]))
		turn.End()
	}
	to := Endpoint{Name: memberName(1), AddrPort: memberAddr(1)}
	return func() {
		now = now.Add(16_543 * time.Nanosecond)
		turn := cores[0].Begin(now, out)
		turn.Ping(to)
		turn.End()
		var ping wire.PingView
		if err := ping.Parse(out.Packets[0].Messages[0][1:]); err != nil {
			tb.Fatal(err)
		}
		now = now.Add(7_310 * time.Nanosecond)
		turn = cores[1].Begin(now, outB)
		turn.Waited(0)
		turn.StepPing(Endpoint{AddrPort: memberAddr(0)}, &ping, nil)
		turn.End()
		var ack wire.Ack
		if err := ack.Parse(outB.Packets[0].Messages[0][1:], nil); err != nil {
			tb.Fatal(err)
		}
		now = now.Add(7_310 * time.Nanosecond)
		turn = cores[0].Begin(now, out)
		turn.Waited(0)
		turn.Step(Endpoint{AddrPort: memberAddr(1)}, &ack)
		turn.End()
		if len(out.Pings) != 1 {
			tb.Fatal("no result")
		}
	}
}
