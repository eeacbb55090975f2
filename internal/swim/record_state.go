package swim

import (
	"hash/maphash"
	"reflect"
	"slices"
	"time"

	"github.com/e3431adc/memberlist/internal/index"
	"github.com/e3431adc/memberlist/internal/queue"
	"github.com/e3431adc/memberlist/internal/recorder"
	"github.com/e3431adc/memberlist/internal/wire"
)

// codecs are the encodings of what is recorded. They are made from the types, so that new fields need no code here.
type codecs struct {
	calls *recorder.Codec
	state *recorder.Codec

	output recorder.Encoding[Output]
	packet recorder.Encoding[Packet]
	counts recorder.Encoding[recordedCounts]
	core   recorder.Encoding[Core]
	queue  recorder.Encoding[savedBroadcasts]
	peer   recorder.Encoding[wire.PushNodeState]
	ack    recorder.Encoding[wire.Ack]
	nack   recorder.Encoding[wire.Nack]
	ping   recorder.Encoding[wire.IndirectPing]
	row    recorder.Encoding[member]
}

// withheld are the fields of which there is only the length and a checksum, unless metadata is kept.
var withheld = []string{"Meta", "Payload"}

func (c *codecs) init(r *Recorder) error {
	types := []reflect.Type{
		reflect.TypeFor[Output](), reflect.TypeFor[savedBroadcasts](), reflect.TypeFor[wire.PushNodeState](), reflect.TypeFor[wire.Ack](),
		reflect.TypeFor[wire.Nack](), reflect.TypeFor[wire.IndirectPing](), reflect.TypeFor[recordedCounts](),
		reflect.TypeFor[member](),
	}
	all := r.calls.all()
	for _, call := range all {
		types = append(types, call.typ())
	}
	var err error
	if c.calls, err = recorder.NewCodec(recorder.Rules{
		Custom: []recorder.Custom{
			recorder.CustomOf(c.putMessage, c.getMessage), recorder.CustomOf(r.putStates, r.getStates), recorder.CustomOf(c.putCounts, c.getCounts),
		},
		Skip:     map[reflect.Type][]string{reflect.TypeFor[Output](): {"bytes", "pieces"}},
		Withheld: withheld,
	}, types...); err != nil {
		return err
	}
	for i, call := range all {
		call.init(firstCall+byte(i), c.calls)
	}
	c.output, c.packet = recorder.EncodingOf[Output](c.calls), recorder.EncodingOf[Packet](c.calls)
	c.queue, c.peer = recorder.EncodingOf[savedBroadcasts](c.calls), recorder.EncodingOf[wire.PushNodeState](c.calls)
	c.ack, c.nack = recorder.EncodingOf[wire.Ack](c.calls), recorder.EncodingOf[wire.Nack](c.calls)
	c.ping, c.counts = recorder.EncodingOf[wire.IndirectPing](c.calls), recorder.EncodingOf[recordedCounts](c.calls)
	c.row = recorder.EncodingOf[member](c.calls)
	return c.initState(r)
}

func (c *codecs) initState(r *Recorder) (err error) {
	c.state, err = recorder.NewCodec(recorder.Rules{
		References: true,
		Custom: []recorder.Custom{
			recorder.CustomOf(r.putMember, r.getMember), recorder.CustomOf(c.putQueue, r.getQueue), recorder.CustomOf(putIndex, r.getIndex),
			recorder.CustomOf(c.putRows, c.getRows), recorder.CustomOf(putIDs, getIDs),
		},
		Skip: map[reflect.Type][]string{
			reflect.TypeFor[Core]():            {"cfg", "chosen", "turn", "rec"},
			reflect.TypeFor[table]():           {"seed", "byName"},
			reflect.TypeFor[sequenceNumbers](): {"rand", "rec"},
		},
		Withheld: withheld,
	}, reflect.TypeFor[Core]())
	if err == nil {
		c.core = recorder.EncodingOf[Core](c.state)
	}
	return err
}

// recordedCounts are Counts of which some are not zero. Counts of most turns are all zero, and encoded as one byte.
type recordedCounts Counts

func (c *codecs) putCounts(e *recorder.Encoder, counts *Counts) {
	some := *counts != Counts{}
	if e.Bool(some); some {
		c.counts.Put(e, (*recordedCounts)(counts))
	}
}

func (c *codecs) getCounts(d *recorder.Decoder, counts *Counts) {
	if d.Bool() {
		c.counts.Get(d, (*recordedCounts)(counts))
	}
}

// The messages that Step handles, by their first byte.
const (
	messageNone = iota
	messageAck
	messageNack
	messageIndirectPing
)

func (c *codecs) putMessage(e *recorder.Encoder, m *wire.Message) {
	switch m := (*m).(type) {
	case *wire.Ack:
		e.Byte(messageAck)
		c.ack.Put(e, m)
	case *wire.Nack:
		e.Byte(messageNack)
		c.nack.Put(e, m)
	case *wire.IndirectPing:
		e.Byte(messageIndirectPing)
		c.ping.Put(e, m)
	default:
		e.Byte(messageNone)
	}
}

