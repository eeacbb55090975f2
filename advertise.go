package memberlist

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/e3431adc/memberlist/internal/lifecycle"
	"github.com/e3431adc/memberlist/internal/logging"
	"github.com/e3431adc/memberlist/internal/resolve"
	"github.com/e3431adc/memberlist/internal/swim"
)

// advertised is what this member announces of itself.
type advertised struct {
	m        *Memberlist
	hosts    resolve.Resolver
	changing lifecycle.Mutex        // held while another address is announced
	host     atomic.Pointer[string] // the host name that is looked up again; nil: none
	looping  atomic.Bool            // loop has been started
}

func (a *advertised) init(m *Memberlist) {
	a.m, a.changing = m, m.tasks.NewMutex()
	a.hosts = newResolver(m.config.Resolver, m.config.AddressFamily)
}

// UpdateNode asks the delegate for new metadata and announces it. If anyone
// else is alive it waits until the announcement has been sent, or for the
// timeout (0: for ever): then ErrUpdateTimeout. Other errors are
// ErrMetaTooLarge, also if it does not fit a packet, ErrIncarnationExhausted, ErrShutdown and what Config.Alive has against it.
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
	self, err := m.advertised.describe(m.advertised.current())
	if err != nil {
		return err
	}
	if err := m.advertised.checkAllowed(&self); err != nil {
		return err
	}
	if m.advertised.exhausted() {
		return ErrIncarnationExhausted
	}
	return m.advertised.announce(ctx, func(t *turn, ticket uint64) {
		t.core.Announce(t.core.Self().Addr, self.meta, self.versions, ticket)
	})
}

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
// after which nothing has changed, are ErrInvalidAddress, ErrAddressNotAllowed, ErrIncarnationExhausted, those of the lookup and of
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
		port = int(m.advertised.current().Port())
	}
	to, err := m.advertised.lookUp(ctx, addr, port)
	if err != nil {
		return fmt.Errorf("find the address to advertise: %w", err)
	}
	before := m.advertised.host.Swap(nil) // no name is followed meanwhile
	err = m.advertised.change(ctx, to)
	if err != nil && !errors.Is(err, ErrUpdateTimeout) {
		addr = ""
		if before != nil {
			addr = *before
		}
	}
	m.advertised.follow(addr)
	return err
}

// lookUp resolves a host name, an IP address, or the empty string.
func (a *advertised) lookUp(ctx context.Context, addr string, port int) (netip.AddrPort, error) {
	if addr == "" {
		return a.address("", port)
	}
	ip, err := a.hosts.Addr(ctx, addr)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return a.check(ip, port)
}

// check returns the address to advertise, or an error.
//
// Compat: the reference advertises "0.0.0.0" and "::" if told to.
func (a *advertised) check(ip netip.Addr, port int) (netip.AddrPort, error) {
	ip = ip.Unmap().WithZone("")
	if ip.IsUnspecified() {
		return netip.AddrPort{}, unspecifiedAdvertiseAddr(ip)
	}
	if err := a.m.config.IPAllowed(net.IP(ip.AsSlice())); err != nil {
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

// change announces another address. One move at a time.
func (a *advertised) change(ctx context.Context, to netip.AddrPort) error {
	if err := a.changing.Lock(ctx); err != nil {
		return a.m.endedOr(ctx, err)
	}
	defer a.changing.Unlock()
	before := a.current()
	if to == before {
		return nil
	}
	self, err := a.describe(to)
	if err != nil {
		return err
	}
	if err := a.checkAllowed(&self); err != nil {
		return err
	}
	if a.exhausted() {
		return ErrIncarnationExhausted
	}
	t := a.m.begin()
	ticket, sent := a.m.mu.waiters.add()
	sends := t.core.BeginAddressChange(ticket)
	if !sends {
		a.m.mu.waiters.remove(ticket)
	}
	t.commitAndNotify()
	if sends {
		a.awaitDeparture(ctx, ticket, sent)
	}

	a.m.log.Info("advertising another address", slog.String("addr", to.String()), slog.String("before", before.String()))
	return a.announce(ctx, func(t *turn, ticket uint64) { t.core.FinishAddressChange(to, ticket) })
}

// awaitDeparture waits until the leave broadcast has been sent, and then as long again, for the others to gossip it.
func (a *advertised) awaitDeparture(ctx context.Context, ticket uint64, sent <-chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, departureTime)
	defer cancel()
	start := time.Now()
	if a.m.await(ctx, ticket, sent, ErrUpdateTimeout) != nil {
		return
	}
	rest := time.NewTimer(time.Since(start))
	defer rest.Stop()
	select {
	case <-rest.C:
	case <-ctx.Done():
	case <-a.m.tasks.Done():
	}
}

// follow remembers addr for later lookups, if it is a host name.
func (a *advertised) follow(addr string) {
	if _, err := netip.ParseAddr(addr); err == nil || addr == "" {
		a.host.Store(nil)
		return
	}
	a.host.Store(&addr)
	if a.m.config.AdvertiseInterval > 0 && !a.looping.Swap(true) {
		a.m.tasks.Go(a.loop)
	}
}

// loop periodically looks up the advertised host name, if any. It ends with the Memberlist.
func (a *advertised) loop() {
	ticker := time.NewTicker(a.m.config.AdvertiseInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			a.refresh()
		case <-a.m.tasks.Done():
			return
		}
	}
}

