package wire

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// viewOf parses a message and returns it as a GossipView.
func viewOf(kind Type, body []byte) (GossipView, error) {
	if kind == TypeAlive {
		var m Alive
		err := m.Parse(body, nil)
		return GossipView{Kind: kind, Incarnation: m.Incarnation, Node: []byte(m.Node), Addr: m.Addr, Port: m.Port, Meta: m.Meta, Vsn: m.Vsn}, err
	}
	var m Dead
	err := m.Parse(body, nil)
	return GossipView{Kind: kind, Incarnation: m.Incarnation, Node: []byte(m.Node), From: []byte(m.From)}, err
}

// checkGossip checks that parsing a body as a GossipView and as a message returns the same.
func checkGossip(t *testing.T, kind Type, body []byte) {
	t.Helper()
	want, wantErr := viewOf(kind, body)
	var got GossipView
	err := got.Parse(kind, body)
	if (err == nil) != (wantErr == nil) || err != nil && !isOurs(err) {
		t.Fatalf("%v %x: %v, want %v", kind, body, err, wantErr)
	}
	if err != nil {
		return
	}
	if (got.Meta == nil) != (want.Meta == nil) || (got.Addr == nil) != (want.Addr == nil) || (got.Vsn == nil) != (want.Vsn == nil) {
		t.Errorf("%v %x: got %+v, want %+v: nil and empty differ", kind, body, got, want)
	}
	for _, r := range []*GossipView{&got, &want} { // of names they do not
		r.Node, r.From = append([]byte{}, r.Node...), append([]byte{}, r.From...)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v %x: got %+v, want %+v", kind, body, got, want)
	}
}

func TestGossip(t *testing.T) {
	long := strings.Repeat("node.", 20)
	var messages []Message
	for _, name := range []string{"", "n1", "a name of 31 bytes, the longest", "a name of 32 bytes, no short one", long} {
		for _, incarnation := range []uint32{0, 127, 128, 1 << 8, 1 << 16, 1<<32 - 1} {
			messages = append(messages,
				&Suspect{Incarnation: incarnation, Node: name, From: "n0"},
				&Dead{Incarnation: incarnation, Node: "n0", From: name},
				&Alive{Incarnation: incarnation, Node: name, Addr: []byte{10, 0, 0, 1}, Port: 7946, Vsn: []byte{1, 5, 2, 0, 0, 0}},
				&Alive{Incarnation: incarnation, Node: name, Meta: []byte(long), Port: 7},
				&Alive{Incarnation: incarnation, Node: name, Addr: []byte{}, Meta: []byte{}, Vsn: []byte{}},
			)
		}
	}
	for _, m := range messages {
		body := m.Append(nil)[1:]
		checkGossip(t, m.Type(), body)
		for n := range body {
			checkGossip(t, m.Type(), body[:n])
		}
	}
	var r GossipView
	if err := r.Parse(TypePing, nil); !errors.Is(err, ErrUnknownType) {
		t.Errorf("a ping is not gossip: %v", err)
	}
}

// TestGossipIsViews: parsing messages in the usual shapes copies nothing, whatever the length of the names.
func TestGossipIsViews(t *testing.T) {
	for _, name := range []string{"n1", strings.Repeat("node.", 20)} {
		for _, m := range []Message{&Suspect{Node: name, From: name}, &Alive{Node: name, Addr: []byte{10, 0, 0, 1}, Vsn: []byte{1, 5, 2, 0, 0, 0}}} {
			body := m.Append(nil)[1:]
			var r GossipView
			if got := testing.AllocsPerRun(100, func() { r.Parse(m.Type(), body) }); got != 0 {
				t.Errorf("%v of a name of %d bytes: %v allocations", m.Type(), len(name), got)
			}
			for i := range body {
				body[i] = 'x'
			}
			if !bytes.Equal(r.Node, bytes.Repeat([]byte{'x'}, len(name))) {
				t.Errorf("%v of a name of %d bytes: the name is no view", m.Type(), len(name))
			}
		}
	}
}

func FuzzGossip(f *testing.F) {
	for _, tests := range [][]messageTest{aliveTests, suspectTests, deadTests} {
		for _, tt := range tests {
			b := tt.m.Append(nil)
			f.Add(b[0], b[1:])
		}
	}
	f.Fuzz(func(t *testing.T, kind byte, body []byte) {
		checkGossip(t, []Type{TypeAlive, TypeSuspect, TypeDead}[kind%3], body)
	})
}

func BenchmarkGossipParse(b *testing.B) {
	for _, m := range []Message{
		&Suspect{Incarnation: 3, Node: "node-00010", From: "node-00001"},
		&Alive{Incarnation: 3, Node: "node-00010", Addr: []byte{10, 0, 0, 1}, Port: 7946, Meta: []byte("role=web;zone=a"),
			Vsn: []byte{1, 5, 2, 0, 0, 0}},
	} {
		body := m.Append(nil)[1:]
		b.Run(m.Type().String(), func(b *testing.B) {
			b.ReportAllocs()
			var r GossipView
			for b.Loop() {
				if err := r.Parse(m.Type(), body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
