package memberlist

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
)

// joinsAtOnce is how many addresses one Join contacts at the same time.
const joinsAtOnce = 8

// join resolves addresses and exchanges states with all of them.
//
// Compat: the reference contacts them one after the other, whatever each takes.
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

	j := joining{m: m, results: make(chan error)}
	for _, seed := range existing {
		addrs, err := m.resolver.resolve(ctx, seed, m.config.BindPort)
		if err != nil {
			j.errs = append(j.errs, fmt.Errorf("resolve %q: %w", seed, m.stoppedOr(err)))
			m.log.warn("failed to resolve", slog.String("seed", seed), errAttr(err))
			continue
		}
		for _, addr := range addrs {
			j.collect(joinsAtOnce - 1)
			j.begin(addr)
		}
	}
	j.collect(0)
	if j.succeeded > 0 {
		return j.succeeded, nil
	}
	return 0, errors.Join(j.errs...)
}

// joining is one join under way.
type joining struct {
	m         *Memberlist
	results   chan error
	pending   int // contacts that have no result yet
	succeeded int
	errs      []error
}

// begin contacts an address on a goroutine that ends by the contact's timeout,
// or by Shutdown.
func (j *joining) begin(addr Address) {
	m := j.m
	started := m.tasks.start(func() {
		err := m.contact(addr)
		select {
		case j.results <- err:
		case <-m.tasks.stopping:
		}
	})
	if !started {
		j.errs = append(j.errs, ErrShutdown)
		return
	}
	j.pending++
}

// collect takes results until no more than so many are pending, or the
// Memberlist stops: who has not ended then may be held up in a delegate.
func (j *joining) collect(pending int) {
	for j.pending > pending {
		select {
		case err := <-j.results:
			j.pending--
			if err != nil {
				j.errs = append(j.errs, err)
				continue
			}
			j.succeeded++
		case <-j.m.tasks.stopping:
			j.errs = append(j.errs, ErrShutdown)
			j.pending = 0
		}
	}
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
