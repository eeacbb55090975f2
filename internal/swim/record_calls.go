package swim

import (
	"net/netip"
	"reflect"
	"strings"
	"time"

	"github.com/e3431adc/memberlist/internal/recorder"
	"github.com/e3431adc/memberlist/internal/wire"
)

// calls is the memory for the arguments of each method of Turn that is recorded, under the name of the method.
type calls struct {
	Tick                 recordedCall[callTick]
	Waited               recordedCall[callWaited]
	SetCompressionBudget recordedCall[callSetCompressionBudget]
	StepPing             recordedCall[callStepPing]
	Step                 recordedCall[callStep]
	StepGossip           recordedCall[callStepGossip]
	FillGossip           recordedCall[callFillGossip]
	Merge                recordedCall[callMerge]
	Answered             recordedCall[callAnswered]
	NotThere             recordedCall[callNotThere]
	NoteFeatures         recordedCall[callNoteFeatures]
	SendFailed           recordedCall[callSendFailed]
	StreamPingDone       recordedCall[callStreamPingDone]
	StreamRefused        recordedCall[callStreamRefused]
	StreamOpened         recordedCall[callStreamOpened]
	StreamFailed         recordedCall[callStreamFailed]
	SetZone              recordedCall[callSetZone]
	GossipAmong          recordedCall[callGossipAmong]
	PushPullAmong        recordedCall[callPushPullAmong]
	Start                recordedCall[callStart]
	Introduce            recordedCall[callIntroduce]
	Announce             recordedCall[callAnnounce]
	BeginAddressChange   recordedCall[callBeginAddressChange]
	FinishAddressChange  recordedCall[callFinishAddressChange]
	Leave                recordedCall[callLeave]
	Return               recordedCall[callReturn]
	Forget               recordedCall[callForget]
	ForceLeaveAlive      recordedCall[callForceLeaveAlive]
	HaveSeeds            recordedCall[callHaveSeeds]
	HaveNoSeeds          recordedCall[callHaveNoSeeds]
	Ping                 recordedCall[callPing]
	Settle               recordedCall[callSettle]
}

// all lists the calls in the order of their entries.
func (c *calls) all() []anyCall {
	return []anyCall{
		&c.Tick, &c.Waited, &c.SetCompressionBudget, &c.StepPing, &c.Step, &c.StepGossip, &c.FillGossip, &c.Merge, &c.Answered, &c.NotThere,
		&c.NoteFeatures, &c.SendFailed, &c.StreamPingDone, &c.StreamRefused, &c.StreamOpened, &c.StreamFailed, &c.SetZone, &c.GossipAmong, &c.PushPullAmong, &c.Start,
		&c.Introduce, &c.Announce, &c.BeginAddressChange, &c.FinishAddressChange, &c.Leave, &c.Return, &c.Forget,
		&c.ForceLeaveAlive, &c.HaveSeeds, &c.HaveNoSeeds, &c.Ping, &c.Settle,
	}
}

// recordedCall is the memory for the arguments of one call.
type recordedCall[T any] struct {
	entry     byte
	encoding  recorder.Encoding[T]
	arguments T
}

// anyCall is a *recordedCall.
type anyCall interface {
	typ() reflect.Type
	method() string
	init(entry byte, c *recorder.Codec)
	read(d *recorder.Decoder) (call, error)
}

func (c *recordedCall[T]) typ() reflect.Type { return reflect.TypeFor[T]() }

// method returns the name of the method.
func (c *recordedCall[T]) method() string { return strings.TrimPrefix(c.typ().Name(), "call") }

func (c *recordedCall[T]) init(entry byte, codec *recorder.Codec) {
	c.entry, c.encoding = entry, recorder.EncodingOf[T](codec)
}

func (c *recordedCall[T]) read(d *recorder.Decoder) (call, error) {
	one := new(T)
	err := c.encoding.Read(d, one)
	return any(one).(call), err
}

// call is a recorded call of a method of Turn: a pointer to its arguments.
type call interface {
	do(t *Turn)
}

