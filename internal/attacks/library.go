package attacks

import (
	"net/netip"
	"sync"
	"time"
)

// Library is a membership library that is attacked.
type Library interface {
	Name() string

	// Create starts a member on 127.0.0.1 with the library's defaults for a LAN, but for what the options say.
	Create(Options) (Member, error)
}

// Options are the settings of a member. All may be zero.
type Options struct {
	Name  string
	Key   []byte
	Label string
	Meta  string

	AckPayload string              // added to each ack
	OnConflict func()              // is called with each NotifyConflict
	Tap        func(packet []byte) // is called with each packet that the member sends
	Quick      bool                // ten times as fast as on a LAN
}

// Member is a member of the library that is attacked.
type Member interface {
	Name() string
	Addr() netip.AddrPort
	Join(netip.AddrPort) error
	Members() []Info // those alive or suspect
	Update(meta string, timeout time.Duration) error
	Ping(name string, addr netip.AddrPort) error
	Health() int
	Leave(timeout time.Duration) error
	Shutdown() error
}

// Info is the state of a member in another one's view.
type Info struct {
	Name string
	Meta string
}

// Delegate implements the Delegate of both libraries, and the methods of their PingDelegates that do not depend on
// their types.
type Delegate struct {
	payload string

	mu   sync.Mutex
	meta string
}

// NewDelegate returns the delegate of a member with the options.
func NewDelegate(o Options) *Delegate { return &Delegate{payload: o.AckPayload, meta: o.Meta} }

// SetMeta sets the metadata that the library asks for next.
func (d *Delegate) SetMeta(meta string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.meta = meta
}

func (d *Delegate) NodeMeta(int) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return []byte(d.meta)
}

func (d *Delegate) NotifyMsg([]byte)                {}
func (d *Delegate) GetBroadcasts(_, _ int) [][]byte { return nil }
func (d *Delegate) LocalState(bool) []byte          { return nil }
func (d *Delegate) MergeRemoteState([]byte, bool)   {}
func (d *Delegate) AckPayload() []byte              { return []byte(d.payload) }
