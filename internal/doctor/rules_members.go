package doctor

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/internal/printable"
)

// grouped returns findings for the keys that two or more known subjects share.
func (s *survey) grouped(key func(*subject) string, title func(key string, n int) string) (found []Finding) {
	groups := make(map[string][]string)
	for _, m := range s.subjects {
		if m.known {
			groups[key(m)] = append(groups[key(m)], m.String())
		}
	}
	for _, k := range slices.Sorted(maps.Keys(groups)) {
		if members := groups[k]; len(members) > 1 {
			found = append(found, Finding{Title: title(k, len(members)), Details: some(members)})
		}
	}
	return found
}

func findSameName(s *survey) []Finding {
	return s.grouped(func(m *subject) string { return m.name },
		func(name string, n int) string { return fmt.Sprintf("%s is at %d addresses", printable.Name(name), n) })
}

func findSameAddress(s *survey) []Finding {
	found := s.grouped(func(m *subject) string { return m.address },
		func(address string, n int) string { return fmt.Sprintf("%d names are at %s", n, address) })
	for _, m := range s.subjects {
		if m.known && m.replaced {
			found = append(found, Finding{Title: fmt.Sprintf("the process at the address of %v does not answer to the name", m)})
		}
	}
	return found
}

func findAddress(s *survey) (found []Finding) {
	loopback := 0
	for _, m := range s.subjects {
		if m.known && m.at.Addr().IsLoopback() {
			loopback++
		}
	}
	known := len(slices.DeleteFunc(slices.Clone(s.subjects), func(m *subject) bool { return !m.known }))
	for _, m := range s.subjects {
		if problem := addressProblem(m, loopback < known); m.known && problem != "" {
			found = append(found, Finding{Title: fmt.Sprintf("%v advertises %s", m, problem)})
		}
	}
	return found
}

// reserved has no addresses of hosts (RFC 1112).
var reserved = netip.MustParsePrefix("240.0.0.0/4")

// addressProblem returns what is wrong with the address of a member. Loopback addresses are so if the cluster is on more
// than one machine.
func addressProblem(m *subject, machines bool) string {
	addr, err := netip.ParseAddrPort(m.address)
	switch ip := addr.Addr(); {
	case err != nil:
		return "what is no IP address"
	case ip.IsUnspecified():
		return "the wildcard address"
	case addr.Port() == 0:
		return "port 0"
	case ip.IsMulticast(), ip.Is4() && reserved.Contains(ip):
		return "an address that no host can have"
	case ip.IsLinkLocalUnicast():
		return "a link-local address"
	case machines && ip.IsLoopback():
		return "a loopback address, unlike others"
	}
	return ""
}

func findVersions(s *survey) []Finding {
	var details []string
	for i, what := range []string{"protocol", "delegate protocol"} {
		low, high := uint8(0), uint8(255)
		for _, m := range s.subjects {
			if m.known && m.versions[0] != 0 {
				low, high = max(low, m.versions[3*i]), min(high, m.versions[3*i+1])
			}
		}
		for _, m := range s.subjects {
			if current := m.versions[3*i+2]; m.known && m.versions[0] != 0 && (current < low || current > high) {
				details = append(details, fmt.Sprintf("%v speaks %s version %d, not all understand it", m, what, current))
			}
		}
	}
	for _, m := range s.subjects {
		if m.known && m.versions[0] == 0 {
			details = append(details, fmt.Sprintf("%v announces no versions", m))
		}
	}
	if details == nil {
		return nil
	}
	return []Finding{{Title: "members have incompatible versions", Details: some(details)}}
}

// fullMeta is the size of metadata, in bytes, that is near the limit.
const fullMeta = memberlist.MetaMaxSize * 9 / 10

func findMetadata(s *survey) []Finding {
	var full []*subject
	for _, m := range s.subjects {
		if m.known && m.meta >= fullMeta {
			full = append(full, m)
		}
	}
	if full == nil {
		return nil
	}
	slices.SortStableFunc(full, func(a, b *subject) int { return cmp.Compare(b.meta, a.meta) })
	var details []string
	for _, m := range full {
		details = append(details, fmt.Sprintf("%v: %d of %d bytes", m, m.meta, memberlist.MetaMaxSize))
	}
	return []Finding{{Title: count(len(full), "member") + " with nearly as much metadata as there may be", Details: some(details)}}
}

func findImplementations(s *survey) []Finding {
	groups := make(map[string][]string)
	for _, m := range s.subjects {
		if !m.known {
			continue
		}
		switch {
		case m.versions[0] != memberlist.ProtocolVersionMin || m.versions[1] != memberlist.ProtocolVersionMax:
			kind := fmt.Sprintf("protocol versions %d to %d", m.versions[0], m.versions[1])
			groups[kind] = append(groups[kind], printable.Name(m.name))
		case !m.packets.ok():
		case m.bare:
			groups["this library"] = append(groups["this library"], printable.Name(m.name))
		default:
			groups["hashicorp/memberlist, or another"] = append(groups["hashicorp/memberlist, or another"], printable.Name(m.name))
		}
	}
	if len(groups) < 2 {
		return nil
	}
	f := Finding{Title: "members of other implementations"}
	for _, kind := range slices.Sorted(maps.Keys(groups)) {
		slices.Sort(groups[kind])
		f.Details = append(f.Details, kind+": "+list(groups[kind]))
	}
	return []Finding{f}
}
