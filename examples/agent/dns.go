package main

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/e3431adc/memberlist"
)

// zone answers DNS queries from the members that are alive:
//
//	<name>.node.<domain>        A, AAAA; TXT has the tags
//	<service>.service.<domain>  A, AAAA, SRV
//	<address>.in-addr.arpa      PTR, also under ip6.arpa
type zone struct {
	members func() []*memberlist.Node
	domain  string // in lower case, with a dot at the end
	ttl     uint32 // seconds
}

// maxUDP is the size of the largest answer in a packet, in bytes: larger ones may be fragmented.
const maxUDP = 1232

// ServeDNS answers a query.
func (z *zone) ServeDNS(w dns.ResponseWriter, query *dns.Msg) {
	m := new(dns.Msg)
	m.SetReply(query)
	m.Authoritative = true
	switch {
	case query.Opcode != dns.OpcodeQuery:
		m.SetRcode(query, dns.RcodeNotImplemented)
	case len(query.Question) != 1:
		m.SetRcode(query, dns.RcodeFormatError)
	default:
		z.answer(m, query.Question[0])
	}
	size := dns.MinMsgSize
	if opt := query.IsEdns0(); opt != nil {
		size = min(max(int(opt.UDPSize()), dns.MinMsgSize), maxUDP)
		m.SetEdns0(maxUDP, false)
		if opt.Version() != 0 {
			m.Answer, m.Extra = nil, m.Extra[len(m.Extra)-1:]
			m.Rcode = dns.RcodeBadVers
		}
	}
	if _, ok := w.RemoteAddr().(*net.TCPAddr); ok {
		size = dns.MaxMsgSize
	}
	m.Truncate(size)
	_ = w.WriteMsg(m) // the client asks again
}

// answer fills in the answer to a question.
func (z *zone) answer(m *dns.Msg, q dns.Question) {
	name := strings.ToLower(q.Name)
	if q.Qclass != dns.ClassINET && q.Qclass != dns.ClassANY {
		m.Rcode, m.Authoritative = dns.RcodeRefused, false
		return
	}
	if ip, ok := reverseName(name); ok {
		z.pointers(m, q, ip)
		return
	}
	if name == z.domain {
		z.apex(m, q)
		return
	}
	rest, ok := strings.CutSuffix(name, "."+z.domain)
	if !ok {
		m.Rcode, m.Authoritative = dns.RcodeRefused, false
		return
	}
	exists := rest == "node" || rest == "service"
	if host, ok := strings.CutSuffix(rest, ".node"); ok {
		exists = z.host(m, q, host)
	} else if service, ok := strings.CutSuffix(rest, ".service"); ok {
		exists = z.service(m, q, service)
	}
	if !exists {
		m.Rcode = dns.RcodeNameError
	}
	if len(m.Answer) == 0 {
		m.Ns = append(m.Ns, z.soa())
	}
}

// host answers for a member, and reports whether it exists.
func (z *zone) host(m *dns.Msg, q dns.Question, name string) bool {
	found := instances(z.members(), func(i *instance) bool { return strings.EqualFold(i.Name, name) })
	for i := range found {
		m.Answer = append(m.Answer, z.addresses(q.Name, &found[i], q.Qtype)...)
		if q.Qtype == dns.TypeTXT || q.Qtype == dns.TypeANY {
			m.Answer = append(m.Answer, z.tags(q.Name, &found[i])...)
		}
	}
	return len(found) > 0
}

// service answers for a service, in random order, and reports whether it exists.
func (z *zone) service(m *dns.Msg, q dns.Question, name string) bool {
	found := instances(z.members(), func(i *instance) bool { return len(i.ports(name)) > 0 })
	rand.Shuffle(len(found), func(i, j int) { found[i], found[j] = found[j], found[i] })
	for i := range found {
		m.Answer = append(m.Answer, z.addresses(q.Name, &found[i], q.Qtype)...)
		if q.Qtype != dns.TypeSRV && q.Qtype != dns.TypeANY || !isLabel(found[i].Name) {
			continue
		}
		target := found[i].Name + ".node." + z.domain
		for _, port := range found[i].ports(name) {
			m.Answer = append(m.Answer, &dns.SRV{Hdr: z.header(q.Name, dns.TypeSRV), Priority: 1, Weight: 1, Port: port, Target: target})
		}
		m.Extra = append(m.Extra, z.addresses(target, &found[i], dns.TypeANY)...)
	}
	return len(found) > 0
}

