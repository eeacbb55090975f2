package memberlist

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/e3431adc/memberlist/internal/logging"
)

// SetAdvertiseAddr changes the address at which the other members reach this one: to an IP address, or to a host
// name, which is looked up again every Config.AdvertiseInterval. If it is empty, the transport is asked as by Create,
// and finds the machine's current address. Port 0 keeps the advertised port. The transport goes on listening as
// before; both addresses should lead there for some seconds. The same address has no effect.
//
// By the rules of the protocol the address of an alive member does not change, so the others are told that it left
// and then that it is back. Their EventDelegates are notified of a leave (StateLeft) and, a second or so later, of a
// join at the new address; here there are no events. It is not declared dead in between. A member that has missed the
// leave refuses the new address, and calls its ConflictDelegate, until it learns of the leave: at the latest in a
// push/pull with this member.
//
// It returns when the broadcasts have been sent, which takes some rounds of gossip. If the context ends before, the
// error wraps ErrUpdateTimeout and the context's, and the new address has been announced all the same. Other errors,
// after which nothing has changed, are ErrInvalidAddress, ErrAddressNotAllowed, those of the lookup and of
// Config.Alive, the context's, if it ended before the change began, and ErrShutdown.
func (m *Memberlist) SetAdvertiseAddr(ctx context.Context, addr string, port int) error {
	if !m.tasks.Acquire() {
		return ErrShutdown
	}
	defer m.tasks.Release()
	if ctx.Err() != nil {
		return contextError(ctx)
	}
	if port < 0 || port > 65535 {
		return fmt.Errorf("%w: port %d is not between 0 and 65535", ErrInvalidAddress, port)
	}
	if port == 0 {
		port = int(m.selfAddr().Port())
	}
	to, err := m.lookUpAdvertised(ctx, addr, port)
	if err != nil {
		return fmt.Errorf("find the address to advertise: %w", err)
	}
	before := m.advertised.Swap(nil) // no name is followed meanwhile
	err = m.moveTo(ctx, to)
	if err != nil && !errors.Is(err, ErrUpdateTimeout) {
		addr = ""
		if before != nil {
			addr = *before
		}
	}
	m.keepAdvertising(addr)
	return err
}

// lookUpAdvertised resolves a host name, an IP address, or the empty string.
func (m *Memberlist) lookUpAdvertised(ctx context.Context, addr string, port int) (netip.AddrPort, error) {
	if addr == "" {
		return m.findAddress("", port)
	}
	ip, err := m.hosts.Addr(ctx, addr)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return m.advertisable(ip, port)
}

// advertisable returns the address to advertise, or an error.
//
// Compat: the reference advertises "0.0.0.0" and "::" if told to.
func (m *Memberlist) advertisable(ip netip.Addr, port int) (netip.AddrPort, error) {
	ip = ip.Unmap().WithZone("")
	if ip.IsUnspecified() {
		return netip.AddrPort{}, unspecifiedAdvertiseAddr(ip)
	}
	if err := m.config.IPAllowed(net.IP(ip.AsSlice())); err != nil {
		return netip.AddrPort{}, fmt.Errorf("advertise %v: %w", ip, err)
	}
	return netip.AddrPortFrom(ip, uint16(port)), nil
}

// unspecifiedAdvertiseAddr returns the error for an unspecified address.
func unspecifiedAdvertiseAddr(ip netip.Addr) error {
	return fmt.Errorf("AdvertiseAddr: %w: other members cannot reach %s", ErrInvalidAddress, ip)
}

// departureTime is the time limit for the leave broadcast before the new address is announced.
const departureTime = 5 * time.Second

// moveTo announces another address. One move at a time.
func (m *Memberlist) moveTo(ctx context.Context, to netip.AddrPort) error {
	if err := m.moving.Lock(ctx); err != nil {
		return m.endedOr(ctx, err)
	}
	defer m.moving.Unlock()
	before := m.selfAddr()
	if to == before {
		return nil
	}
	self, err := m.describeSelf(to)
	if err != nil {
		return err
	}
	if err := m.askAliveOfSelf(&self); err != nil {
		return err
	}
	t := m.begin()
	ticket, sent := m.mu.waiters.add()
	heard := t.core.Depart(ticket)
	if !heard {
		m.mu.waiters.remove(ticket)
	}
	t.commitAndNotify()
	if heard {
		m.awaitDeparture(ctx, ticket, sent)
	}

	m.log.Info("advertising another address", slog.String("addr", to.String()), slog.String("before", before.String()))
	return m.announce(ctx, func(t *turn, ticket uint64) { t.core.Arrive(to, ticket) })
}

// awaitDeparture waits until the leave broadcast has been sent, and then as long again, for the others to gossip it.
func (m *Memberlist) awaitDeparture(ctx context.Context, ticket uint64, sent <-chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, departureTime)
	defer cancel()
	start := time.Now()
	if m.await(ctx, ticket, sent, ErrUpdateTimeout) != nil {
		return
	}
	rest := time.NewTimer(time.Since(start))
	defer rest.Stop()
	select {
	case <-rest.C:
	case <-ctx.Done():
	case <-m.tasks.Done():
	}
}

// keepAdvertising remembers addr for later lookups, if it is a host name.
func (m *Memberlist) keepAdvertising(addr string) {
	if _, err := netip.ParseAddr(addr); err == nil || addr == "" {
		m.advertised.Store(nil)
		return
	}
	m.advertised.Store(&addr)
	if m.config.AdvertiseInterval > 0 && !m.advertising.Swap(true) {
		m.tasks.Go(m.advertiseLoop)
	}
}

// advertiseLoop periodically looks up the advertised host name, if any. It ends with the Memberlist.
func (m *Memberlist) advertiseLoop() {
	ticker := time.NewTicker(m.config.AdvertiseInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			m.readvertise()
		case <-m.tasks.Done():
			return
		}
	}
}

// readvertise announces a new address if the advertised host name no longer resolves to the current one.
func (m *Memberlist) readvertise() {
	name := m.advertised.Load()
	if name == nil {
		return
	}
	ctx, cancel := context.WithTimeout(m.tasks.Context(), m.config.AdvertiseInterval)
	defer cancel()
	ips, err := m.hosts.Addrs(ctx, *name)
	now := m.selfAddr()
	if err == nil && slices.Contains(ips, now.Addr()) {
		return
	}
	if err == nil {
		m.hosts.Family.Prefer(ips)
		var to netip.AddrPort
		if to, err = m.advertisable(ips[0], int(now.Port())); err == nil && m.advertised.Load() == name {
			err = m.moveTo(ctx, to)
		}
	}
	if err != nil && !m.tasks.Closed() {
		m.log.Limited("advertise", slog.LevelWarn, "failed to follow the advertised host name", slog.String("host", *name), logging.Err(err))
	}
}
