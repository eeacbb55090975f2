package swim

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/race"
	"github.com/e3431adc/memberlist/internal/recorder"
	"github.com/e3431adc/memberlist/internal/wire"
)

// fuzzSeeds returns a recording from the start, and one from a checkpoint, with calls of many kinds.
func fuzzSeeds(f testing.TB) []*recorder.File {
	r, turn := recordedCore(false, nil)
	turn.Start()
	turn.End()
	for i := 1; i < 12; i++ {
		if i == 6 {
			r.ring.Begin(r.checkpoint())
		}
		turn.Begin(testStart.Add(time.Duration(i)*time.Second), new(Output))
		turn.Waited(time.Millisecond)
		turn.Tick()
		from := Endpoint{AddrPort: memberAddr(i)}
		turn.StepGossip(from, viewOf(f, wire.TypeAlive, (&wire.Alive{Incarnation: 1, Node: memberName(i), Addr: memberAddr(i).Addr().AsSlice(),
			Port: 7946, Meta: []byte("metadata"), Vsn: testVersions[:]}).Append(nil)[1:]))
		turn.StepPing(from, &wire.PingView{SeqNo: 1, SourceNode: []byte(memberName(i))}, nil)
		turn.Step(from, &wire.Ack{SeqNo: turn.Ping(Endpoint{Name: memberName(i), AddrPort: memberAddr(i)})})
		states := wire.StatesOf(wire.PushNodeState{Name: "x", Addr: []byte{10, 0, 1, byte(i)}, Port: 7946, Incarnation: 1, Vsn: testVersions[:]})
		turn.Merge(new(Peer), &states)
		turn.StepGossip(from, viewOf(f, wire.TypeSuspect, (&wire.Suspect{Incarnation: 1, Node: memberName(i), From: "m1"}).Append(nil)[1:]))
		turn.End()
	}
	whole := r.File()
	return []*recorder.File{
		{Header: whole.Header, Segments: whole.Segments[:1]},
		{Header: whole.Header, Segments: whole.Segments[1:]},
	}
}

// FuzzReplay replays files whose checksums are right and whose contents are anything, exactly and as an experiment. They end, with an error or
// without one.
func FuzzReplay(f *testing.F) {
	hostile := hostileFiles(f)
	for _, file := range append(fuzzSeeds(f), slices.Collect(maps.Values(hostile))...) {
		f.Add(file.Header, file.Segments[0].Checkpoint, file.Segments[0].Calls)
	}
	f.Fuzz(func(t *testing.T, head, checkpoint, calls []byte) {
		for _, exact := range []bool{true, false} {
			replayAny(t, &recorder.File{Header: head, Segments: []recorder.Segment{{Checkpoint: checkpoint, Calls: calls}}}, exact)
		}
	})
}

func replayAny(t *testing.T, file *recorder.File, exact bool) error {
	p, err := NewReplay(file, exact)
	for turns := 0; err == nil; turns++ {
		if turns > len(file.Segments[0].Calls) {
			t.Fatal("more turns than bytes")
		}
		var turn *ReplayedTurn
		if turn, err = p.Next(); turn != nil {
			turn.About("m1", func(e *Evidence) string { return e.By })
		}
	}
	if !errors.Is(err, io.EOF) && !errors.Is(err, recorder.ErrCorrupt) && !errors.Is(err, ErrDiverged) && !errors.Is(err, ErrLayout) &&
		!errors.Is(err, ErrPanicked) {
		t.Fatal(err)
	}
	return err
}

// TestReplayOfFalseBytes changes each third byte of a recording, behind its checksums; fewer with the race detector.
func TestReplayOfFalseBytes(t *testing.T) {
	step := 3
	if race.Enabled {
		step = 20
	}
	for _, file := range fuzzSeeds(t) {
		s := &file.Segments[0]
		for _, part := range []*[]byte{&file.Header, &s.Checkpoint, &s.Calls} {
			right := *part
			for i := 0; i < len(right); i += step {
				*part = bytes.Clone(right)
				(*part)[i] ^= 0xff >> (i % 7)
				replayAny(t, file, i%2 == 0)
			}
			*part = right
		}
	}
}