// addresses returns the address record of a member, if a query of the type asks for it.
func (z *zone) addresses(name string, i *instance, kind uint16) []dns.RR {
	switch is4 := i.Address.Is4(); {
	case is4 && (kind == dns.TypeA || kind == dns.TypeANY):
		return []dns.RR{&dns.A{Hdr: z.header(name, dns.TypeA), A: i.Address.AsSlice()}}
	case i.Address.Is6() && (kind == dns.TypeAAAA || kind == dns.TypeANY):
		return []dns.RR{&dns.AAAA{Hdr: z.header(name, dns.TypeAAAA), AAAA: i.Address.AsSlice()}}
	default:
		return nil
	}
}

// tags returns a TXT record for each tag, sorted.
func (z *zone) tags(name string, i *instance) (records []dns.RR) {
	var texts []string
	for key, value := range i.Tags {
		texts = append(texts, key+"="+value)
	}
	slices.Sort(texts)
	for _, text := range texts {
		var parts []string // of at most 255 bytes
		for len(text) > 255 {
			parts, text = append(parts, text[:255]), text[255:]
		}
		records = append(records, &dns.TXT{Hdr: z.header(name, dns.TypeTXT), Txt: append(parts, text)})
	}
	return records
}

// pointers answers a reverse query. Addresses of no member are not ours to answer for.
func (z *zone) pointers(m *dns.Msg, q dns.Question, ip netip.Addr) {
	found := instances(z.members(), func(i *instance) bool { return i.Address == ip && isLabel(i.Name) })
	if len(found) == 0 {
		m.Rcode, m.Authoritative = dns.RcodeRefused, false
		return
	}
	for _, i := range found {
		if q.Qtype == dns.TypePTR || q.Qtype == dns.TypeANY {
			m.Answer = append(m.Answer, &dns.PTR{Hdr: z.header(q.Name, dns.TypePTR), Ptr: i.Name + ".node." + z.domain})
		}
	}
}

// apex answers for the domain itself.
func (z *zone) apex(m *dns.Msg, q dns.Question) {
	if q.Qtype == dns.TypeSOA || q.Qtype == dns.TypeANY {
		m.Answer = append(m.Answer, z.soa())
	}
	if q.Qtype == dns.TypeNS || q.Qtype == dns.TypeANY {
		m.Answer = append(m.Answer, &dns.NS{Hdr: z.header(z.domain, dns.TypeNS), Ns: "ns." + z.domain})
	}
	if len(m.Answer) == 0 {
		m.Ns = append(m.Ns, z.soa())
	}
}

// soa returns the record that says how long the absence of a name may be remembered.
func (z *zone) soa() dns.RR {
	return &dns.SOA{
		Hdr: z.header(z.domain, dns.TypeSOA), Ns: "ns." + z.domain, Mbox: "hostmaster." + z.domain,
		Serial: uint32(time.Now().Unix()), Refresh: 3600, Retry: 600, Expire: 86400, Minttl: z.ttl,
	}
}

func (z *zone) header(name string, kind uint16) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: z.ttl}
}

// reverseName returns the address that a name under in-addr.arpa or ip6.arpa stands for.
func reverseName(name string) (netip.Addr, bool) {
	if digits, ok := strings.CutSuffix(name, ".in-addr.arpa."); ok {
		parts := strings.Split(digits, ".")
		slices.Reverse(parts)
		ip, err := netip.ParseAddr(strings.Join(parts, "."))
		return ip, err == nil && ip.Is4()
	}
	digits, ok := strings.CutSuffix(name, ".ip6.arpa.")
	if parts := strings.Split(digits, "."); ok && len(parts) == 32 {
		slices.Reverse(parts)
		var text strings.Builder
		for i, digit := range parts {
			if i > 0 && i%4 == 0 {
				text.WriteByte(':')
			}
			text.WriteString(digit)
		}
		ip, err := netip.ParseAddr(text.String())
		return ip, err == nil
	}
	return netip.Addr{}, false
}
