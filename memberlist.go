package memberlist

import (
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

	"github.com/e3431adc/memberlist/internal/envelope"
	"github.com/e3431adc/memberlist/internal/handoff"
	"github.com/e3431adc/memberlist/internal/lifecycle"
	"github.com/e3431adc/memberlist/internal/logging"
	"github.com/e3431adc/memberlist/internal/metrics"
	"github.com/e3431adc/memberlist/internal/registry"
	"github.com/e3431adc/memberlist/internal/streamset"
	"github.com/e3431adc/memberlist/internal/swim"
)

// Memberlist is one member of a cluster: it keeps a view of all members, and announces itself to them. Create starts
// it, Join brings it into a cluster, Leave and Shutdown end it. All methods may be called from any goroutine, and
// from within delegates.
type Memberlist struct {
	// Set by Create.
	config    *Config // with defaults; its own copy
	given     *Config // the caller's, of which Join reads Ping
	transport NodeAwareTransport
	udp       *NetTransport       // transport, if it is one: send buffers are then used again
	connected ConnectionTransport // transport, if it is one
	envelope  *envelope.Envelope
	log       *logging.Logger
	recorder  *swim.Recorder // nil: none

	// Atomics, channels, and structs with locks of their own.
	tasks        lifecycle.Group
	timer        lifecycle.Timer         // runs tick
	nodes        registry.Registry[Node] // by the core's IDs
	self         atomic.Pointer[Node]
	delivery     delivery // of events to delegates
	health       atomic.Int32
	metrics      metrics.Set
	broadcasts   userBroadcasts
	selector     nodeSelector
	packets      packetWriter
	advertised   advertised
	reconnector  reconnector
	gossip       *handoff.Queue // alive, suspect and dead messages
	userMessages userMessages
	streams      streamset.Set
	pushPulls    pushPulls

	// Guarded by the one mutex, which is held for memory work only.
	mu struct {
		sync.Mutex
		core          *swim.Core
		armed         time.Time // when the timer expires; zero: never
		sample        time.Time // time of the next sample of the queue's length
		notifications notificationQueue
		waiters       waiters
		pings         pingWaiters
		reachability  reachability
		seeds         seedList
		ownName       ownName
		view          convergence
		subscriptions subscriptions
		nodeStates    nodeStates
	}
}

// Create starts a member with the given configuration. It knows no others until it joins them or they join it. The
// EventDelegate has been notified of the member itself when Create returns, and of nothing from the network before
// that. Delegates may be called for messages from the network just before Create returns: they must be ready when it
// is called.
//
// The configuration is copied, but see Join. If conf.Transport is nil and conf.BindPort is 0, the chosen port is
// written to conf.BindPort and conf.AdvertisePort; a keyring made from conf.SecretKey is written to conf.Keyring. The
// errors are those of Config.Validate and of the transport, ErrMetaTooLarge and, if CIDRsAllowed do not contain the
// member's own address, ErrAddressNotAllowed. After an error no goroutine and no socket remains.
//
// A member that its own conf.Alive refuses is not announced: it is not a member, here or elsewhere, though it can
// join, until UpdateNode finds it allowed.
//
// Compat: the reference writes its own defaults into conf, panics on metadata that is too large, creates a member
// that CIDRsAllowed refuses, and panics in many methods of a member that was refused.
func Create(conf *Config) (*Memberlist, error) {
	if conf == nil {
		return nil, errNilConfig
	}
	m, err := newMemberlist(conf)
	if err != nil {
		if conf.Transport != nil {
			err = errors.Join(err, shutDown(conf.Transport))
		}
		return nil, err
	}
	if err := m.start(); err != nil {
		m.stop()
		return nil, err
	}
	if conf.Transport == nil && conf.BindPort == 0 {
		conf.BindPort, conf.AdvertisePort = m.config.BindPort, m.config.AdvertisePort
	}
	conf.Keyring = m.config.Keyring
	return m, nil
}

