package memberlist

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/e3431adc/memberlist/internal/logging"
	"github.com/e3431adc/memberlist/internal/resolve"
	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

const (
	// seedsAtOnce is the number of addresses of seeds that are tried in a round.
	seedsAtOnce = 2

	// maxReconnects is the number of failed members that are contacted at once. If the core asks for more, which takes an interval
	// far below TCPTimeout, they are left for a later round.
	maxReconnects = 8
)

// reconnector contacts members that failed, and seeds, when the core asks for it.
type reconnector struct {
	m        *Memberlist
	resolver resolve.Resolver // of seeds
	running  atomic.Int32     // number of members that are being contacted
	trying   atomic.Bool      // seeds are being tried
}

// failed joins a failed member, unless its address now belongs to a member of another cluster: the two must not merge.
//
// It is a join to the MergeDelegates of both sides, as when an operator or Serf does the same.
func (r *reconnector) failed(lost swim.Member) {
	m := r.m
	defer r.running.Add(-1)
	if r.running.Add(1) > maxReconnects {
		return
	}
	found := swim.Recognition{With: lost}
	if err := r.look(&found, addressOfMember(&lost)); err != nil {
		m.log.Limited("reconnect", slog.LevelDebug, "failed member does not answer", slog.String("node", lost.Name), logging.Err(err))
		return
	}
	if !found.FoundThere() {
		t := m.begin()
		t.core.NotThere(lost)
		t.commit()
		if lost.State == swim.StateLeft {
			return // it did leave
		}
	}
	if !found.SameCluster() {
		m.log.Limited("reconnect", slog.LevelDebug, "another cluster answers at a failed member's address", memberAttrs(&lost)...)
		return
	}
	r.joinAgain(addressOfMember(&lost), slog.String("node", lost.Name))
}

// look asks the member at an address for its states, in a push/pull without states of this member, and compares them with what is
// known.
func (r *reconnector) look(found *swim.Recognition, at Address) error {
	m := r.m
	s := m.newSession()
	defer s.end()
	return s.roundTrip(context.Background(), at, time.Now().Add(m.config.TCPTimeout), func() error {
		if err := s.writeRequest((&wire.PushPullHeader{}).Append(nil)); err != nil {
			return err
		}
		remote, err := s.readStateReply()
		if err != nil {
			return err
		}
		for states := remote.states; states.Len() > 0; {
			some := states.Cut(takenAtOnce)
			m.mu.Lock()
			m.mu.core.Recognize(found, some)
			m.mu.Unlock()
		}
		return nil
	})
}

// joinAgain exchanges states with an address, as in a join, and reports whether that succeeded.
func (r *reconnector) joinAgain(addr Address, about slog.Attr) bool {
	m := r.m
	if err := m.pushPulls.do(context.Background(), addr, exchangeReconnect); err != nil {
		m.log.Limited("reconnect", slog.LevelDebug, "rejoin failed", slog.String("addr", addr.Addr), logging.Err(err))
		return false
	}
	m.mu.Lock()
	lost := m.mu.core.NumLost()
	m.mu.Unlock()
	m.log.Info("rejoined after members failed", about, slog.String("addr", addr.Addr), slog.Int("lost", lost))
	return true
}

