package memberlist

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
)

// selfDescription is what a member announces of itself.
type selfDescription struct {
	addr     netip.AddrPort
	meta     []byte
	versions swim.Versions
}

// findAddress asks the transport where the others reach us.
func (m *Memberlist) findAddress(host string, port int) (netip.AddrPort, error) {
	ip, port, err := m.transport.FinalAdvertiseAddr(host, port)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("find the address to advertise: %w", err)
	}
	addr, ok := netip.AddrFromSlice(ip)
	if !ok || port < 0 || port > 65535 {
		return netip.AddrPort{}, fmt.Errorf("%w: transport advertises %v:%d", ErrInvalidAddress, ip, port)
	}
	return m.advertisable(addr, port)
}

// describeSelf asks the delegate what we are at an address.
func (m *Memberlist) describeSelf(addr netip.AddrPort) (selfDescription, error) {
	meta, err := m.localMeta()
	if err != nil {
		return selfDescription{}, err
	}
	if size, room := m.config.announcementSize(meta), m.envelope.Budget().Message; size > room {
		return selfDescription{}, fmt.Errorf("%w: with it the announcement of this member has %d bytes, a packet has room for %d",
			ErrMetaTooLarge, size, room)
	}
	self := selfDescription{addr: addr, meta: meta, versions: swim.Versions(m.config.BuildVsnArray())}
	return self, nil
}

// askAliveOfSelf asks the alive delegate whether we may be what we are.
func (m *Memberlist) askAliveOfSelf(self *selfDescription) error {
	if m.config.Alive == nil {
		return nil
	}
	node := newNode(&swim.Member{Name: m.config.Name, Addr: self.addr, Meta: self.meta, Versions: self.versions})
	if err := m.askAlive(node); err != nil {
		return fmt.Errorf("alive delegate refuses this member itself: %w", err)
	}
	return nil
}

// localMeta asks the delegate for our metadata.
func (m *Memberlist) localMeta() ([]byte, error) {
	if m.config.Delegate == nil {
		return nil, nil
	}
	if !m.tasks.BeginCallback() {
		return nil, ErrShutdown
	}
	meta := m.config.Delegate.NodeMeta(MetaMaxSize)
	m.tasks.EndCallback()
	if len(meta) > MetaMaxSize {
		return nil, fmt.Errorf("%w: %d bytes, the limit is %d", ErrMetaTooLarge, len(meta), MetaMaxSize)
	}
	return append([]byte(nil), meta...), nil
}

// askAlive asks the alive delegate whether a member may be.
func (m *Memberlist) askAlive(node *Node) error {
	if m.config.Alive == nil {
		return nil
	}
	if !m.tasks.BeginCallback() {
		return ErrShutdown
	}
	defer m.tasks.EndCallback()
	return m.config.Alive.NotifyAlive(node)
}

// warnIfExposed warns of a public address without encryption.
func (m *Memberlist) warnIfExposed(addr netip.Addr) {
	if !m.config.EncryptionEnabled() && addr.IsGlobalUnicast() && !addr.IsPrivate() {
		m.log.Warn("binding to a public address without encryption", slog.String("addr", addr.String()))
	}
}

// UpdateNode asks the delegate for new metadata and announces it. If anyone
// else is alive it waits until the announcement has been sent, or for the
// timeout (0: for ever): then ErrUpdateTimeout. Other errors are
// ErrMetaTooLarge, also if it does not fit a packet, ErrShutdown and what Config.Alive has against it.
func (m *Memberlist) UpdateNode(timeout time.Duration) error {
	ctx, cancel := within(timeout)
	defer cancel()
	if err := m.UpdateNodeContext(ctx); !errors.Is(err, ErrUpdateTimeout) {
		return err
	}
	return ErrUpdateTimeout
}

// UpdateNodeContext is UpdateNode with a context in place of the timeout. If it
// ends before the announcement has been sent, the error wraps ErrUpdateTimeout
// and the context's; the announcement stays. If it had ended before, nothing is
// announced and the error is the context's alone.
func (m *Memberlist) UpdateNodeContext(ctx context.Context) error {
	if !m.tasks.Acquire() {
		return ErrShutdown
	}
	defer m.tasks.Release()
	if ctx.Err() != nil {
		return contextError(ctx)
	}
	self, err := m.describeSelf(m.selfAddr())
	if err != nil {
		return err
	}
	if err := m.askAliveOfSelf(&self); err != nil {
		return err
	}
	return m.announce(ctx, func(t *turn, ticket uint64) {
		t.core.Announce(t.core.Self().Addr, self.meta, self.versions, ticket)
	})
}

// announce has the core announce something of ourselves and, if anyone else is
// alive, waits until it has been sent.
func (m *Memberlist) announce(ctx context.Context, what func(t *turn, ticket uint64)) error {
	t := m.begin()
	ticket, sent := m.mu.waiters.add()
	what(t, ticket)
	anyAlive := t.core.AnyAlive()
	if !anyAlive {
		m.mu.waiters.remove(ticket)
	}
	t.commitAndNotify()
	if !anyAlive {
		return nil
	}
	return m.await(ctx, ticket, sent, ErrUpdateTimeout)
}

// selfAddr is the address that we are known at.
func (m *Memberlist) selfAddr() netip.AddrPort {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.core.Self().Addr
}
