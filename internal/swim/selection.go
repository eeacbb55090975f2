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
	t.loops.gossipTo(t, t.rec.selection(s).choose(t, t.cfg.GossipNodes, t.isGossipTarget))
}

// PushPullAmong puts out the push/pulls that wait for a selection; nil: all members.
func (t *Turn) PushPullAmong(s *Selection) {
	if r := t.rec; r != nil {
		put(r, &r.calls.PushPullAmong, callPushPullAmong{recordedSelectionOf(s)})
	}
	t.loops.pushPullWith(t, t.rec.selection(s).choose(t, t.cfg.pushPullNodes(), t.table.isPushPullPeer))
}

// choose is Turn.choose for the members of the selection; nil: all members. The preferred one is first.
func (s *Selection) choose(t *Turn, k int, may func(*member) bool) []*member {
	if s == nil {
		return t.choose(k, may)
	}
	t.chosen = t.chosen[:0]
	if m := t.table.named(s.Preferred); m != nil && k > 0 && may(m) {
		t.chosen = append(t.chosen, m)
	}
	return t.draw(k, s.Len, func(i int) *member { return t.table.named(s.Name(i)) }, may)
}
