package main

import (
	"io"
	"net/netip"

	"github.com/e3431adc/memberlist/internal/crowds"
	"github.com/hashicorp/memberlist"
)

// theirs is the reference. It does not tell which members are suspect, nor what is queued.
type theirs struct{}

func (theirs) Name() string { return "github.com/hashicorp/memberlist" }

func (theirs) Create(name string, failed func()) (crowds.Member, error) {
	c := memberlist.DefaultLANConfig()
	c.Name = name
	c.BindAddr, c.BindPort, c.AdvertisePort = "127.0.0.1", 0, 0
	c.LogOutput = io.Discard
	c.Events = events{failed}
	m, err := memberlist.Create(c)
	if err != nil {
		return nil, err
	}
	n := m.LocalNode()
	addr, _ := netip.AddrFromSlice(n.Addr)
	return member{m, netip.AddrPortFrom(addr.Unmap(), n.Port)}, nil
}

// events reports failures.
type events struct{ failed func() }

func (events) NotifyJoin(*memberlist.Node)    {}
func (e events) NotifyLeave(*memberlist.Node) { e.failed() }
func (events) NotifyUpdate(*memberlist.Node)  {}

type member struct {
	m    *memberlist.Memberlist
	addr netip.AddrPort
}

func (t member) Addr() netip.AddrPort { return t.addr }

func (t member) Join(addr netip.AddrPort) error {
	_, err := t.m.Join([]string{addr.String()})
	return err
}

func (t member) Status() crowds.Status { return crowds.Status{Known: t.m.NumMembers()} }
func (t member) Shutdown() error       { return t.m.Shutdown() }
