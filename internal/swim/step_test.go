package swim

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// TestStaleGossip: a message has the same effect whether the fast path for stale ones handles it or all rules do.
func TestStaleGossip(t *testing.T) {
	stale := 0
	for seed := range uint64(40) {
		rules, views := newNode(t, nil), newNode(t, nil)
		rng := rand.New(rand.NewPCG(seed, 1))
		pick := func(from ...string) string { return from[rng.IntN(len(from))] }
		name := func() string {
			return pick("self", "m1", "m2", "m3", "m4", "", "stranger", strings.Repeat("x", MaxName+1))
		}
		for i := range 400 {
			if rng.IntN(20) == 0 {
				d := time.Duration(rng.Int64N(int64(20 * time.Second)))
				rules.after(d).Tick()
				views.after(d).Tick()
			}
			var message wire.Message
			node, incarnation := name(), uint32(rng.IntN(4))
			if rng.IntN(100) == 0 {
				incarnation = MaxIncarnation
			}
			switch rng.IntN(5) {
			case 0, 1, 2:
				a := &wire.Alive{Incarnation: incarnation, Node: node, Addr: memberAddr(1 + rng.IntN(2)).Addr().AsSlice(), Port: 7946,
					Meta: []byte(pick("", "web", strings.Repeat("m", MaxMeta+1))), Vsn: []byte(pick("\x01\x05\x02\x00\x00\x00", "\x01\x05\x02\x00\x00\x00", "", "\x01", "\x00\x05\x02"))}
				if len(node) == 2 && rng.IntN(3) > 0 {
					a.Addr = memberAddr(int(node[1] - '0')).Addr().AsSlice()
				}
				switch rng.IntN(20) {
				case 0:
					a.Addr = a.Addr[:3]
				case 1:
					as16 := memberAddr(1).Addr().As16()
					a.Addr = as16[:]
				case 2:
					a.Port = uint16(rng.IntN(2))
				}
				message = a
			case 3:
				message = &wire.Suspect{Incarnation: incarnation, Node: node, From: name()}
			default:
				message = &wire.Dead{Incarnation: incarnation, Node: node, From: name()}
			}
			from := Endpoint{AddrPort: memberAddr(rng.IntN(4))}
			if rng.IntN(3) == 0 {
				from = Endpoint{} // is believed
			}
			v := viewOf(t, message.Type(), message.Append(nil)[1:])
			if m := views.table.namedBytes(v.Node); m != nil && views.table.isStale(m, v) {
				stale++
			}
			rules.stepGossip(from, rules.table.namedBytes(v.Node), v)
			views.Step(from, message)
			want, got := rules.take(), views.take()
			if !reflect.DeepEqual(inOrder(got), inOrder(want)) {
				t.Fatalf("seed %d, message %d, %T %+v from %v:\ngot  %+v\nwant %+v", seed, i, message, message, from, inOrder(got), inOrder(want))
			}
		}
		if got, want := views.NumQueued(), rules.NumQueued(); got != want {
			t.Errorf("%d broadcasts are queued, want %d", got, want)
		}
		for _, name := range []string{"self", "m1", "m2", "m3", "m4", "stranger"} {
			got, _ := views.Member(name)
			want, _ := rules.Member(name)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		}
	}
	if stale < 1000 {
		t.Errorf("only %d messages were stale", stale)
	}
}

// said is the part of an Output that is compared.
type said struct {
	packets   []string
	events    []Event
	changed   []Member
	streams   []Stream
	counts    Counts
	health    int
	forgotten []ID
}

func inOrder(o *Output) said {
	s := said{counts: o.Counts, health: o.Health}
	for i := range o.Packets {
		p := &o.Packets[i]
		s.packets = append(s.packets, p.To.Name+" "+p.To.AddrPort.String()+" "+string(bytes.Join(p.Messages, []byte("|"))))
	}
	s.events, s.changed = append(s.events, o.Events...), append(s.changed, o.Changed...)
	s.streams, s.forgotten = append(s.streams, o.Streams...), append(s.forgotten, o.Forgotten...)
	return s
}
