package memberlist

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// Memberlist is one member of a cluster: it keeps a view of all members, and
// makes itself known to them. Create makes one, Join brings it into a cluster,
// Leave and Shutdown end it. All methods may be called from any goroutine, and
// from within delegates.
type Memberlist struct {
	// Set by Create.
	config      *Config // with defaults; its own copy
	given       *Config // the caller's, of which Join reads Ping
	transport   NodeAwareTransport
	udp         *NetTransport // transport, if it is ours: then send buffers are used again
	keyring     *Keyring      // nil: no encryption
	labelHeader []byte        // before every packet and dialled stream; empty without a label
	labels      []heardLabel  // under which packets and streams are heard, our own first
	ownLabel    [1]heardLabel // room for our own
	resolver    resolver      // of what Join is given
	hosts       resolver      // of what we advertise
	log         *logger

	// Atomics and channels, and what has a lock of its own.
	tasks           tasks
	alarm           alarm // goes off when tick has something to do
	directory       directory
	ping            atomic.Pointer[PingDelegate] // nil: none
	told            atomic.Uint64                // how many events delegates have been told
	untold          atomic.Int64                 // how many are queued for them, or being told
	health          atomic.Int64
	slack           slack
	reportedHealth  atomic.Int64
	counters        [numCounters]atomic.Uint64 // add
	packetsSent     atomic.Uint64
	packetsReceived atomic.Uint64
	eventsReady     chan struct{}          // one slot: there are events to deliver
	eventLoops      sync.Once              // starts eventLoop
	gossipTurns     chan *turn             // one slot: packets that the delegate may add to; nil without one
	eventToken      baton                  // held while delegates hear of events
	moveToken       baton                  // held while another address is announced
	pushPulling     atomic.Bool            // during a push/pull that we begin, but for joins
	tryingSeeds     atomic.Bool            // while seeds are tried
	reconnects      atomic.Int32           // how many lost members are being tried
	advertised      atomic.Pointer[string] // the host name that we advertise; nil: none
	advertising     atomic.Bool            // whether it is looked up again
	seeds           seedList
	membership      handoff // alive, suspect and dead messages
	userMessages    handoff
	streams         streamSet
	spareTurn       atomic.Pointer[turn] // before turns: at most times there is one at a time
	firstTurn       turn
	turns           sync.Pool // of *turn
	conversations   sync.Pool // of *conversation
	streamWriters   sync.Pool // of *streamWriter
	packers         sync.Pool // of *packer

	// Guarded by the one mutex, which is held for memory work only.
	mu struct {
		sync.Mutex
		core         *swim.Core
		armed        time.Time  // when the alarm goes off; zero: never
		sample       time.Time  // when the queue's length is a metric next
		deliveries   []delivery // events that delegates have not heard of yet
		compactAt    int        // how many of them are too many
		pendingPings int        // those of them that may be dropped
		lastNotice   uint64
		notices      map[uint64]chan struct{}        // closed when a broadcast has been sent
		pings        map[uint32]chan swim.PingResult // with room for the one result
		contacts     []contacts                      // by the core's IDs
		changed      time.Time                       // when the view last did
		exchanged    bool                            // whether states were, ever
		synced       chan struct{}                   // closed when they first were; nil: nobody waits for that

		subscriptions  []*Subscription
		unsubscribable bool
		eventsLost     uint64 // by all subscriptions
	}
}

// Create starts a member with the given configuration. It is alone until it
// joins others or others join it. Delegates have heard of the member itself
// when Create returns, and of nothing from the network before that. Then they may
// hear of what comes from the network, at times just before Create has returned:
// they must be ready when Create is called.
//
// The configuration is copied, but see Join. If conf.Transport is nil and conf.BindPort is 0,
// the port that was chosen is written to conf.BindPort and conf.AdvertisePort;
// and a ring made of conf.SecretKey to conf.Keyring. The errors are those of
// Config.Validate and of the transport, ErrMetaTooLarge and, if CIDRsAllowed
// has not the member itself, ErrAddressNotAllowed. After an error nothing is
// left behind: no goroutine, no socket.
//
// A member that conf.Alive itself refuses is not announced: it is no member to
// itself or to others, though it can join, until UpdateNode finds it allowed.
//
// Compat: the reference writes defaults of its own into conf, panics on
// metadata that is too large, creates a member that CIDRsAllowed refuses, and
// panics in many methods of one that was refused.
func Create(conf *Config) (*Memberlist, error) {
	m, err := newMemberlist(conf)
	if err != nil {
		if conf.Transport != nil {
			err = errors.Join(err, conf.Transport.Shutdown())
		}
		return nil, err
	}
	if err := m.begin(); err != nil {
		m.stop()
		return nil, err
	}
	if conf.Transport == nil && conf.BindPort == 0 {
		conf.BindPort, conf.AdvertisePort = m.config.BindPort, m.config.AdvertisePort
	}
	conf.Keyring = m.config.Keyring
	return m, nil
}

