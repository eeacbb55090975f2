package memberlist

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/e3431adc/memberlist/internal/logging"
	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

const (
	// seedsAtOnce is how many addresses of seeds are tried at a time.
	seedsAtOnce = 2

	// maxReconnects is how many lost members are tried at the same time. When the core asks for more, which takes an interval
	// far below TCPTimeout, they are left for the next round.
	maxReconnects = 8
)

// reconnect joins a lost member, if it is still the one at its address: by now that may be the address of a member of
// another cluster, and the two must not become one.
//
// It is a join to the MergeDelegates of both sides, as it is when an operator or Serf does the same.
func (m *Memberlist) reconnect(lost swim.Member) {
	defer m.reconnects.Add(-1)
	if m.reconnects.Add(1) > maxReconnects {
		return
	}
	found := swim.Acquaintance{With: lost}
	if err := m.look(&found, addressOfMember(&lost)); err != nil {
		m.log.Limited("reconnect", slog.LevelDebug, "failed member does not answer", slog.String("node", lost.Name), logging.Err(err))
		return
	}
	if !found.There() {
		t := m.begin()
		t.core.NotThere(lost)
		t.commit()
	}
	if !found.Ours() {
		m.log.Limited("reconnect", slog.LevelDebug, "another cluster answers at a failed member's address", memberAttrs(&lost)...)
		return
	}
	m.joinAgain(addressOfMember(&lost), slog.String("node", lost.Name))
}

// look asks the member at an address what it knows, and tells it nothing of us: to it that is an exchange of states in which
// we know nobody.
func (m *Memberlist) look(found *swim.Acquaintance, at Address) error {
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

// joinAgain exchanges states with an address, as in a join that nobody asked for now.
func (m *Memberlist) joinAgain(addr Address, about slog.Attr) bool {
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

// trySeeds joins a few of the seeds, wherever they are by now. Those that the program gives now are joined as they are, and
// those of a join that failed, while there never was anybody else. What led to a member before has to lead to one of ours.
func (m *Memberlist) trySeeds() {
	if m.tryingSeeds.Swap(true) {
		return
	}
	defer m.tryingSeeds.Store(false)
	ctx, cancel := context.WithTimeout(m.tasks.Context(), m.config.TCPTimeout)
	defer cancel()
	var seeds []triedSeed
	m.mu.Lock()
	for _, text := range m.mu.seeds.texts() {
		seeds = append(seeds, triedSeed{text, !m.mu.seeds.metOthers})
	}
	m.mu.Unlock()
	for _, text := range m.askForSeeds(ctx) {
		seeds = append(seeds, triedSeed{text, true})
	}
	rand.Shuffle(len(seeds), func(i, j int) { seeds[i], seeds[j] = seeds[j], seeds[i] })
	tried := make(map[string]bool)
	for _, seed := range seeds {
		addrs, err := m.resolveSeed(ctx, seed.text)
		if err != nil {
			if !m.tasks.Closed() {
				m.log.Limited("resolve seed", slog.LevelWarn, "failed to resolve", slog.String("seed", seed.text), logging.Err(err))
			}
			continue
		}
		rand.Shuffle(len(addrs), func(i, j int) { addrs[i], addrs[j] = addrs[j], addrs[i] })
		for _, addr := range addrs {
			if tried[addr.Addr] || !m.seeks(addr) {
				continue
			}
			tried[addr.Addr] = true
			if m.trySeed(seed, addr) || len(tried) == seedsAtOnce {
				return
			}
		}
	}
}

// triedSeed is a seed, and whether it is to be joined whoever it is.
type triedSeed struct {
	text  string
	asked bool
}

// trySeed joins an address that a seed leads to, and reports whether it did.
func (m *Memberlist) trySeed(seed triedSeed, addr Address) bool {
	if !seed.asked {
		var found swim.Acquaintance
		if err := m.look(&found, addr); err != nil {
			m.log.Limited("reconnect", slog.LevelDebug, "seed does not answer", slog.String("seed", seed.text), logging.Err(err))
			return false
		}
		if !found.Ours() {
			m.log.Limited("other cluster", slog.LevelWarn, "seed leads to another cluster, not joining it",
				slog.String("seed", seed.text), slog.String("addr", addr.Addr))
			return false
		}
	}
	return m.joinAgain(addr, slog.String("seed", seed.text))
}

// askForSeeds asks the program for seeds.
func (m *Memberlist) askForSeeds(ctx context.Context) []string {
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

// seeks reports whether there may be somebody at an address with whom there is no contact.
func (m *Memberlist) seeks(addr Address) bool {
	to, err := netip.ParseAddrPort(addr.Addr)
	if err != nil {
		return true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.core.Seeks(to)
}