// hostileFiles returns recordings that no recorder has written: small ones that ask for much memory or work, and one with a circle.
func hostileFiles(tb testing.TB) map[string]*recorder.File {
	files := make(map[string]*recorder.File)
	add := func(name string, change func(*Recorder, *Turn), header func(*Config)) {
		r, turn := recordedCore(false, nil)
		for i := 1; i < 12; i++ {
			turn.StepGossip(Endpoint{}, viewOf(tb, wire.TypeAlive, (&wire.Alive{Incarnation: 1, Node: memberName(i),
				Addr: memberAddr(i).Addr().AsSlice(), Port: 7946, Vsn: testVersions[:]}).Append(nil)[1:]))
		}
		turn.Start()
		turn.End()
		if change != nil {
			change(r, turn)
		}
		r.ring.Begin(r.checkpoint())
		turn.Begin(testStart.Add(time.Hour), new(Output))
		if change == nil {
			for range 200 {
				turn.StepPing(Endpoint{AddrPort: memberAddr(1)}, &wire.PingView{SeqNo: 1, SourceNode: []byte("m1")}, make([]byte, 60<<10))
			}
		}
		turn.Tick()
		turn.End()
		f := r.File()
		if header != nil {
			cfg := testConfig()
			cfg.Extensions = true
			header(&cfg)
			f.Header = r.header(&cfg)
		}
		files[name] = &recorder.File{Header: f.Header, Segments: f.Segments[len(f.Segments)-1:]}
	}
	same := func(*Recorder, *Turn) {}
	add("metadata", nil, nil)
	add("gossip without end", same, func(c *Config) { c.GossipInterval, c.SuspicionMult, c.RetransmitMult = 1, 1<<20, 1<<20 })
	add("probes without end", same, func(c *Config) { c.ProbeInterval = 0 })
	add("push/pulls without end", same, func(c *Config) { c.PushPullInterval = 0 })
	add("a circle", func(_ *Recorder, t *Turn) {
		one := &check{due: newDeadline(dueCheck)}
		one.due.check = one
		t.checks.byName["m1"] = one
		t.deadlines.heap = append(t.deadlines.heap, one.due, one.due, t.deadlines.heap[0])
	}, nil)
	add("one member at an address twice", func(_ *Recorder, t *Turn) {
		m := t.table.named("m1")
		for range 1000 {
			t.table.byAddr.Add(t.table.address(m).hash(t.table.seed), uint32(m.ID))
		}
	}, nil)
	add("many members at an address", func(_ *Recorder, t *Turn) {
		for i := 2; i < 12; i++ {
			m := t.table.named(memberName(i))
			t.table.forgetAddr(m)
			t.table.setAddress(m, addressOf(memberAddr(1)))
			t.table.byAddr.Add(t.table.address(m).hash(t.table.seed), uint32(m.ID))
		}
	}, nil)
	return files
}

// TestHostileRecordings: the replay of any file ends, and takes memory within a multiple of the file's size.
func TestHostileRecordings(t *testing.T) {
	refused := map[string]bool{"metadata": true, "probes without end": true, "push/pulls without end": true, "one member at an address twice": true,
		"many members at an address": true}
	for name, file := range hostileFiles(t) {
		t.Run(name, func(t *testing.T) {
			for _, exact := range []bool{true, false} {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				err := replayAny(t, file, exact)
				runtime.ReadMemStats(&after)
				if refused[name] && !exact && !errors.Is(err, recorder.ErrCorrupt) {
					t.Errorf("the replay ends with %v", err)
				}
				size := uint64(len(file.Header) + len(file.Segments[0].Checkpoint) + len(file.Segments[0].Calls))
				if got, most := after.TotalAlloc-before.TotalAlloc, 24<<20+512*size; got > most {
					t.Errorf("%d bytes are allocated for a file of %d", got, size)
				}
			}
		})
	}
}
