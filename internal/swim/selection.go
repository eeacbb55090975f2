package swim

// Selections are rounds of gossip and push/pulls that are due and wait for a Selection. Only a Core with SelectsTargets has
// them: the program chooses among which members news travels, for example those of its own zone.
type Selections struct{ Gossip, PushPull bool }

// Selection is the members that may be the targets of a round. Names of unknown members, and members that the round would
// not be for in any case, are ignored.
type Selection struct {
	Len       int
	Name      func(i int) string // the name of each, for i below Len
	Preferred string             // a target in any case, selected or not; "": none
}

// GossipAmong does a round of gossip that waits for a selection; nil: all members.
func (t *Turn) GossipAmong(s *Selection) {
	if r := t.rec; r != nil {
		put(r, &r.calls.GossipAmong, callGossipAmong{recordedSelectionOf(s)})
	}
	t.loops.gossipTo(t, t.chooseAmong(t.rec.selection(s), t.cfg.GossipNodes, t.isGossipTarget))
}

// PushPullAmong puts out the push/pulls that wait for a selection; nil: all members.
func (t *Turn) PushPullAmong(s *Selection) {
	if r := t.rec; r != nil {
		put(r, &r.calls.PushPullAmong, callPushPullAmong{recordedSelectionOf(s)})
	}
	t.loops.pushPullWith(t, t.chooseAmong(t.rec.selection(s), t.cfg.pushPullNodes(), t.isPushPullPeer))
}

// chooseAmong is choose for the members of a selection. The preferred one is first.
func (t *Turn) chooseAmong(s *Selection, k int, may func(*member) bool) []*member {
	if s == nil {
		return t.choose(k, may)
	}
	t.chosen = t.chosen[:0]
	if m := t.table.named(s.Preferred); m != nil && k > 0 && may(m) {
		t.chosen = append(t.chosen, m)
	}
	return t.draw(k, s.Len, func(i int) *member { return t.table.named(s.Name(i)) }, may)
}
