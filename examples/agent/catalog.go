package main

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"

	"github.com/e3431adc/memberlist"
)

// instance is a member as the agent answers with it.
type instance struct {
	Name     string            `json:"name"`
	Address  netip.Addr        `json:"address"`
	State    string            `json:"state"`
	Services []service         `json:"services,omitempty"`
	Tags     map[string]string `json:"tags,omitempty"`
}

// instances returns the members that match and are alive. If none is, it returns the suspect ones, which most often have not failed.
func instances(members []*memberlist.Node, match func(*instance) bool) []instance {
	var alive, suspect []instance
	for _, n := range members {
		i := instanceOf(n)
		if !match(&i) {
			continue
		}
		if n.State == memberlist.StateSuspect {
			suspect = append(suspect, i)
		} else {
			alive = append(alive, i)
		}
	}
	if len(alive) == 0 {
		return suspect
	}
	return alive
}

func instanceOf(n *memberlist.Node) instance {
	i := instance{Name: n.Name, State: "alive"}
	if n.State == memberlist.StateSuspect {
		i.State = "suspect"
	}
	if ip, ok := netip.AddrFromSlice(n.Addr); ok {
		i.Address = ip.Unmap()
	}
	var meta metadata
	if json.Unmarshal(n.Meta, &meta) == nil { // else it is no agent, and has neither
		i.Tags = meta.Tags
		i.Services = slices.DeleteFunc(meta.Services, func(s service) bool { return !isLabel(s.Name) || s.Port == 0 })
	}
	return i
}

// ports returns the ports of a service on a member.
func (i *instance) ports(name string) (ports []uint16) {
	for _, s := range i.Services {
		if strings.EqualFold(s.Name, name) {
			ports = append(ports, s.Port)
		}
	}
	return ports
}
