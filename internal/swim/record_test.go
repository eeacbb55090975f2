package swim

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/recorder"
	"github.com/e3431adc/memberlist/internal/wire"
)

// recordedCore returns a Core that is recorded, in the turn that announces it.
func recordedCore(metadata bool, change func(*Config)) (*Recorder, *Turn) {
	cfg := testConfig()
	cfg.Extensions = true
	if change != nil {
		change(&cfg)
	}
	cfg.Recorder = NewRecorder(1<<20, metadata)
	turn := New(cfg).Begin(testStart, new(Output))
	turn.Announce(memberAddr(0), []byte("the metadata of self"), testVersions, 0)
	return cfg.Recorder, turn
}

// replayed replays a recording exactly, and returns its last turn.
func replayedTurns(t *testing.T, r *Recorder) (turns []ReplayedTurn) {
	t.Helper()
	p, err := NewReplay(r.File(), true)
	if err != nil {
		t.Fatal(err)
	}
	for {
		turn, err := p.Next()
		if errors.Is(err, io.EOF) {
			return turns
		}
		if err != nil {
			t.Fatal(err)
		}
		turns = append(turns, *turn)
	}
}

// TestTurnIsRecorded calls each exported method of Turn: its name and arguments are recorded before it does anything. A new method needs
// a put, and a place in calls.
func TestTurnIsRecorded(t *testing.T) {
	unrecorded := map[string]string{"End": "it is an entry of its own", "ForceLeave": "it calls ForceLeaveAlive"}
	core := reflect.TypeFor[*Core]()
	turn := reflect.TypeFor[*Turn]()
	for i := range turn.NumMethod() {
		method := turn.Method(i)
		if _, reads := core.MethodByName(method.Name); reads || unrecorded[method.Name] != "" {
			continue
		}
		t.Run(method.Name, func(t *testing.T) {
			r, turn := recordedCore(false, nil)
			turn.End()
			turn.Begin(testStart.Add(time.Second), new(Output))
			func() {
				defer func() { _ = recover() }() // most arguments make no sense
				reflect.ValueOf(turn).MethodByName(method.Name).Call(anyArguments(method.Type))
			}()
			p, err := NewReplay(r.File(), true)
			if err != nil {
				t.Fatal(err)
			}
			var last *ReplayedTurn
			for range 2 {
				last, _ = p.Next()
			}
			if len(last.Calls) != 1 || last.Calls[0].Method != method.Name {
				t.Errorf("recorded %+v", last.Calls)
			}
		})
	}
}

// anyArguments returns arguments for a method: zero values, but for numbers and what pointers point to.
func anyArguments(method reflect.Type) []reflect.Value {
	var arguments []reflect.Value
	for i := 1; i < method.NumIn(); i++ {
		v := reflect.New(method.In(i)).Elem()
		switch {
		case v.CanInt():
			v.SetInt(int64(time.Hour))
		case v.Kind() == reflect.Pointer:
			v.Set(reflect.New(v.Type().Elem()))
		}
		arguments = append(arguments, v)
	}
	return arguments
}

// TestOutputIsRecorded changes each field of an Output with all of them, and of one of most turns: the recorded checksum is another one.
func TestOutputIsRecorded(t *testing.T) {
	r := NewRecorder(1<<20, true)
	r.calling.Base, r.outcome.Base = testStart, testStart
	full := func() *Output {
		out := new(Output)
		fillValue(reflect.ValueOf(out).Elem())
		return out
	}
	usual := func() *Output {
		out := full()
		return &Output{Packets: out.Packets, Pings: out.Pings, Health: 1, Wakeup: testStart.Add(time.Second)}
	}
	for _, output := range []func() *Output{full, usual} {
		out := output()
		before, changes := r.sumOf(output(), 0), 0
		eachLeaf(reflect.ValueOf(out).Elem(), "Output", func(name string, v reflect.Value, changed any) {
			changes++
			was := v.Interface()
			v.Set(reflect.ValueOf(changed).Convert(v.Type()))
			if r.sumOf(out, 0) == before {
				t.Errorf("%s does not count", name)
			}
			if was == nil {
				v.SetZero()
			} else {
				v.Set(reflect.ValueOf(was))
			}
		})
		if changes < 30 {
			t.Errorf("only %d fields", changes)
		}
		if out := usual(); !out.isUsual() {
			t.Error("an output with packets and pings is not usual")
		}
	}
}

