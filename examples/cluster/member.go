package main

import (
	"fmt"
	"log"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/e3431adc/memberlist"
)

// announceTimeout is how long a member that leaves, or has new metadata, waits until that has been sent.
const announceTimeout = time.Second

// options are what all members of the cluster have in common.
type options struct {
	bind          string
	label         string
	key           []byte // nil: no encryption
	probeInterval time.Duration
	changed       chan struct{} // one slot: something changed in what a member sees
}

// member is one member in one life: after a restart it is another one. It is its own delegate for metadata, events and
// pings.
type member struct {
	name      string
	opts      *options
	list      *memberlist.Memberlist
	transport *countingTransport
	log       *logTail
	port      int

	meta   atomic.Pointer[string]
	probes atomic.Int64 // direct pings of probes that were answered
	rtt    atomic.Int64 // their round-trip time in nanoseconds, smoothed

	mu struct {
		sync.Mutex
		gone map[string]cell // who is dead or has left: such members are not among Members
	}

	// The story's alone, which runs on one goroutine.
	cells []cell // what it saw last
	down  bool   // killed, or has left
}

var (
	_ memberlist.Delegate      = (*member)(nil)
	_ memberlist.EventDelegate = (*member)(nil)
	_ memberlist.PingDelegate  = (*member)(nil)
)

// startMember starts a member that is alone as yet. Port 0 means any that is free.
func startMember(opts *options, name string, port int) (*member, error) {
	m := &member{name: name, opts: opts, log: new(logTail)}
	m.mu.gone = make(map[string]cell)
	m.setMeta("role=worker")
	logger := log.New(m.log, name+": ", 0)

	inner, err := memberlist.NewNetTransport(&memberlist.NetTransportConfig{
		BindAddrs: []string{opts.bind},
		BindPort:  port,
		Logger:    logger,
	})
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	m.transport = newCountingTransport(inner)
	m.port = inner.GetAutoBindPort()

	list, err := memberlist.Create(m.config(logger))
	if err != nil {
		m.transport.Shutdown()
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	m.list = list
	return m, nil
}

// config is the one for local networks, with all intervals shortened alike: there is more to see in little time. A real
// cluster would keep the defaults.
func (m *member) config(logger *log.Logger) *memberlist.Config {
	c := memberlist.DefaultLANConfig()
	faster := func(d time.Duration) time.Duration {
		return time.Duration(float64(d) * float64(m.opts.probeInterval) / float64(time.Second)) // the default is 1 s
	}
	c.ProbeInterval = faster(c.ProbeInterval)
	c.ProbeTimeout = faster(c.ProbeTimeout)
	c.GossipInterval = faster(c.GossipInterval)
	// What gossip missed, each step's limit has to have room for.
	c.PushPullInterval = 10 * m.opts.probeInterval
	c.TCPTimeout = 2 * time.Second

	c.Name = m.name
	c.Label = m.opts.label
	c.SecretKey = m.opts.key
	c.Transport = m.transport
	c.Logger = logger
	c.Delegate, c.Events, c.Ping = m, m, m
	return c
}

func (m *member) address() string { return m.list.LocalNode().Address() }

// kill ends the member as a crash would: nobody is told.
func (m *member) kill() { m.list.Shutdown() }

// leave ends the member as a program should. That the others could not be told in time is no reason to stay.
func (m *member) leave() error {
	err := m.list.Leave(announceTimeout)
	m.list.Shutdown()
	return err
}

func (m *member) setMeta(meta string) { m.meta.Store(&meta) }

// look makes a row of what the member sees: from Members who is alive or suspect, from the events before it who is gone.
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
		// Who has vanished from Members while the event is on its way stays what it was.
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

// notify has the story look again.
func (m *member) notify() {
	select {
	case m.opts.changed <- struct{}{}:
	default: // it is about to
	}
}

// NotifyJoin, NotifyLeave and NotifyUpdate are the EventDelegate.

func (m *member) NotifyJoin(n *memberlist.Node) {
	m.mu.Lock()
	delete(m.mu.gone, n.Name)
	m.mu.Unlock()
	m.notify()
}

// NotifyLeave hears of failures and of leaves: the state tells them apart.
func (m *member) NotifyLeave(n *memberlist.Node) {
	m.mu.Lock()
	m.mu.gone[n.Name] = cellOf(n.State)
	m.mu.Unlock()
	m.notify()
}

func (m *member) NotifyUpdate(*memberlist.Node) { m.notify() }

// AckPayload and NotifyPingComplete are the PingDelegate.

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

// NodeMeta and the rest are the Delegate. Only the metadata is of interest here.

func (m *member) NodeMeta(int) []byte { return []byte(*m.meta.Load()) }

func (m *member) NotifyMsg([]byte) {}

func (m *member) GetBroadcasts(int, int) [][]byte { return nil }

func (m *member) LocalState(bool) []byte { return nil }

func (m *member) MergeRemoteState([]byte, bool) {}

// logTail keeps the last lines that a member logged: they matter only if the story fails.
type logTail struct {
	mu struct {
		sync.Mutex
		lines []string
	}
}

const logTailLines = 5

// Write takes one line, as package log gives it.
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
