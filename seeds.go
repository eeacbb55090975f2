package memberlist

import (
	"net/netip"
	"slices"

	"github.com/e3431adc/memberlist/internal/resolve"
	"github.com/e3431adc/memberlist/internal/swim"
)

// maxSeeds is how many strings that Join was given are remembered, the latest.
const maxSeeds = 64

// seedList has what Join was given, without repetition, the latest last. It is guarded by Memberlist.mu.
type seedList struct {
	seeds []rememberedSeed

	// metOthers says that there ever was another member. Until then it is what a join that failed was given, too: the program
	// wants to be with them, and has nobody else. From then on a seed is only who was joined.
	metOthers bool
}

// rememberedSeed is a string that Join was given.
type rememberedSeed struct {
	text   string
	addr   netip.AddrPort // where it leads, if it says so itself; else it is looked up
	joined bool
}

// remember keeps a string that led to a member, or did not.
func (l *seedList) remember(text string, addr netip.AddrPort, joined bool) {
	if !joined && (l.metOthers || slices.ContainsFunc(l.seeds, func(s rememberedSeed) bool { return s.text == text })) {
		return
	}
	l.forget(func(s rememberedSeed) bool { return s.text == text })
	l.seeds = append(l.seeds, rememberedSeed{text, addr, joined})
	if extra := len(l.seeds) - maxSeeds; extra > 0 {
		l.seeds = slices.Delete(l.seeds, 0, extra)
	}
}

// meetOthers notes that there is another member.
func (l *seedList) meetOthers() {
	if !l.metOthers {
		l.metOthers = true
		l.forget(func(s rememberedSeed) bool { return !s.joined })
	}
}

// forgetAddress forgets the address of a member that left, or was removed: by now it may be another's.
func (l *seedList) forgetAddress(addr netip.AddrPort) {
	l.forget(func(s rememberedSeed) bool { return s.addr == addr })
}

func (l *seedList) forget(which func(rememberedSeed) bool) {
	l.seeds = slices.DeleteFunc(l.seeds, which)
}

// texts returns the strings.
func (l *seedList) texts() (texts []string) {
	for _, s := range l.seeds {
		texts = append(texts, s.text)
	}
	return texts
}

// noteSeedsLocked keeps the seeds in step with what changed of members in a turn.
func (m *Memberlist) noteSeedsLocked(out *swim.Output) {
	l := &m.mu.seeds
	for i := range out.Changed {
		switch c := &out.Changed[i]; {
		case c.Name == m.config.Name:
		case c.State == swim.StateAlive:
			l.meetOthers()
		case c.State == swim.StateLeft:
			l.forgetAddress(c.Addr)
		}
	}
}

// rememberSeeds keeps what Join was given, for when others are lost.
func (m *Memberlist) rememberSeeds(attempts []JoinAttempt) {
	joined := make(map[string]bool)
	var texts []string
	for i := range attempts {
		a := &attempts[i]
		if _, known := joined[a.Seed]; !known {
			texts = append(texts, a.Seed)
		}
		joined[a.Seed] = joined[a.Seed] || a.Err == nil
	}
	t := m.beginTurn()
	for _, text := range texts {
		m.mu.seeds.remember(text, m.addressOfSeed(text), joined[text])
	}
	if len(m.mu.seeds.seeds) > 0 {
		t.core.HaveSeeds(t.now)
	}
	m.endTurn(t)
}

// addressOfSeed is the address that a join address says itself; invalid if it has to be looked up.
func (m *Memberlist) addressOfSeed(text string) netip.AddrPort {
	a, err := resolve.Parse(text, m.config.BindPort)
	if err != nil {
		return netip.AddrPort{}
	}
	target, _ := a.Literal()
	return target.Addr
}