// fillValue makes slices and pointers of an Output have one element.
func fillValue(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fillValue(v.Field(i))
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fillValue(v.Index(0))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillValue(v.Elem())
	}
}

// eachLeaf calls visit with each number, text and so on, and another value for it.
func eachLeaf(v reflect.Value, name string, visit func(name string, v reflect.Value, changed any)) {
	switch x := v.Interface().(type) {
	case time.Time:
		visit(name, v, x.Add(time.Second))
		return
	case netip.AddrPort:
		visit(name, v, memberAddr(1))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				eachLeaf(v.Field(i), name+"."+v.Type().Field(i).Name, visit)
			}
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			eachLeaf(v.Index(i), name, visit)
		}
	case reflect.Pointer:
		eachLeaf(v.Elem(), name, visit)
	case reflect.Interface:
		visit(name, v, io.EOF)
	case reflect.Bool:
		visit(name, v, !v.Bool())
	case reflect.String:
		visit(name, v, v.String()+"x")
	default:
		visit(name, v, 7)
	}
}

// TestRecordingWithholdsMetadata looks for metadata and payloads in the bytes of a recording, in all ways in which they get into it.
func TestRecordingWithholdsMetadata(t *testing.T) {
	for _, metadata := range []bool{false, true} {
		r, turn := recordedCore(metadata, nil)
		from := Endpoint{AddrPort: memberAddr(1)}
		turn.StepGossip(from, viewOf(t, wire.TypeAlive, (&wire.Alive{Incarnation: 1, Node: "m1", Addr: []byte{10, 0, 0, 1}, Port: 7946,
			Meta: []byte("gossiped metadata"), Vsn: testVersions[:]}).Append(nil)[1:]))
		states := wire.StatesOf(wire.PushNodeState{Name: "m2", Addr: []byte{10, 0, 0, 2}, Port: 7946, Incarnation: 1,
			Meta: []byte("exchanged metadata"), Vsn: testVersions[:]})
		turn.Merge(new(Peer), &states)
		turn.StepPing(from, &wire.PingView{SeqNo: 1, SourceNode: []byte("m1")}, []byte("the payload of an ack"))
		seq := turn.Ping(Endpoint{Name: "m1", AddrPort: memberAddr(1)})
		turn.Step(from, &wire.Ack{SeqNo: seq, Payload: []byte("payload from a peer")})
		turn.End()
		r.ring.Begin(r.checkpoint())
		var b bytes.Buffer
		if _, err := r.File().WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"the metadata of self", "gossiped metadata", "exchanged metadata", "the payload of an ack", "payload from a peer"} {
			if got := strings.Contains(b.String(), secret); got != metadata {
				t.Errorf("%q is in it: %v, want %v", secret, got, metadata)
			}
		}
		if !strings.Contains(b.String(), "m2") {
			t.Error("there are no names in it")
		}
		turns := replayedTurns(t, r)
		self, _ := turns[len(turns)-1].Core.Member("self")
		if got := string(self.Meta) == "the metadata of self"; got != metadata || len(self.Meta) != 20 {
			t.Errorf("the replayed metadata is %q", self.Meta)
		}
	}
}

