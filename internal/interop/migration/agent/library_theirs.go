//go:build reference

package main

import "github.com/hashicorp/memberlist"

// library is the library of this build.
const library = "theirs"

type (
	config     = memberlist.Config
	node       = memberlist.Node
	members    = memberlist.Memberlist
	broadcasts = memberlist.TransmitLimitedQueue
	broadcast  = memberlist.Broadcast
)

func defaults() *config { return memberlist.DefaultLocalConfig() }

func create(c *config) (*members, error) { return memberlist.Create(c) }

func setOwn(*config, *pace) {}