// newMemberlist makes a Memberlist with a transport that listens, and without
// goroutines of its own.
func newMemberlist(conf *Config) (*Memberlist, error) {
	config := conf.withDefaults()
	if err := config.validate(); err != nil {
		return nil, err
	}
	if err := config.installSecretKey(); err != nil {
		return nil, err
	}
	m := &Memberlist{
		config:   config,
		given:    conf,
		keyring:  config.Keyring,
		log:      newConfigLogger(config),
		resolver: *newResolver(config.seedResolver(), config.AddressFamily),
		hosts:    *newResolver(config.Resolver, config.AddressFamily),
	}
	m.tasks.open()
	header, err := wire.AppendLabel(nil, config.Label)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLabelTooLong, err)
	}
	m.membership.init(config.HandoffQueueDepth, handoffLimit(config), func() { m.tasks.start(m.membershipLoop) })
	m.userMessages.init(config.HandoffQueueDepth, handoffLimit(config), func() { m.tasks.start(m.userMessageLoop) })
	m.labelHeader, m.labels = header, appendHeardLabels(m.ownLabel[:0], config)
	m.takePing()
	if config.Delegate != nil {
		m.gossipTurns = make(chan *turn, 1)
	}
	m.spareTurn.Store(&m.firstTurn)
	m.turns.New = func() any { return new(turn) }
	m.conversations.New = m.makeConversation
	m.streamWriters.New = func() any { return new(streamWriter) }
	m.packers.New = func() any { return new(packer) }
	m.alarm.init(&m.tasks, m.tick)
	m.mu.compactAt = minCompactEvents
	m.mu.core = swim.New(m.coreConfig())
	m.mu.core.SetRoom(config.packetRoom())
	if err := m.openTransport(); err != nil {
		return nil, err
	}
	return m, nil
}

// openTransport takes the configured transport, or listens on the network.
func (m *Memberlist) openTransport() error {
	if m.config.Transport != nil {
		m.transport = asNodeAware(m.config.Transport)
		m.udp, _ = m.config.Transport.(*NetTransport)
		return nil
	}
	t, err := NewNetTransport(&NetTransportConfig{
		BindAddrs:     m.config.bindAddrs(),
		BindPort:      m.config.BindPort,
		Resolver:      m.config.Resolver,
		AddressFamily: m.config.AddressFamily,
		Logger:        m.log.legacy(),
		SlogHandler:   m.config.SlogHandler,
		MetricLabels:  m.config.MetricLabels,
	})
	if err != nil {
		return fmt.Errorf("set up network transport: %w", err)
	}
	if m.config.BindPort == 0 {
		m.config.BindPort = t.GetAutoBindPort()
		m.config.AdvertisePort = m.config.BindPort
		m.log.debug("using dynamic bind port", slog.Int("port", m.config.BindPort))
	}
	m.transport, m.udp = t, t
	return nil
}

// coreConfig is what the core has to know of the configuration.
func (m *Memberlist) coreConfig() swim.Config {
	c := m.config
	core := swim.Config{
		Name:                    c.Name,
		DefaultPort:             uint16(c.BindPort),
		ProbeInterval:           c.ProbeInterval,
		ProbeTimeout:            c.ProbeTimeout,
		IndirectChecks:          c.IndirectChecks,
		SuspicionMult:           c.SuspicionMult,
		SuspicionMaxTimeoutMult: c.SuspicionMaxTimeoutMult,
		AwarenessMaxMultiplier:  c.AwarenessMaxMultiplier,
		GossipInterval:          c.GossipInterval,
		GossipNodes:             c.GossipNodes,
		GossipToTheDeadTime:     c.GossipToTheDeadTime,
		RetransmitMult:          c.RetransmitMult,
		PushPullInterval:        c.PushPullInterval,
		DeadNodeReclaimTime:     c.DeadNodeReclaimTime,
		KeepAskingSeeds:         c.Seeds != nil,
		HasUserBroadcasts:       c.Delegate != nil,
		Rand:                    rand.New(systemRandom{}),
	}
	if c.ReconnectInterval > 0 && c.ReconnectTimeout > 0 {
		core.ReconnectInterval, core.ReconnectTimeout = c.ReconnectInterval, c.ReconnectTimeout
	}
	if c.IPMustBeChecked() {
		core.Allowed = func(a netip.Addr) bool { return c.IPAllowed(net.IP(a.AsSlice())) == nil }
	}
	return core
}