// newMemberlist returns a Memberlist with a listening transport, before its goroutines are started.
func newMemberlist(conf *Config) (*Memberlist, error) {
	config := conf.withDefaults()
	if err := config.validate(); err != nil {
		return nil, err
	}
	if err := config.installSecretKey(); err != nil {
		return nil, err
	}
	m := &Memberlist{
		config: config,
		given:  conf,
		log:    newLogger(config),
	}
	m.metrics.SetLabels(config.MetricLabels)
	m.tasks.Init()
	var err error
	if m.envelope, err = envelope.New(config.policy(), config.Keyring.ringOf()); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLabelTooLong, err)
	}
	m.advertised.init(m)
	m.reconnector.m, m.reconnector.resolver = m, newSeedResolver(config)
	m.pushPulls.m, m.packets.m = m, m
	m.delivery.init(m)
	m.broadcasts.init(m)
	m.gossip = newHandoff(config)
	m.userMessages.m, m.userMessages.queue = m, newHandoff(config)
	m.mu.pings = make(pingWaiters)
	m.recorder = config.newRecorder()
	m.mu.core = swim.New(m.coreConfig())
	if err := m.openTransport(); err != nil {
		return nil, err
	}
	m.timer.Init(&m.tasks, m.tick, m.udp != nil)
	return m, nil
}

// openTransport uses the configured transport, or listens on the network.
func (m *Memberlist) openTransport() error {
	if m.config.Transport != nil {
		m.transport = asNodeAware(m.config.Transport)
		m.udp, _ = m.config.Transport.(*NetTransport)
		m.connected, _ = m.config.Transport.(ConnectionTransport)
		return nil
	}
	t, err := listenNet(&NetTransportConfig{
		BindAddrs:     m.config.bindAddrs(),
		BindPort:      m.config.BindPort,
		Resolver:      m.config.Resolver,
		AddressFamily: m.config.AddressFamily,
		MetricLabels:  m.config.MetricLabels,
	}, m.log)
	if err != nil {
		return fmt.Errorf("set up network transport: %w", err)
	}
	if m.config.BindPort == 0 {
		m.config.BindPort = t.GetAutoBindPort()
		m.config.AdvertisePort = m.config.BindPort
		m.log.Debug("using dynamic bind port", slog.Int("port", m.config.BindPort))
	}
	m.transport, m.udp = t, t
	return nil
}

// coreConfig returns the core's part of the configuration.
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
		LateAfter:               swim.LateAfter(c.ProbeTimeout),
		GossipInterval:          c.GossipInterval,
		GossipNodes:             c.GossipNodes,
		GossipToTheDeadTime:     c.GossipToTheDeadTime,
		RetransmitMult:          c.RetransmitMult,
		Room:                    m.envelope.Budget().Room,
		PushPullInterval:        c.PushPullInterval,
		PushPullNodes:           c.PushPullNodes,
		SelectsTargets:          c.NodeSelection != nil,
		Zone:                    c.Zone,
		ZoneRelays:              c.ZoneRelays,
		SaysZones:               c.ZoneOf != nil,
		DeadNodeReclaimTime:     c.DeadNodeReclaimTime,
		KeepAskingSeeds:         c.Seeds != nil,
		Extensions:              !c.DisableExtensions,
		HasUserBroadcasts:       c.Delegate != nil,
		PacketsAreStreams:       packetsAreStreams(c.Transport),
		Rand:                    rand.New(systemRandom{}),
		Recorder:                m.recorder,
	}
	if !c.DisableExtensions {
		core.Detector = swim.Detector{AdaptiveTimeout: true, Refusals: !c.DisableTcpPings, RefusalGrace: max(c.RefusalGrace, 0),
			Corroborate: true, SilenceTimeout: c.SilenceTimeout, Ring: true, CheckDead: true}
	}
	if c.ReconnectTimeout > 0 {
		core.ReconnectInterval, core.ReconnectTimeout = max(c.ReconnectInterval, 0), c.ReconnectTimeout
	}
	if c.IPMustBeChecked() {
		core.Allowed = func(a netip.Addr) bool { return c.IPAllowed(net.IP(a.AsSlice())) == nil }
	}
	return core
}

// packetsAreStreams reports whether a transport sends packets on connections.
func packetsAreStreams(t Transport) bool {
	_, ok := t.(ConnectionTransport)
	return ok
}