func (c *codecs) getMessage(d *recorder.Decoder, m *wire.Message) {
	switch d.Byte() {
	case messageAck:
		ack := new(wire.Ack)
		c.ack.Get(d, ack)
		*m = ack
	case messageNack:
		nack := new(wire.Nack)
		c.nack.Get(d, nack)
		*m = nack
	case messageIndirectPing:
		ping := new(wire.IndirectPing)
		c.ping.Get(d, ping)
		*m = ping
	}
}

// putStates records the states that Merge may take. Most are those that the table has, and are recorded as the ID of the member there.
func (r *Recorder) putStates(e *recorder.Encoder, states *wire.States) {
	unread, t := *states, &r.core.table
	e.Uvarint(uint64(min(unread.Len(), statesAtOnce)))
	var v wire.StateView
	var names sequence
	for i := 0; i < statesAtOnce && unread.Next(&v); i++ {
		if m := t.following(v.Name(), &names); m != nil && t.isState(m, &v) {
			e.Uvarint(uint64(m.ID) + 1)
			continue
		}
		e.Uvarint(0)
		state := v.Named(string(v.Name()))
		r.codecs.peer.Put(e, &state)
	}
}

// isState reports whether a state has all that the table has of a member that is alive.
func (t *table) isState(m *member, v *wire.StateView) bool {
	return State(v.State) == StateAlive && m.State == StateAlive && v.Incarnation == m.Incarnation && v.Port == m.port &&
		string(v.Addr()) == string(t.ip(m)) && string(v.Meta()) == string(m.Meta) && (v.Meta() == nil) == (m.Meta == nil) &&
		string(v.Vsn()) == string(m.Versions[:]) && string(v.Zone()) == string(t.zones.bytes(m.zone))
}

// getStates reads states. Those by an ID that is not in use are left out: the Core has not done what the recorded one did.
func (r *Recorder) getStates(d *recorder.Decoder, states *wire.States) {
	n := d.Uvarint()
	if n > statesAtOnce {
		d.Fail()
		return
	}
	var read []wire.PushNodeState
	for range n {
		var state wire.PushNodeState
		if id := d.Uvarint(); id == 0 {
			r.codecs.peer.Get(d, &state)
		} else if m := r.core.table.known(id - 1); m != nil {
			alive := r.core.table.alive(m, m.Incarnation)
			state = wire.PushNodeState{Name: m.Name, Addr: alive.Addr, Port: alive.Port, Meta: m.Meta, Incarnation: m.Incarnation, Vsn: alive.Vsn,
				Zone: alive.Zone}
		} else {
			continue
		}
		read = append(read, state)
	}
	*states = wire.StatesOf(read...)
}

// known returns the member with an ID, or nil if there is none.
func (t *table) known(id uint64) *member {
	if id >= uint64(len(t.chunks)*chunkSize) {
		return nil
	}
	if m := t.at(ID(id)); m.Name != "" {
		return m
	}
	return nil
}

// putMember encodes a reference to a row of the table: the place of that, from 1 on.
func (r *Recorder) putMember(e *recorder.Encoder, ref **member) {
	m := *ref
	if m == nil {
		e.Uvarint(0)
		return
	}
	e.Uvarint(uint64(r.core.table.placeOf(m)) + 1)
}

func (r *Recorder) getMember(d *recorder.Decoder, ref **member) {
	place := d.Uvarint()
	if place == 0 {
		return
	}
	d.Later(func() {
		if place > uint64(len(r.core.table.chunks)*chunkSize) {
			d.Fail()
			return
		}
		*ref = r.core.table.at(ID(place - 1))
	})
}

// placeOf returns the ID that a row of the table has or had.
func (t *table) placeOf(m *member) ID {
	if int(m.ID) < len(t.chunks)*chunkSize && t.at(m.ID) == m {
		return m.ID
	}
	for i, chunk := range t.chunks { // it was removed
		for k := range chunk {
			if &chunk[k] == m {
				return ID(i*chunkSize + k)
			}
		}
	}
	return 0
}

// savedBroadcasts are the broadcasts of a checkpoint.
type savedBroadcasts struct {
	Items   []queue.Saved[broadcast]
	Last    uint64
	Waiting []waiter
}

func (c *codecs) putQueue(e *recorder.Encoder, q *broadcasts) {
	saved := savedBroadcasts{Waiting: slices.Clone(q.waiting)}
	saved.Items, saved.Last = q.order.Save()
	e.Defer(func(e *recorder.Encoder) { c.queue.Put(e, &saved) })
}

// getQueue makes the queue again, once the length of the table is known.
func (r *Recorder) getQueue(d *recorder.Decoder, q *broadcasts) {
	var saved savedBroadcasts
	r.codecs.queue.Get(d, &saved)
	q.waiting = saved.Waiting
	q.order.Restore(saved.Items, saved.Last, func(i *queue.Item[broadcast]) {
		b := &i.Value
		if b.kind == leftOldAddr {
			return
		}
		if int(b.member) >= len(r.core.table.chunks)*chunkSize {
			d.Fail()
			return
		}
		q.setAbout(b.member, i)
	})
}

