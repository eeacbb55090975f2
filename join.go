package memberlist

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
)

// joinsAtOnce is how many addresses one Join contacts at the same time.
const joinsAtOnce = 8

// join resolves addresses and exchanges states with all of them.
func (m *Memberlist) join(existing []string) (int, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	m.tasks.start(func() { // ends with this join, or with the Memberlist
		select {
		case <-m.tasks.stopping:
			cancel()
		case <-ctx.Done():
		}
	})

	var results joinResults
	slots := make(chan struct{}, joinsAtOnce)
	var contacts sync.WaitGroup
	for _, seed := range existing {
		addrs, err := m.resolveSeed(ctx, seed)
		if err != nil {
			results.add(fmt.Errorf("resolve %q: %w", seed, m.stoppedOr(err)))
			m.log.warn("failed to resolve", slog.String("seed", seed), errAttr(err))
			continue
		}
		for _, addr := range addrs {
			slots <- struct{}{} // each contact ends by its timeout, or by Shutdown
			contacts.Add(1)
			started := m.tasks.start(func() {
				defer contacts.Done()
				defer func() { <-slots }()
				results.add(m.contact(addr))
			})
			if !started {
				contacts.Done()
				results.add(ErrShutdown)
				<-slots
			}
		}
	}
	contacts.Wait()
	return results.sum()
}

// contact exchanges states with one address.
func (m *Memberlist) contact(addr Address) error {
	err := m.pushPull(addr, exchangeJoin)
	if err != nil {
		m.log.debug("failed to join", slog.String("addr", addr.Addr), errAttr(err))
		return fmt.Errorf("join %s: %w", addr.Addr, err)
	}
	return nil
}

// resolveSeed finds the addresses that a seed stands for.
func (m *Memberlist) resolveSeed(ctx context.Context, seed string) ([]Address, error) {
	return m.resolver.resolve(ctx, seed, m.config.BindPort)
}

// joinResults collects how the contacts of one join went.
type joinResults struct {
	mu struct {
		sync.Mutex
		succeeded int
		errs      []error
	}
}

func (r *joinResults) add(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		r.mu.succeeded++
		return
	}
	r.mu.errs = append(r.mu.errs, err)
}

// sum is how many succeeded, and why none did.
func (r *joinResults) sum() (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.succeeded > 0 {
		return r.mu.succeeded, nil
	}
	return 0, errors.Join(r.mu.errs...)
}