// begin announces the member to itself and starts the goroutines.
func (m *Memberlist) begin() error {
	if !m.tasks.enter() {
		return ErrShutdown
	}
	defer m.tasks.leave()
	addr, err := m.findAddress(m.config.AdvertiseAddr, m.config.AdvertisePort)
	if err != nil {
		return err
	}
	self, err := m.describeSelf(addr)
	if err != nil {
		return err
	}
	m.warnIfExposed(self.addr.Addr())
	refused := m.askAliveOfSelf(&self)
	t := m.beginTurn()
	if refused == nil {
		t.core.Announce(t.now, self.addr, self.meta, self.versions, 0)
	} else {
		t.core.Introduce(self.addr, self.meta, self.versions)
	}
	t.core.Start(t.now)
	m.mu.sample = t.now.Add(m.config.QueueCheckInterval)
	if m.config.Seeds != nil {
		t.core.HaveSeeds(t.now)
	}
	m.endTurnAndDeliver(t)
	if refused != nil {
		m.log.warn("not announcing this member", errAttr(refused))
	}

	// What handles messages about members, user messages and events starts with the first of them.
	m.tasks.start(m.packetLoop)
	m.tasks.start(m.streamLoop)
	if m.config.Delegate != nil {
		m.tasks.start(m.gossipLoop)
	}
	if m.udp != nil { // another transport makes of it what it likes
		m.keepAdvertising(m.config.AdvertiseAddr)
	}
	return nil
}

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
	if size, room := m.config.announcementSize(meta), swim.MaxBroadcast(m.config.packetRoom()); size > room {
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
	if !m.tasks.goAway() {
		return nil, ErrShutdown
	}
	meta := m.config.Delegate.NodeMeta(MetaMaxSize)
	m.tasks.comeBack()
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
	if !m.tasks.goAway() {
		return ErrShutdown
	}
	defer m.tasks.comeBack()
	return m.config.Alive.NotifyAlive(node)
}

// warnIfExposed warns of a public address without encryption.
func (m *Memberlist) warnIfExposed(addr netip.Addr) {
	if !m.config.EncryptionEnabled() && addr.IsGlobalUnicast() && !addr.IsPrivate() {
		m.log.warn("binding to a public address without encryption", slog.String("addr", addr.String()))
	}
}

// takePing takes the ping delegate from the caller's configuration.
func (m *Memberlist) takePing() {
	if ping := m.given.Ping; ping != nil {
		m.ping.Store(&ping)
	} else {
		m.ping.Store(nil)
	}
}

// pingDelegate is who hears of pings, or nil.
func (m *Memberlist) pingDelegate() PingDelegate {
	if ping := m.ping.Load(); ping != nil {
		return *ping
	}
	return nil
}

// Members returns the members that are alive or suspect, itself included. The
// slice is the caller's. It takes no lock.
//
// What delegates did in the events that they have been told before is visible
// to who calls Members or NumMembers.
func (m *Memberlist) Members() []*Node {
	m.told.Load() // synchronizes with the events
	return m.directory.members()
}

// NumMembers returns how many members are alive or suspect, itself included.
func (m *Memberlist) NumMembers() int {
	m.told.Load() // synchronizes with the events
	return int(m.directory.count.Load())
}

// LocalNode returns what this member is known as.
func (m *Memberlist) LocalNode() *Node { return m.directory.self.Load() }

// GetHealthScore returns how well this member gets on, from 0 (healthy) up to
// below Config.AwarenessMaxMultiplier (Lifeguard section IV-A).
func (m *Memberlist) GetHealthScore() int { return int(m.health.Load()) }

// ProtocolVersion returns the version of the protocol that this member speaks.
func (m *Memberlist) ProtocolVersion() uint8 { return m.config.ProtocolVersion }

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
	if !m.tasks.enter() {
		return ErrShutdown
	}
	defer m.tasks.leave()
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
	return m.announce(ctx, func(t *turn, notice uint64) {
		t.core.Announce(t.now, t.core.Self().Addr, self.meta, self.versions, notice)
	})
}

