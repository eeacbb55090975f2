package memberlist

import (
	"net/netip"
	"slices"

	"github.com/e3431adc/memberlist/internal/resolve"
	"github.com/e3431adc/memberlist/internal/swim"
)

// maxSeeds is the number of join addresses that are remembered, the latest ones.
const maxSeeds = 64

// seedList has the distinct join addresses, the latest last. It is guarded by Memberlist.mu.
type seedList struct {
	seeds []rememberedSeed

	// metOthers is set once there has been another member. Until then addresses of failed joins are seeds too: the
	// program wants to join them, and has no other. From then on only addresses that were joined are.
	metOthers bool
}

// rememberedSeed is a join address.
type rememberedSeed struct {
	text   string
	addr   netip.AddrPort // if text is an IP address; else text is resolved
	joined bool
}

// remember adds a join address. joined is set if it led to a member.
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

// meetOthers records that there is another member.
func (l *seedList) meetOthers() {
	if !l.metOthers {
		l.metOthers = true
		l.forget(func(s rememberedSeed) bool { return !s.joined })
	}
}

// forgetAddress removes the address of a member that left or was removed: it may be used by another cluster.
func (l *seedList) forgetAddress(addr netip.AddrPort) {
	l.forget(func(s rememberedSeed) bool { return s.addr == addr })
}

func (l *seedList) forget(which func(rememberedSeed) bool) {
	l.seeds = slices.DeleteFunc(l.seeds, which)
}

// texts returns the join addresses.
func (l *seedList) texts() (texts []string) {
	for _, s := range l.seeds {
		texts = append(texts, s.text)
	}
	return texts
}

// noteSeedsLocked updates the seeds after a turn.
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

// rememberSeeds remembers join addresses for reconnects.
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
	t := m.begin()
	for _, text := range texts {
		m.mu.seeds.remember(text, m.addressOfSeed(text), joined[text])
	}
	if len(m.mu.seeds.seeds) > 0 {
		t.core.HaveSeeds()
	}
	t.commit()
}

// addressOfSeed returns the address of a join address without a host name; else an invalid one.
func (m *Memberlist) addressOfSeed(text string) netip.AddrPort {
	a, err := resolve.Parse(text, m.config.BindPort)
	if err != nil {
		return netip.AddrPort{}
	}
	target, _ := a.Literal()
	return target.Addr
}
