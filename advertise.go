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

// SetAdvertiseAddr makes it known that the others reach this member at another address from now on: an IP address, or a
// host name, which is looked up again every Config.AdvertiseInterval. If it is empty, the transport is asked as by Create,
// which finds out what the machine's address has become. Port 0 is the one advertised until now. The transport goes on
// listening where it did; both addresses should lead there for some seconds. Nothing happens if the address is the same.
//
// A live member's address does not change, by the rules of the protocol, so the others are told that it left and then that
// it is back: their EventDelegates hear NotifyLeave (StateLeft) and a second or so later NotifyJoin with the new address,
// here nothing is heard. It is not taken for failed in between. Who has missed the first part refuses the second, which its
// ConflictDelegate hears, until it hears of the first after all: at the latest in an exchange of states with this member.
//
// It returns when the others have been told, which takes some rounds of gossip; if the context ends before, with an error
// that wraps ErrUpdateTimeout and the context's: the new address has been announced all the same. Other errors, after which
// nothing has changed, are ErrInvalidAddress, ErrAddressNotAllowed, those of the look-up, what Config.Alive has against it,
// the context's, if it had ended before or ended while another change was under way, and ErrShutdown.
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

// lookUpAdvertised finds the address that a name, an IP address or nothing in particular stands for.
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

// advertisable returns the address at which this member may be known.
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

// unspecifiedAdvertiseAddr returns the error for an address to advertise under which nothing can be reached.
func unspecifiedAdvertiseAddr(ip netip.Addr) error {
	return fmt.Errorf("AdvertiseAddr: %w: other members cannot reach %s", ErrInvalidAddress, ip)
}

// departureTime bounds how long the others have to hear that we left, before they are told where we are.
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
	heard := t.core.Depart(t.now, ticket)
	if !heard {
		m.mu.waiters.remove(ticket)
	}
	t.commitAndNotify()
	if heard {
		m.awaitDeparture(ctx, ticket, sent)
	}

	m.log.Info("advertising another address", slog.String("addr", to.String()), slog.String("before", before.String()))
	return m.announce(ctx, func(t *turn, ticket uint64) { t.core.Arrive(t.now, to, ticket) })
}

// awaitDeparture waits until we have told others that we left, and then as long again, for them to tell the rest.
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

// keepAdvertising remembers what to look up again: a host name, if that is what addr is.
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

// advertiseLoop looks up the host name that is advertised, if any. It ends with the Memberlist.
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

// readvertise follows the advertised host name to another address. As long as it stands for the present one among others,
// that is kept.
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