// trySeeds joins a few of the seeds, at the addresses to which they resolve now. Seeds that Config.Seeds returns are joined in any case,
// and those of a failed join as long as no other member was ever known. Others have led to a member before, and must lead to a member of
// the same cluster.
func (r *reconnector) trySeeds() {
	m := r.m
	if r.trying.Swap(true) {
		return
	}
	defer r.trying.Store(false)
	ctx, cancel := context.WithTimeout(m.tasks.Context(), m.config.TCPTimeout)
	defer cancel()
	var seeds []triedSeed
	m.mu.Lock()
	for _, text := range m.mu.seeds.texts() {
		seeds = append(seeds, triedSeed{text, !m.mu.seeds.metOthers})
	}
	m.mu.Unlock()
	for _, text := range r.askForSeeds(ctx) {
		seeds = append(seeds, triedSeed{text, true})
	}
	rand.Shuffle(len(seeds), func(i, j int) { seeds[i], seeds[j] = seeds[j], seeds[i] })
	tried := make(map[string]bool)
	for _, seed := range seeds {
		addrs, err := r.resolveSeed(ctx, seed.text)
		if err != nil {
			if !m.tasks.Closed() {
				m.log.Limited("resolve seed", slog.LevelWarn, "failed to resolve", slog.String("seed", seed.text), logging.Err(err))
			}
			continue
		}
		rand.Shuffle(len(addrs), func(i, j int) { addrs[i], addrs[j] = addrs[j], addrs[i] })
		for _, addr := range addrs {
			if tried[addr.Addr] || !r.seeks(addr) {
				continue
			}
			tried[addr.Addr] = true
			if r.trySeed(seed, addr) || len(tried) == seedsAtOnce {
				return
			}
		}
	}
}

// triedSeed is a seed. It is joined in any case if the program has asked for that.
type triedSeed struct {
	text  string
	asked bool
}

// trySeed joins an address of a seed, and reports whether that succeeded.
func (r *reconnector) trySeed(seed triedSeed, addr Address) bool {
	m := r.m
	if !seed.asked {
		var found swim.Recognition
		if err := r.look(&found, addr); err != nil {
			m.log.Limited("reconnect", slog.LevelDebug, "seed does not answer", slog.String("seed", seed.text), logging.Err(err))
			return false
		}
		if !found.SameCluster() {
			m.log.Limited("other cluster", slog.LevelWarn, "seed leads to another cluster, not joining it",
				slog.String("seed", seed.text), slog.String("addr", addr.Addr))
			return false
		}
	}
	return r.joinAgain(addr, slog.String("seed", seed.text))
}

// askForSeeds calls Config.Seeds.
func (r *reconnector) askForSeeds(ctx context.Context) []string {
	m := r.m
	if m.config.Seeds == nil || !m.tasks.BeginCallback() {
		return nil
	}
	seeds, err := m.config.Seeds(ctx)
	m.tasks.EndCallback()
	if err != nil && !m.tasks.Closed() {
		m.log.Limited("seeds", slog.LevelWarn, "failed to get seeds", logging.Err(err))
	}
	return seeds
}

// seeks reports whether there may be a member at an address that is not known to be alive.
func (r *reconnector) seeks(addr Address) bool {
	m := r.m
	to, err := netip.ParseAddrPort(addr.Addr)
	if err != nil {
		return true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.core.MayBeUnknown(to)
}

// resolveSeed returns the addresses of a join address.
func (r *reconnector) resolveSeed(ctx context.Context, seed string) ([]Address, error) {
	m := r.m
	targets, err := r.resolver.Resolve(ctx, seed, m.config.BindPort)
	if err != nil {
		return nil, err
	}
	addrs := make([]Address, len(targets))
	for i, target := range targets {
		addrs[i] = addressOfTarget(target)
	}
	return addrs, nil
}

// noteChangesLocked updates the seeds after a turn.
func (r *reconnector) noteChangesLocked(out *swim.Output) {
	m := r.m
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
func (r *reconnector) rememberSeeds(attempts []JoinAttempt) {
	m := r.m
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
		m.mu.seeds.remember(text, r.addressOfSeed(text), joined[text])
	}
	if len(m.mu.seeds.seeds) > 0 {
		t.core.HaveSeeds()
	}
	t.commit()
}

// addressOfSeed returns the address of a join address without a host name; else an invalid one.
func (r *reconnector) addressOfSeed(text string) netip.AddrPort {
	m := r.m
	a, err := resolve.Parse(text, m.config.BindPort)
	if err != nil {
		return netip.AddrPort{}
	}
	target, _ := a.Literal()
	return target.Addr
}

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
