package sim

import (
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// TestDeadAtOwnAddress: a node declares a member dead that is said to be at its own address, at each incarnation at which it
// is told so. What others are told of that later is due to these declarations.
func TestDeadAtOwnAddress(t *testing.T) {
	s := New(Config{N: 3, Start: Joining, JoinEvery: 10 * time.Second})
	if err := s.RunUntil(15 * time.Second); err != nil {
		t.Fatal(err)
	}
	n, other := &s.nodes[0], &s.nodes[1]
	declared := &s.check.truth(n, 2).declared
	s.check.truth(n, 2).highest = 5
	for _, incarnation := range []uint32{2, 5} {
		state := s.nodes[2].state(incarnation)
		s.tell(n, other.place, (&wire.Alive{Incarnation: incarnation, Node: state.Name, Addr: n.place.addrPort().Addr().AsSlice(), Port: port,
			Meta: state.Meta, Vsn: versions[:]}).Append(nil))
		if v := s.Result().Violation; v != nil {
			t.Fatal(v)
		}
		if !declared.has(incarnation) {
			t.Errorf("not declared dead at %d", incarnation)
		}
	}
}
