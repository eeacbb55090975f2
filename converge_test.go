package memberlist

import "testing"

// TestNodeChecksum: where one field ends and the next begins counts.
func TestNodeChecksum(t *testing.T) {
	sums := map[uint64]bool{}
	nodes := []*Node{
		{Name: "ab", Addr: []byte{10, 0, 0, 1}, Port: 1},
		{Name: "a", Addr: []byte{10, 0, 0, 1}, Port: 1, Meta: []byte("b")},
		{Name: "ab", Addr: []byte{10, 0, 0, 1}, Port: 2},
		{Name: "ab", Addr: []byte{10, 0, 0, 2}, Port: 1},
		{Name: "ab", Addr: []byte{10, 0, 0, 1}, Port: 1, PMax: 5},
		{Name: "ba", Addr: []byte{10, 0, 0, 1}, Port: 1},
	}
	for _, n := range nodes {
		sums[nodeChecksum(n)] = true
	}
	if len(sums) != len(nodes) {
		t.Errorf("%d nodes have %d numbers", len(nodes), len(sums))
	}
	mapped := &Node{Name: "ab", Addr: nodes[0].Addr.To16(), Port: 1}
	if nodeChecksum(mapped) != nodeChecksum(nodes[0]) {
		t.Error("the two spellings of an IPv4 address have two numbers")
	}
}