// TestRecordingOfPanic: a recording that is taken while a turn panics ends with the call that does, and its replay panics too.
func TestRecordingOfPanic(t *testing.T) {
	r, turn := recordedCore(false, nil)
	turn.End()
	turn.Begin(testStart.Add(time.Second), new(Output))
	turn.Waited(time.Hour)
	var file *recorder.File
	func() {
		defer func() {
			if recover() == nil {
				t.Fatal("no panic")
			}
			file = r.File()
		}()
		turn.PushPullAmong(&Selection{Len: -1})
	}()
	p, err := NewReplay(file, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Next(); err != nil {
		t.Fatal(err)
	}
	last, err := p.Next()
	if !errors.Is(err, ErrPanicked) || last.Complete || len(last.Calls) != 2 || last.Calls[1].Method != "PushPullAmong" {
		t.Errorf("replayed %+v, %v", last.Calls, err)
	}
	if _, err := p.Next(); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

// TestRecordingEndsAnywhere cuts a recording off after each of its bytes, as if it were taken at that time.
func TestRecordingEndsAnywhere(t *testing.T) {
	r, turn := recordedCore(false, func(cfg *Config) { cfg.Allowed = func(netip.Addr) bool { return true } })
	turn.Start()
	turn.End()
	for i := range 20 {
		turn.Begin(testStart.Add(time.Duration(i)*time.Second), new(Output))
		turn.StepGossip(Endpoint{AddrPort: memberAddr(i)}, viewOf(t, wire.TypeAlive, (&wire.Alive{Incarnation: 1, Node: memberName(i),
			Addr: memberAddr(i).Addr().AsSlice(), Port: 7946, Meta: []byte("metadata"), Vsn: testVersions[:]}).Append(nil)[1:]))
		turn.Tick()
		turn.End()
	}
	calls := r.File().Segments[0].Calls
	complete := 0
	for n := range len(calls) + 1 {
		p, err := NewReplay(&recorder.File{Header: r.File().Header, Segments: []recorder.Segment{{Calls: calls[:n]}}}, true)
		for err == nil {
			var turn *ReplayedTurn
			if turn, err = p.Next(); err == nil && turn.Complete {
				complete++
			}
		}
		if !errors.Is(err, io.EOF) && !errors.Is(err, recorder.ErrCorrupt) {
			t.Fatalf("after %d bytes of %d: %v", n, len(calls), err)
		}
	}
	if complete == 0 {
		t.Error("no turn was complete")
	}
}

// TestRecordingAllocatesNothing: no call allocates for it, with a recorder or without one.
func TestRecordingAllocatesNothing(t *testing.T) {
	cfg := testConfig()
	cfg.Extensions, cfg.Rand = true, rand.New(rand.NewPCG(1, 2))
	allocations := func(r *Recorder) float64 {
		cfg.Recorder = r
		core, out := New(cfg), new(Output)
		turn := core.Begin(testStart, out)
		turn.Announce(memberAddr(0), nil, testVersions, 0)
		turn.StepGossip(Endpoint{}, viewOf(t, wire.TypeAlive, (&wire.Alive{Incarnation: 1, Node: "m1", Addr: []byte{10, 0, 0, 1}, Port: 7946,
			Vsn: testVersions[:]}).Append(nil)[1:]))
		turn.End()
		ping := &wire.PingView{SeqNo: 1, Node: []byte("self"), SourceAddr: []byte{10, 0, 0, 1}, SourcePort: 7946, SourceNode: []byte("m1")}
		gossip := viewOf(t, wire.TypeSuspect, (&wire.Suspect{Incarnation: 0, Node: "m1", From: "m2"}).Append(nil)[1:])
		from := Endpoint{AddrPort: memberAddr(1)}
		now := testStart.Add(time.Minute)
		return testing.AllocsPerRun(500, func() {
			now = now.Add(time.Millisecond)
			turn := core.Begin(now, out)
			turn.Waited(0)
			turn.StepPing(from, ping, nil)
			turn.StepGossip(from, gossip)
			turn.End()
		})
	}
	if off, on := allocations(nil), allocations(NewRecorder(1<<20, false)); off != 0 || on != 0 {
		t.Errorf("%v allocations without a recorder, %v with one", off, on)
	}
}

// BenchmarkCheckpoint measures for how long a member is locked when a segment is full.
func BenchmarkCheckpoint(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			r, turn := recordedCore(false, nil)
			for i := 1; i < n; i++ {
				turn.StepGossip(Endpoint{}, viewOf(b, wire.TypeAlive, (&wire.Alive{Incarnation: 1, Node: memberName(i), Addr: []byte{10, 1, byte(i >> 8), byte(i)},
					Port: 7946, Meta: []byte("metadata"), Vsn: testVersions[:]}).Append(nil)[1:]))
			}
			turn.End()
			b.ReportAllocs()
			least := time.Hour
			for b.Loop() {
				start := time.Now()
				r.checkpoint()
				least = min(least, time.Since(start))
			}
			b.ReportMetric(float64(least), "least-ns")
			b.ReportMetric(float64(len(r.checkpoint()()))/float64(n), "B/member")
		})
	}
}
