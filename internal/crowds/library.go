//go:build unix

package crowds

import (
	"io"
	"net/netip"

	"github.com/e3431adc/memberlist"
)

// Library is a membership library whose members are a crowd.
type Library interface {
	Name() string

	// Create starts a member on 127.0.0.1 with the library's defaults for a LAN. It calls failed for each other member that it declares dead.
	Create(name string, failed func()) (Member, error)
}

// Member is a member of a crowd.
type Member interface {
	Addr() netip.AddrPort
	Join(netip.AddrPort) error
	Status() Status
	Shutdown() error
}

// Status is what a member knows and has to do. What a library does not tell is zero.
type Status struct {
	Known   int // members that are alive or suspect, itself included
	Suspect int // those of them that are suspect
	Queued  int // messages about members
	Late    bool
}

// Ours is this library.
type Ours struct{}

func (Ours) Name() string { return "github.com/e3431adc/memberlist" }

func (Ours) Create(name string, failed func()) (Member, error) {
	c := memberlist.DefaultLANConfig()
	c.Name = name
	c.BindAddr, c.BindPort, c.AdvertisePort = "127.0.0.1", 0, 0
	c.LogOutput = io.Discard
	c.Events = events{failed}
	m, err := memberlist.Create(c)
	return ourMember{m}, err
}

// events reports failures.
type events struct{ failed func() }

func (events) NotifyJoin(*memberlist.Node)    {}
func (e events) NotifyLeave(*memberlist.Node) { e.failed() }
func (events) NotifyUpdate(*memberlist.Node)  {}

type ourMember struct{ m *memberlist.Memberlist }

func (o ourMember) Addr() netip.AddrPort {
	n := o.m.LocalNode()
	addr, _ := netip.AddrFromSlice(n.Addr)
	return netip.AddrPortFrom(addr.Unmap(), n.Port)
}

func (o ourMember) Join(addr netip.AddrPort) error {
	_, err := o.m.Join([]string{addr.String()})
	return err
}

func (o ourMember) Status() Status {
	s := o.m.Stats()
	return Status{
		Known:   s.Members.Alive + s.Members.Suspect,
		Suspect: s.Members.Suspect,
		Queued:  s.Broadcasts,
		Late:    s.Lateness > 0,
	}
}

func (o ourMember) Shutdown() error { return o.m.Shutdown() }