// rows are the rows of a table.
type rows = []*[chunkSize]member

// putRows copies the rows, and leaves it to Encoder.Finish to encode them: that takes a hundred times as long.
func (c *codecs) putRows(e *recorder.Encoder, table *rows) {
	copied := make([][chunkSize]member, len(*table))
	for i, chunk := range *table {
		copied[i] = *chunk
	}
	e.Defer(func(e *recorder.Encoder) {
		e.Uvarint(uint64(len(copied)))
		for i := range copied {
			for k := range copied[i] {
				c.row.Put(e, &copied[i][k])
			}
		}
	})
}

func (c *codecs) getRows(d *recorder.Decoder, table *rows) {
	n := d.Uvarint()
	for ; n > 0 && d.Err() == nil; n-- {
		chunk := new([chunkSize]member)
		for k := range chunk {
			c.row.Get(d, &chunk[k])
		}
		*table = append(*table, chunk)
	}
}

func putIDs(e *recorder.Encoder, ids *[]ID) {
	copied := slices.Clone(*ids)
	e.Defer(func(e *recorder.Encoder) {
		e.Uvarint(uint64(len(copied)))
		for _, id := range copied {
			e.Uvarint(uint64(id))
		}
	})
}

func getIDs(d *recorder.Decoder, ids *[]ID) {
	n := d.Uvarint()
	for ; n > 0 && d.Err() == nil; n-- {
		*ids = append(*ids, ID(d.Uvarint()))
	}
}

// putIndex encodes the IDs in the index of addresses, in their order. The hashes, and the order of different ones, differ from process to
// process.
func putIndex(e *recorder.Encoder, x *index.Index) {
	ids := slices.AppendSeq(make([]uint32, 0, x.Len()), x.All)
	e.Defer(func(e *recorder.Encoder) {
		e.Uvarint(uint64(len(ids)))
		for _, id := range slices.Sorted(slices.Values(ids)) {
			e.Uvarint(uint64(id))
		}
	})
}

// getIndex reads the IDs, and makes the indexes again once the table is complete.
func (r *Recorder) getIndex(d *recorder.Decoder, _ *index.Index) {
	n := d.Uvarint()
	if n > uint64(d.Len()) {
		d.Fail()
		return
	}
	ids := make([]uint32, n)
	for i := range ids {
		ids[i] = uint32(d.Uvarint())
		if i > 0 && ids[i] <= ids[i-1] {
			d.Fail()
		}
	}
	d.Later(func() {
		if !r.core.table.reindex(ids) {
			d.Fail()
		}
	})
}

// reindex makes the indexes of a table with some IDs in that of addresses, and reports whether that is possible.
func (t *table) reindex(located []uint32) bool {
	t.seed, t.byName, t.byAddr = maphash.MakeSeed(), index.Index{}, index.Index{}
	for id := range uint64(len(t.chunks) * chunkSize) {
		m := t.known(id)
		switch {
		case m == nil:
		case t.named(m.Name) != nil:
			return false
		default:
			t.byName.Add(maphash.String(t.seed, m.Name), uint32(id))
		}
	}
	for _, id := range located {
		m := t.known(uint64(id))
		if m == nil {
			return false
		}
		n := 0
		for range t.locatedAll(t.address(m)) {
			n++
		}
		if n >= maxAtAddress {
			return false
		}
		t.byAddr.Add(t.address(m).hash(t.seed), id)
	}
	return true
}

// checkpoint returns a function that encodes the state of the Core between two turns, as it is now: the time of the first one and of the
// last one, and the Core.
func (r *Recorder) checkpoint() func() []byte {
	e := &recorder.Encoder{Base: r.calling.Base, Withhold: !r.metadata}
	e.Varint(r.calling.Base.UnixNano())
	e.Varint(int64(r.began.Sub(r.calling.Base)))
	r.codecs.core.Append(e, r.core)
	if e.Err() != nil {
		return func() []byte { return []byte{0} } // tests find that
	}
	return e.Finish
}

// restore sets the state of the Core to that of a checkpoint.
func (r *Recorder) restore(checkpoint []byte) error {
	c := r.core
	d := recorder.NewDecoder(checkpoint, time.Time{}, !r.metadata)
	base := time.Unix(0, d.Varint()).UTC()
	d.Base, r.calling.Base, r.outcome.Base = base, base, base
	r.clock, r.began = true, base.Add(time.Duration(d.Varint()))
	*c = Core{cfg: c.cfg, rec: r, seq: sequenceNumbers{rand: r.random, rec: r}}
	if err := r.codecs.core.Read(d, c); err != nil {
		return err
	}
	if d.Len() > 0 || c.table.self == nil {
		return recorder.ErrCorrupt
	}
	return nil
}
