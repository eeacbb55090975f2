package swim

import (
	"bytes"
	"errors"
	"io"
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
	for _, file := range fuzzSeeds(f) {
		f.Add(file.Header, file.Segments[0].Checkpoint, file.Segments[0].Calls)
	}
	f.Fuzz(func(t *testing.T, head, checkpoint, calls []byte) {
		for _, exact := range []bool{true, false} {
			replayAny(t, &recorder.File{Header: head, Segments: []recorder.Segment{{Checkpoint: checkpoint, Calls: calls}}}, exact)
		}
	})
}

func replayAny(t *testing.T, file *recorder.File, exact bool) {
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