// refresh announces a new address if the advertised host name no longer resolves to the current one.
func (a *advertised) refresh() {
	name := a.host.Load()
	if name == nil {
		return
	}
	ctx, cancel := context.WithTimeout(a.m.tasks.Context(), a.m.config.AdvertiseInterval)
	defer cancel()
	ips, err := a.hosts.Addrs(ctx, *name)
	now := a.current()
	if err == nil && slices.Contains(ips, now.Addr()) {
		return
	}
	if err == nil {
		a.hosts.Family.Prefer(ips)
		var to netip.AddrPort
		if to, err = a.check(ips[0], int(now.Port())); err == nil && a.host.Load() == name {
			err = a.change(ctx, to)
		}
	}
	if err != nil && !a.m.tasks.Closed() {
		a.m.log.Limited("advertise", slog.LevelWarn, "failed to follow the advertised host name", slog.String("host", *name), logging.Err(err))
	}
}

// selfDescription is the announcement of a member.
type selfDescription struct {
	addr     netip.AddrPort
	meta     []byte
	versions swim.Versions
}

// address asks the transport for the address at which other members reach this one.
func (a *advertised) address(host string, port int) (netip.AddrPort, error) {
	ip, port, err := a.m.transport.FinalAdvertiseAddr(host, port)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("find the address to advertise: %w", err)
	}
	addr, ok := netip.AddrFromSlice(ip)
	if !ok || port < 0 || port > 65535 {
		return netip.AddrPort{}, fmt.Errorf("%w: transport advertises %v:%d", ErrInvalidAddress, ip, port)
	}
	return a.check(addr, port)
}

// describe returns the description of this member at an address.
func (a *advertised) describe(addr netip.AddrPort) (selfDescription, error) {
	meta, err := a.meta()
	if err != nil {
		return selfDescription{}, err
	}
	if size, room := a.m.config.announcementSize(meta), a.m.envelope.Budget().Message; size > room {
		return selfDescription{}, fmt.Errorf("%w: with it the announcement of this member has %d bytes, a packet has room for %d",
			ErrMetaTooLarge, size, room)
	}
	self := selfDescription{addr: addr, meta: meta, versions: swim.Versions(a.m.config.BuildVsnArray())}
	return self, nil
}

// checkAllowed asks the alive delegate whether it allows this member itself.
func (a *advertised) checkAllowed(self *selfDescription) error {
	if a.m.config.Alive == nil {
		return nil
	}
	node := newNode(&swim.Member{Name: a.m.config.Name, Addr: self.addr, Meta: self.meta, Versions: self.versions})
	if err := a.m.askAlive(node); err != nil {
		return fmt.Errorf("alive delegate refuses this member itself: %w", err)
	}
	return nil
}

// meta asks the delegate for the metadata of this member.
func (a *advertised) meta() ([]byte, error) {
	if a.m.config.Delegate == nil {
		return nil, nil
	}
	if !a.m.tasks.BeginCallback() {
		return nil, ErrShutdown
	}
	meta := a.m.config.Delegate.NodeMeta(MetaMaxSize)
	a.m.tasks.EndCallback()
	if len(meta) > MetaMaxSize {
		return nil, fmt.Errorf("%w: %d bytes, the limit is %d", ErrMetaTooLarge, len(meta), MetaMaxSize)
	}
	return append([]byte(nil), meta...), nil
}

// warnIfExposed warns of a public address without encryption.
func (a *advertised) warnIfExposed(addr netip.Addr) {
	if a.m.connected != nil && a.m.connected.Secure() {
		return
	}
	if !a.m.config.EncryptionEnabled() && addr.IsGlobalUnicast() && !addr.IsPrivate() {
		a.m.log.Warn("binding to a public address without encryption", slog.String("addr", addr.String()))
	}
}

// announce calls what, which lets the core announce this member, and waits until that has been sent, if any other member is alive.
func (a *advertised) announce(ctx context.Context, what func(t *turn, ticket uint64)) error {
	t := a.m.begin()
	ticket, sent := a.m.mu.waiters.add()
	what(t, ticket)
	anyAlive := t.core.AnyAlive()
	if !anyAlive {
		a.m.mu.waiters.remove(ticket)
	}
	t.commitAndNotify()
	if !anyAlive {
		return nil
	}
	return a.m.await(ctx, ticket, sent, ErrUpdateTimeout)
}

// exhausted reports whether this member is at the last incarnation, so that others ignore its announcements.
//
// Compat: the reference announces it all the same, and UpdateNode returns nil.
func (a *advertised) exhausted() bool {
	a.m.mu.Lock()
	defer a.m.mu.Unlock()
	return a.m.mu.core.Self().Incarnation == swim.MaxIncarnation
}

// current returns the address that is advertised.
func (a *advertised) current() netip.AddrPort {
	a.m.mu.Lock()
	defer a.m.mu.Unlock()
	return a.m.mu.core.Self().Addr
}
