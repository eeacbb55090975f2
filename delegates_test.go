package memberlist

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// testDelegate is a Delegate that notes what it gets.
type testDelegate struct {
	mu         sync.Mutex
	meta       []byte
	broadcasts [][]byte
	state      []byte
	messages   []string
	remote     []string
}

func (d *testDelegate) set(meta []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.meta = meta
}

func (d *testDelegate) NodeMeta(int) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.meta
}

func (d *testDelegate) NotifyMsg(b []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.messages = append(d.messages, string(b))
}

func (d *testDelegate) GetBroadcasts(overhead, limit int) [][]byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	b := d.broadcasts
	d.broadcasts = nil
	return b
}

func (d *testDelegate) LocalState(join bool) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.state
}

func (d *testDelegate) MergeRemoteState(b []byte, join bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.remote = append(d.remote, fmt.Sprint(string(b), " ", join))
}

func (d *testDelegate) received() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.messages)
}

// callback is every delegate in one; each calls f with its name.
type callback struct{ f func(name string) }

func (c callback) NodeMeta(int) []byte                             { c.f("NodeMeta"); return nil }
func (c callback) NotifyMsg([]byte)                                { c.f("NotifyMsg") }
func (c callback) GetBroadcasts(int, int) [][]byte                 { c.f("GetBroadcasts"); return nil }
func (c callback) LocalState(bool) []byte                          { c.f("LocalState"); return []byte("s") }
func (c callback) MergeRemoteState([]byte, bool)                   { c.f("MergeRemoteState") }
func (c callback) NotifyJoin(*Node)                                { c.f("NotifyJoin") }
func (c callback) NotifyLeave(*Node)                               { c.f("NotifyLeave") }
func (c callback) NotifyUpdate(*Node)                              { c.f("NotifyUpdate") }
func (c callback) NotifyAlive(*Node) error                         { c.f("NotifyAlive"); return nil }
func (c callback) NotifyConflict(*Node, *Node)                     { c.f("NotifyConflict") }
func (c callback) NotifyMerge([]*Node) error                       { c.f("NotifyMerge"); return nil }
func (c callback) AckPayload() []byte                              { c.f("AckPayload"); return nil }
func (c callback) NotifyPingComplete(*Node, time.Duration, []byte) { c.f("NotifyPingComplete") }
func (c callback) install(config *Config) {
	config.Delegate, config.Events, config.Alive, config.Conflict = c, c, c, c
	config.Merge, config.Ping = c, c
}

type slowEvents struct{ takes time.Duration }

func (s slowEvents) NotifyJoin(*Node)   { time.Sleep(s.takes) }
func (s slowEvents) NotifyLeave(*Node)  { time.Sleep(s.takes) }
func (s slowEvents) NotifyUpdate(*Node) { time.Sleep(s.takes) }
