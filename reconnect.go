package memberlist

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
)

const (
	// maxSeeds is how many strings that Join was given are remembered, the latest.
	maxSeeds = 64

	// seedsAtOnce is how many addresses of seeds are tried at a time.
	seedsAtOnce = 2

	// maxReconnects is how many lost members are tried at the same time. When the core asks for more, which takes an interval
	// far below TCPTimeout, they are left for the next round.
	maxReconnects = 8
)

// seedList has what Join was given, without repetition, the latest last.
type seedList struct {
	mu struct {
		sync.Mutex
		seeds []string
	}
}

func (l *seedList) remember(seeds []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range seeds {
		l.mu.seeds = append(slices.DeleteFunc(l.mu.seeds, func(old string) bool { return old == s }), s)
	}
	if extra := len(l.mu.seeds) - maxSeeds; extra > 0 {
		l.mu.seeds = slices.Delete(l.mu.seeds, 0, extra)
	}
}

func (l *seedList) list() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.mu.seeds)
}

// rememberSeeds keeps what Join was given for when others are lost.
func (m *Memberlist) rememberSeeds(seeds []string) {
	if len(seeds) == 0 {
		return
	}
	m.seeds.remember(seeds)
	m.haveSeeds()
}

// haveSeeds tells the core that there are seeds to try.
func (m *Memberlist) haveSeeds() {
	t := m.beginTurn()
	t.core.HaveSeeds(t.now)
	m.endTurn(t)
}

// reconnect joins a lost member, if it is still the one at its address: by now that may be the address of a member of
// another cluster, and the two must not become one. (A member that does not answer pings on streams, as before version 3
// of the protocol, is not found.)
//
// It is a join to the MergeDelegates of both sides, as it is when an operator or Serf does the same.
func (m *Memberlist) reconnect(lost swim.Member) {
	defer m.reconnects.Add(-1)
	if m.reconnects.Add(1) > maxReconnects {
		return
	}
	if err := m.streamPing(lost, 0, time.Now().Add(m.config.TCPTimeout)); err != nil {
		m.log.limited("reconnect", slog.LevelDebug, "lost member is not there", slog.String("node", lost.Name), errAttr(err))
		return
	}
	if m.joinAgain(addressOfMember(&lost)) == nil {
		m.log.info("reconnected to a lost member", slog.String("node", lost.Name))
	}
}

// trySeeds joins a few of the seeds, wherever they are by now.
func (m *Memberlist) trySeeds() {
	if m.tryingSeeds.Swap(true) {
		return
	}
	defer m.tryingSeeds.Store(false)
	ctx, cancel := context.WithTimeout(m.tasks.context(), m.config.TCPTimeout)
	defer cancel()
	seeds := append(m.seeds.list(), m.askForSeeds(ctx)...)
	rand.Shuffle(len(seeds), func(i, j int) { seeds[i], seeds[j] = seeds[j], seeds[i] })
	tried := make(map[string]bool)
	for _, seed := range seeds {
		addrs, err := m.resolver.resolve(ctx, seed, m.config.BindPort)
		if err != nil {
			m.log.limited("resolve seed", slog.LevelWarn, "failed to resolve", slog.String("seed", seed), errAttr(err))
			continue
		}
		rand.Shuffle(len(addrs), func(i, j int) { addrs[i], addrs[j] = addrs[j], addrs[i] })
		for _, addr := range addrs {
			if tried[addr.Addr] || !m.seeks(addr) {
				continue
			}
			tried[addr.Addr] = true
			if m.joinAgain(addr) == nil || len(tried) == seedsAtOnce {
				return
			}
		}
	}
}

// joinAgain exchanges states with an address, as in a join.
func (m *Memberlist) joinAgain(addr Address) error {
	err := m.pushPull(context.Background(), addr, exchangeJoin)
	if err != nil {
		m.log.limited("reconnect", slog.LevelDebug, "failed to join again", slog.String("addr", addr.Addr), errAttr(err))
	}
	return err
}

// askForSeeds asks the program for seeds.
func (m *Memberlist) askForSeeds(ctx context.Context) []string {
	if m.config.Seeds == nil || !m.tasks.goAway() {
		return nil
	}
	seeds, err := m.config.Seeds(ctx)
	m.tasks.comeBack()
	if err != nil {
		m.log.limited("seeds", slog.LevelWarn, "failed to get seeds", errAttr(err))
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