// announce has the core announce something of ourselves and, if anyone else is
// alive, waits until it has been sent.
func (m *Memberlist) announce(ctx context.Context, what func(t *turn, notice uint64)) error {
	t := m.beginTurn()
	notice, sent := m.newNoticeLocked()
	what(t, notice)
	anyAlive := t.core.AnyAlive()
	m.endTurnAndDeliver(t)
	if !anyAlive {
		m.dropNotice(notice)
		return nil
	}
	return m.await(ctx, notice, sent, ErrUpdateTimeout)
}

// selfAddr is the address that we are known at.
func (m *Memberlist) selfAddr() netip.AddrPort {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.core.Self().Addr
}

// Leave tells the others that this member leaves, so that they do not take it
// for failed. If anyone else is alive it waits until that has been sent, or for
// the timeout (0: for ever): then ErrLeaveTimeout. The member goes on answering
// others until Shutdown. Leaving again does nothing; after Shutdown the error
// is ErrShutdown.
//
// Compat: the reference panics after Shutdown.
func (m *Memberlist) Leave(timeout time.Duration) error {
	ctx, cancel := within(timeout)
	defer cancel()
	if err := m.LeaveContext(ctx); !errors.Is(err, ErrLeaveTimeout) {
		return err
	}
	return ErrLeaveTimeout
}

// LeaveContext is Leave with a context in place of the timeout. The member
// leaves in any case; the context says how long to wait until the others have
// been told. If it ends before, or had ended, the error wraps ErrLeaveTimeout
// and the context's.
func (m *Memberlist) LeaveContext(ctx context.Context) error {
	if !m.tasks.enter() {
		return ErrShutdown
	}
	defer m.tasks.leave()
	t := m.beginTurn()
	notice, sent := m.newNoticeLocked()
	heard := t.core.Leave(t.now, notice)
	m.endTurnAndDeliver(t)
	if !heard {
		m.dropNotice(notice)
		return nil
	}
	return m.await(ctx, notice, sent, ErrLeaveTimeout)
}

// Shutdown stops this member without telling the others, who will find it
// failed unless it left before. When it returns, all goroutines have ended, all
// sockets and streams are closed, and no delegate will be called. A delegate
// that is being called at that moment is not waited for, so Shutdown may be
// called from one. It may be called more than once.
//
// Compat: the reference does not wait for its goroutines, nor close streams.
func (m *Memberlist) Shutdown() error {
	m.stop()
	return nil
}

func (m *Memberlist) stop() {
	if m.tasks.close() {
		m.alarm.end()
		if err := m.transport.Shutdown(); err != nil {
			m.log.error("failed to shut down the transport", errAttr(err))
		}
		m.streams.closeAll()
		m.closeSubscriptions()
	}
	m.tasks.wait()
}

// newNoticeLocked makes a channel that is closed when a broadcast is finished.
func (m *Memberlist) newNoticeLocked() (uint64, <-chan struct{}) {
	m.mu.lastNotice++
	done := make(chan struct{})
	if m.mu.notices == nil {
		m.mu.notices = make(map[uint64]chan struct{})
	}
	m.mu.notices[m.mu.lastNotice] = done
	return m.mu.lastNotice, done
}

func (m *Memberlist) dropNotice(notice uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.mu.notices, notice)
}

// await waits for a notice, until the context ends, or for Shutdown.
func (m *Memberlist) await(ctx context.Context, notice uint64, sent <-chan struct{}, late error) error {
	defer m.dropNotice(notice)
	select {
	case <-sent:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", late, contextError(ctx))
	case <-m.tasks.stopping:
		return ErrShutdown
	}
}

// within is a context that ends after a timeout (0: never).
func within(timeout time.Duration) (context.Context, context.CancelFunc) {
	if timeout <= 0 {
		return context.WithCancel(context.Background())
	}
	return context.WithTimeout(context.Background(), timeout)
}

// contextError is why a context ended: the error of its kind, and the cause if
// it was given another.
func contextError(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// checkName refuses an address without a name where names are required.
func (m *Memberlist) checkName(a Address) error {
	if m.config.RequireNodeNames && strings.TrimSpace(a.Name) == "" {
		return ErrNodeNameRequired
	}
	return nil
}
