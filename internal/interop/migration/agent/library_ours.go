//go:build !reference

package main

import "github.com/e3431adc/memberlist"

// library is the library of this build.
const library = "ours"

type (
	config     = memberlist.Config
	node       = memberlist.Node
	members    = memberlist.Memberlist
	broadcasts = memberlist.TransmitLimitedQueue
	broadcast  = memberlist.Broadcast
)

func defaults() *config { return memberlist.DefaultLocalConfig() }

func create(c *config) (*members, error) { return memberlist.Create(c) }

func setOwn(c *config, p *pace) {
	c.ReconnectInterval, c.SilenceTimeout = p.Reconnect, p.SilenceTimeout
	if p.RefusalGrace != 0 {
		c.RefusalGrace = p.RefusalGrace
	}
}