type (
	callTick                 struct{}
	callWaited               struct{ For time.Duration }
	callSetCompressionBudget struct{ Bytes int }
	callStepPing             struct {
		From    Endpoint
		Ping    wire.PingView
		Payload []byte
	}
	callStep struct {
		From    Endpoint
		Message wire.Message
	}
	callStepGossip struct {
		From    Endpoint
		Message wire.GossipView
	}
	callFillGossip struct {
		Packet Packet
		Used   int
	}
	callMerge struct {
		Peer   Peer
		States wire.States
	}
	callAnswered     struct{ Addr netip.AddrPort }
	callNotThere     struct{ Lost Member }
	callNoteFeatures struct {
		From     netip.AddrPort
		Features wire.Features
	}
	callSendFailed struct {
		Seq uint32
		Err error
	}
	callStreamPingDone struct{ Seq uint32 }
	callStreamRefused  struct{ Seq uint32 }
	callStreamOpened   struct{ Seq uint32 }
	callStreamFailed   struct {
		Seq    uint32
		Reason string
	}
	callSetZone struct {
		Of   Member
		Zone string
	}
	callGossipAmong   struct{ Selection recordedSelection }
	callPushPullAmong struct{ Selection recordedSelection }
	callStart         struct{}
	callIntroduce     struct {
		Addr     netip.AddrPort
		Meta     []byte
		Versions Versions
	}
	callAnnounce struct {
		Addr     netip.AddrPort
		Meta     []byte
		Versions Versions
		Notice   uint64
	}
	callBeginAddressChange  struct{ Notice uint64 }
	callFinishAddressChange struct {
		Addr   netip.AddrPort
		Notice uint64
	}
	callLeave           struct{ Notice uint64 }
	callReturn          struct{}
	callForget          struct{ Name string }
	callForceLeaveAlive struct {
		Name   string
		Notice uint64
	}
	callHaveSeeds   struct{}
	callHaveNoSeeds struct{}
	callPing        struct{ To Endpoint }
	callSettle      struct{ Plain []string }
)

// recordedSelection is a Selection without its names, which are recorded when they are used.
type recordedSelection struct {
	All       bool // there is none
	Len       int
	Preferred string
}

func recordedSelectionOf(s *Selection) recordedSelection {
	if s == nil {
		return recordedSelection{All: true}
	}
	return recordedSelection{Len: s.Len, Preferred: s.Preferred}
}

func (s *recordedSelection) selection() *Selection {
	if s.All {
		return nil
	}
	return &Selection{Len: s.Len, Preferred: s.Preferred}
}

// do leaves the states to be read again.
func (c *callMerge) do(t *Turn) {
	states := c.States
	t.Merge(&c.Peer, &states)
}

func (c *callTick) do(t *Turn)                 { t.Tick() }
func (c *callWaited) do(t *Turn)               { t.Waited(c.For) }
func (c *callSetCompressionBudget) do(t *Turn) { t.SetCompressionBudget(c.Bytes) }
func (c *callStepPing) do(t *Turn)             { t.StepPing(c.From, &c.Ping, c.Payload) }
func (c *callStep) do(t *Turn)                 { t.Step(c.From, c.Message) }
func (c *callStepGossip) do(t *Turn)           { t.StepGossip(c.From, &c.Message) }
func (c *callFillGossip) do(t *Turn)           { t.FillGossip(new(Output), &c.Packet, c.Used) }
func (c *callAnswered) do(t *Turn)             { t.Answered(c.Addr) }
func (c *callNotThere) do(t *Turn)             { t.NotThere(c.Lost) }
func (c *callNoteFeatures) do(t *Turn)         { t.NoteFeatures(c.From, c.Features) }
func (c *callSendFailed) do(t *Turn)           { t.SendFailed(c.Seq, c.Err) }
func (c *callStreamPingDone) do(t *Turn)       { t.StreamPingDone(c.Seq) }
func (c *callStreamRefused) do(t *Turn)        { t.StreamRefused(c.Seq) }
func (c *callStreamOpened) do(t *Turn)         { t.StreamOpened(c.Seq) }
func (c *callStreamFailed) do(t *Turn)         { t.StreamFailed(c.Seq, c.Reason) }
func (c *callSetZone) do(t *Turn)              { t.SetZone(&c.Of, c.Zone) }
func (c *callGossipAmong) do(t *Turn)          { t.GossipAmong(c.Selection.selection()) }
func (c *callPushPullAmong) do(t *Turn)        { t.PushPullAmong(c.Selection.selection()) }
func (c *callStart) do(t *Turn)                { t.Start() }
func (c *callIntroduce) do(t *Turn)            { t.Introduce(c.Addr, c.Meta, c.Versions) }
func (c *callAnnounce) do(t *Turn)             { t.Announce(c.Addr, c.Meta, c.Versions, c.Notice) }
func (c *callBeginAddressChange) do(t *Turn)   { t.BeginAddressChange(c.Notice) }
func (c *callFinishAddressChange) do(t *Turn)  { t.FinishAddressChange(c.Addr, c.Notice) }
func (c *callLeave) do(t *Turn)                { t.Leave(c.Notice) }
func (c *callReturn) do(t *Turn)               { t.Return() }
func (c *callForget) do(t *Turn)               { t.Forget(c.Name) }
func (c *callForceLeaveAlive) do(t *Turn)      { t.ForceLeaveAlive(c.Name, c.Notice) }
func (c *callHaveSeeds) do(t *Turn)            { t.HaveSeeds() }
func (c *callHaveNoSeeds) do(t *Turn)          { t.HaveNoSeeds() }
func (c *callPing) do(t *Turn)                 { t.Ping(c.To) }
func (c *callSettle) do(t *Turn)               { t.Settle(c.Plain) }
