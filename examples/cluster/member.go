package main

import (
	"fmt"
	"log"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/tcptransport"
)

// announceTimeout is the time limit for broadcasting a leave or new metadata.
const announceTimeout = time.Second

// options are common to all members of the cluster.
type options struct {
	bind          string
	label         string
	key           []byte     // nil: no encryption
	ca            *authority // nil: UDP and TCP; else TCP alone, with TLS
	probeInterval time.Duration
	changed       chan struct{} // one slot: the view of some member has changed
}

// member is one run of one member: after a restart it is another one. It is its own delegate for metadata, events and
// pings.
type member struct {
	name      string
	opts      *options
	list      *memberlist.Memberlist
	transport *countingTransport
	log       *logTail
	port      int

	meta   atomic.Pointer[string]
	probes atomic.Int64 // direct pings that were acked
	rtt    atomic.Int64 // their round-trip time in nanoseconds, smoothed

	mu struct {
		sync.Mutex
		gone map[string]cell // dead and left members, which are not among Members
	}

	// Only used by the goroutine of the story.
	cells []cell // its last view
	down  bool   // killed, or has left
}

var (
	_ memberlist.Delegate      = (*member)(nil)
	_ memberlist.EventDelegate = (*member)(nil)
	_ memberlist.PingDelegate  = (*member)(nil)
)

// startMember starts a member that has not joined any other. Port 0 means any free port.
func startMember(opts *options, name string, port int) (*member, error) {
	m := &member{name: name, opts: opts, log: new(logTail)}
	m.mu.gone = make(map[string]cell)
	m.setMeta("role=worker")
	logger := log.New(m.log, name+": ", 0)

	inner, port, err := opts.newTransport(name, port, logger)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	m.transport, m.port = newCountingTransport(inner), port

	list, err := memberlist.Create(m.config(logger))
	if err != nil {
		m.transport.Shutdown()
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	m.list = list
	return m, nil
}

// newTransport returns the transport of a member, and its port.
func (o *options) newTransport(name string, port int, logger *log.Logger) (memberlist.NodeAwareTransport, int, error) {
	if o.ca == nil {
		t, err := memberlist.NewNetTransport(&memberlist.NetTransportConfig{BindAddrs: []string{o.bind}, BindPort: port, Logger: logger})
		if err != nil {
			return nil, 0, err
		}
		return t, t.GetAutoBindPort(), nil
	}
	config, err := o.ca.issue(name)
	if err != nil {
		return nil, 0, err
	}
	t, err := tcptransport.New(tcptransport.Config{Name: name, BindAddr: o.bind, BindPort: port, TLS: config,
		VerifyPeer: tcptransport.NameInCertificate, Logger: logger})
	if err != nil {
		return nil, 0, err
	}
	return t, t.Port(), nil
}

// config is the configuration for local networks with all intervals shortened alike, so that more happens in a short
// time. A real cluster would keep the defaults.
func (m *member) config(logger *log.Logger) *memberlist.Config {
	c := memberlist.DefaultLANConfig()
	faster := func(d time.Duration) time.Duration {
		return time.Duration(float64(d) * float64(m.opts.probeInterval) / float64(time.Second)) // the default is 1 s
	}
	c.ProbeInterval = faster(c.ProbeInterval)
	c.ProbeTimeout = faster(c.ProbeTimeout)
	c.GossipInterval = faster(c.GossipInterval)
	// Push/pull brings what gossip missed; each step's time limit has room for it.
	c.PushPullInterval = 10 * m.opts.probeInterval
	c.TCPTimeout = 2 * time.Second

	c.Name = m.name
	c.Label = m.opts.label
	c.SecretKey = m.opts.key
	c.Transport = m.transport.forMember()
	c.Logger = logger
	c.Delegate, c.Events, c.Ping = m, m, m
	return c
}

func (m *member) address() string { return m.list.LocalNode().Address() }

// kill ends the member as a crash would: without a leave.
func (m *member) kill() { m.list.Shutdown() }

// leave ends the member as a program should. A broadcast that timed out is no reason to stay.
func (m *member) leave() error {
	err := m.list.Leave(announceTimeout)
	m.list.Shutdown()
	return err
}

func (m *member) setMeta(meta string) { m.meta.Store(&meta) }

// look returns the member's view: alive and suspect members from Members, dead and left ones from earlier events.
func (m *member) look(index map[string]int) row {
	if m.cells == nil {
		m.cells = make([]cell, len(index))
	}
	r := row{
		name:     m.name,
		down:     m.down,
		metas:    make([]string, len(index)),
		probes:   m.probes.Load(),
		rtt:      time.Duration(m.rtt.Load()),
		sent:     count(&m.transport.sent),
		received: count(&m.transport.received),
	}
	if m.down {
		clear(m.cells)
		m.cells[index[m.name]] = cellDown
	} else {
		// A member that has vanished from Members before its event arrives keeps its state.
		m.addGone(index)
		for _, node := range m.list.Members() {
			if i, ok := index[node.Name]; ok {
				m.cells[i] = cellOf(node.State)
				r.metas[i] = string(node.Meta)
			}
		}
	}
	r.cells = append(r.cells, m.cells...)
	return r
}

func (m *member) addGone(index map[string]int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, state := range m.mu.gone {
		if i, ok := index[name]; ok {
			m.cells[i] = state
		}
	}
}

func count(t *traffic) flow { return flow{packets: t.packets.Load(), bytes: t.bytes.Load()} }

// notify makes the story look again.
func (m *member) notify() {
	select {
	case m.opts.changed <- struct{}{}:
	default: // it is about to look
	}
}

// NotifyJoin, NotifyLeave and NotifyUpdate implement EventDelegate.

func (m *member) NotifyJoin(n *memberlist.Node) {
	m.mu.Lock()
	delete(m.mu.gone, n.Name)
	m.mu.Unlock()
	m.notify()
}

// NotifyLeave is called for failures and for leaves: the state distinguishes them.
func (m *member) NotifyLeave(n *memberlist.Node) {
	m.mu.Lock()
	m.mu.gone[n.Name] = cellOf(n.State)
	m.mu.Unlock()
	m.notify()
}

func (m *member) NotifyUpdate(*memberlist.Node) { m.notify() }

// AckPayload and NotifyPingComplete implement PingDelegate.

func (m *member) AckPayload() []byte { return nil }

// NotifyPingComplete is never called concurrently, so that it may load and then store.
func (m *member) NotifyPingComplete(_ *memberlist.Node, rtt time.Duration, _ []byte) {
	smoothed := int64(rtt)
	if m.probes.Add(1) > 1 {
		old := m.rtt.Load()
		smoothed = old + (smoothed-old)/8 // as TCP does
	}
	m.rtt.Store(smoothed)
}

// NodeMeta and the methods below implement Delegate. Only the metadata is of interest here.

func (m *member) NodeMeta(int) []byte { return []byte(*m.meta.Load()) }

func (m *member) NotifyMsg([]byte) {}

func (m *member) GetBroadcasts(int, int) [][]byte { return nil }

func (m *member) LocalState(bool) []byte { return nil }

func (m *member) MergeRemoteState([]byte, bool) {}

// logTail keeps the last log lines of a member, which are printed only if the story fails.
type logTail struct {
	mu struct {
		sync.Mutex
		lines []string
	}
}

const logTailLines = 5

// Write adds one line from package log.
func (t *logTail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.lines = append(t.mu.lines, strings.TrimSpace(string(p)))
	if len(t.mu.lines) > logTailLines {
		t.mu.lines = t.mu.lines[1:]
	}
	return len(p), nil
}

func (t *logTail) all() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.mu.lines...)
}
