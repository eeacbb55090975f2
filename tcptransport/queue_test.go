package tcptransport

import (
	"slices"
	"testing"
)

func TestQueue(t *testing.T) {
	type packet struct {
		text  string
		class class
	}
	g := func(text string) packet { return packet{text, gossip} }
	u := func(text string) packet { return packet{text, urgent} }
	for _, tt := range []struct {
		name    string
		add     []packet
		want    []string
		dropped int
	}{
		{"nothing", nil, nil, 0},
		{"urgent packets leave first", []packet{g("a"), u("b"), g("c"), u("d")}, []string{"b", "d", "a", "c"}, 0},
		{"the oldest gossip is dropped", []packet{g("a"), g("b"), g("c"), g("d"), g("e"), g("f")}, []string{"c", "d", "e", "f"}, 2},
		{"gossip is dropped before pings", []packet{u("a"), g("b"), u("c"), u("d"), u("e")}, []string{"a", "c", "d", "e"}, 1},
		{"a gossip without room", []packet{u("a"), u("b"), u("c"), u("d"), g("e")}, []string{"a", "b", "c", "d"}, 1},
		{"the oldest ping, if there is no gossip", []packet{u("a"), u("b"), u("c"), u("d"), u("e")}, []string{"b", "c", "d", "e"}, 1},
		{"bytes", []packet{g("aaaaaaaa"), u("b"), g("cccccccc"), g("dd")}, []string{"b", "cccccccc", "dd"}, 1},
		{"a packet above the limit of bytes", []packet{g("a"), u("bbbbbbbbbbbbbbbbbbbb")}, []string{"bbbbbbbbbbbbbbbbbbbb"}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var q queue
			dropped := 0
			for _, p := range tt.add {
				dropped += q.add([]byte(p.text), p.class, 4, 12)
			}
			var got []string
			for {
				c, size, ok := q.next()
				if !ok {
					break
				}
				p := q.pop(c)
				if len(p) != size {
					t.Errorf("next announces %d bytes of %d", size, len(p))
				}
				got = append(got, string(p))
			}
			if !slices.Equal(got, tt.want) || dropped != tt.dropped || q.bytes != 0 {
				t.Errorf("got %q, %d dropped, %d bytes left, want %q, %d dropped", got, dropped, q.bytes, tt.want, tt.dropped)
			}
		})
	}
}
