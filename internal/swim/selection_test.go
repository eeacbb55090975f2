package swim

import "testing"

// TestPreferredTarget: it is the first target, selected or not, if the round may go to it.
func TestPreferredTarget(t *testing.T) {
	n := newNode(t, func(c *Config) { c.SelectsTargets, c.GossipNodes = true, 2 }).withMembers(4)
	n.dead(2, 1, "m2") // it left
	selected := []string{"m1", "m2", "unknown", "self"}
	for _, tt := range []struct{ preferred, first string }{{"m3", "m3"}, {"m2", "m1"}, {"self", "m1"}, {"unknown", "m1"}, {"", "m1"}} {
		s := &Selection{Len: len(selected), Name: func(i int) string { return selected[i] }, Preferred: tt.preferred}
		chosen := s.choose(n.Turn, 2, n.isGossipTarget)
		if len(chosen) == 0 || chosen[0].Name != tt.first || len(chosen) > 1 && chosen[1].Name != "m1" {
			t.Errorf("%q is preferred, and %d are chosen, want %s first", tt.preferred, len(chosen), tt.first)
		}
	}
}