// systemRandom is the runtime's source of random numbers, as a source for the
// core: seeded by the operating system, so that no peer can predict it, and in no
// need of memory or of a seed for each member.
type systemRandom struct{}

func (systemRandom) Uint64() uint64 { return rand.Uint64() }

// start announces the member to itself and starts the goroutines.
func (m *Memberlist) start() error {
	if !m.tasks.Acquire() {
		return ErrShutdown
	}
	defer m.tasks.Release()
	addr, err := m.advertised.address(m.config.AdvertiseAddr, m.config.AdvertisePort)
	if err != nil {
		return err
	}
	self, err := m.advertised.describe(addr)
	if err != nil {
		return err
	}
	m.advertised.warnIfExposed(self.addr.Addr())
	refused := m.advertised.checkAllowed(&self)
	t := m.begin()
	if refused == nil {
		t.core.Announce(self.addr, self.meta, self.versions, 0)
	} else {
		t.core.Introduce(self.addr, self.meta, self.versions)
	}
	t.core.Start()
	m.mu.sample = t.now.Add(m.config.QueueCheckInterval)
	if m.config.Seeds != nil {
		t.core.HaveSeeds()
	}
	t.commitAndNotify()
	if refused != nil {
		m.log.Warn("not announcing this member", logging.Err(refused))
	}

	for _, loop := range []func(){m.gossipLoop, m.userMessages.loop, m.delivery.loop, m.packetLoop, m.streamLoop} {
		m.tasks.Go(loop)
	}
	if m.config.Transport == nil {
		m.udp.receive()
	}
	if m.udp != nil { // other transports interpret it themselves
		m.advertised.follow(m.config.AdvertiseAddr)
	}
	return nil
}

// Members returns the alive and suspect members, this one included, in a slice that belongs to the caller. It takes
// no lock, unless members keep changing while it reads.
//
// The order is that of the reference: a new member takes the place of a random other one, which moves to the end, and
// keeps it until it is forgotten. So the second member of a cluster is first in the list of the first one.
//
// An EventDelegate call happens before any Members or NumMembers call that observes its change.
func (m *Memberlist) Members() []*Node {
	m.delivery.delivered.Load() // synchronizes with event delivery
	return m.nodes.List(&m.mu.Mutex)
}

// NumMembers returns the number of alive and suspect members, this one included.
func (m *Memberlist) NumMembers() int {
	m.delivery.delivered.Load() // synchronizes with event delivery
	return m.nodes.Len()
}

// LocalNode returns this member's own Node.
func (m *Memberlist) LocalNode() *Node { return m.self.Load() }

// GetHealthScore returns this member's local health score, from 0 (healthy) to less than
// Config.AwarenessMaxMultiplier (Lifeguard section IV-A).
func (m *Memberlist) GetHealthScore() int { return int(m.health.Load()) }

// ProtocolVersion returns the protocol version that this member speaks.
func (m *Memberlist) ProtocolVersion() uint8 { return m.config.ProtocolVersion }

// Shutdown stops this member without a leave: the others will declare it dead, unless it left before. When it
// returns, all goroutines have ended, all sockets and streams are closed, and no delegate will be called. It does not
// wait for a delegate that is being called, so it may be called from one. It may be called more than once.
//
// Compat: the reference neither waits for its goroutines nor closes streams.
func (m *Memberlist) Shutdown() error {
	m.stop()
	return nil
}

func (m *Memberlist) stop() {
	if m.tasks.Close() {
		m.timer.Stop()
		m.streams.CloseAll() // first: the transport may wait for them to end
		if err := shutDown(m.transport); err != nil {
			m.log.Error("failed to shut down the transport", logging.Err(err))
		}
		m.mu.Lock()
		m.mu.subscriptions.close()
		m.mu.Unlock()
	}
	m.tasks.Wait()
	m.metrics.FlushTraffic()
}

// checkName returns ErrNodeNameRequired for an address without a name, if names are required.
func (c *Config) checkName(a Address) error {
	if c.RequireNodeNames && strings.TrimSpace(a.Name) == "" {
		return ErrNodeNameRequired
	}
	return nil
}
