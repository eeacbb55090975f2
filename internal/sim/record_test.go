package sim

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/race"
	"github.com/e3431adc/memberlist/internal/recorder"
	"github.com/e3431adc/memberlist/internal/swim"
)

// recordings are the recorders of the cores of a simulation: one for each start of a node.
type recordings []*swim.Recorder

// record has the cores of a simulation recorded, with so many bytes each.
func record(cfg *Config, size int, metadata bool) *recordings {
	all, before := new(recordings), cfg.Tamper.Config
	cfg.Tamper.Config = func(node int, core *swim.Config) {
		if before != nil {
			before(node, core)
		}
		core.Recorder = swim.NewRecorder(size, metadata)
		*all = append(*all, core.Recorder)
	}
	return all
}

// written returns a recording as it is after it was written and read.
func written(t testing.TB, r *swim.Recorder) *recorder.File {
	t.Helper()
	var b bytes.Buffer
	if _, err := r.File().WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	f, err := recorder.Read(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// replayAll replays a recording exactly, and returns the number of turns.
func replayAll(f *recorder.File) (turns int, err error) {
	r, err := swim.NewReplay(f, true)
	if err != nil {
		return 0, err
	}
	for {
		turn, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return turns, nil
		case err != nil:
			return turns, err
		case !turn.Complete:
			return turns, fmt.Errorf("turn %d is not complete", turn.Number)
		}
		turns = turn.Number
	}
}

// TestRecordings records all cores of all scenarios, and replays each recording: the outputs are the same, and so is the state at each
// checkpoint. The sizes are such that some recordings have all from the start, and others only the last of many segments.
func TestRecordings(t *testing.T) {
	seeds := uint64(2)
	if race.Enabled || testing.Short() {
		seeds = 1
	}
	whole, rolled, turns := 0, 0, 0
	for _, sc := range chosen(t) {
		for seed := *seedFlag; seed < *seedFlag+seeds; seed++ {
			cfg := sc.Config(seed)
			all := record(&cfg, 4<<10, seed%2 == 1)
			settle(cfg)
			for i, r := range *all {
				f := written(t, r)
				n, err := replayAll(f)
				if err != nil {
					t.Fatalf("%s, seed %d, core %d: %v", sc.Name, seed, i, err)
				}
				turns += n
				if len(f.Segments[0].Checkpoint) > 0 {
					rolled++
				} else {
					whole++
				}
			}
		}
	}
	t.Logf("%d turns; %d recordings from the start, %d from a checkpoint", turns, whole, rolled)
	if whole == 0 || rolled == 0 {
		t.Error("there are not both kinds of recordings")
	}
}

// TestRecordingSize: a member of a hundred at rest records less a minute than the documentation of RecorderOptions says.
func TestRecordingSize(t *testing.T) {
	cfg := Config{N: 100, Seed: 1, Unchecked: true}
	var r *swim.Recorder
	cfg.Tamper.Config = func(node int, core *swim.Config) {
		if node == 0 {
			r = swim.NewRecorder(16<<20, false)
			core.Recorder = r
		}
	}
	s := New(cfg)
	size := func(at time.Duration) int {
		if err := s.RunUntil(at); err != nil {
			t.Fatal(err)
		}
		return len(r.File().Segments[0].Calls)
	}
	const minutes = 5
	before := size(time.Minute)
	if got := (size((minutes+1)*time.Minute) - before) / minutes; got > 8<<10 {
		t.Errorf("%d bytes a minute", got)
	} else {
		t.Logf("%d bytes a minute", got)
	}
}
