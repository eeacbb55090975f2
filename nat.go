package memberlist

import (
	"log/slog"
	"net"
	"net/netip"

	"github.com/e3431adc/memberlist/internal/metrics"
	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// maxPortWarnings is the number of members for which the rewriting of ports is logged.
const maxPortWarnings = 16

// portWatch detects members whose packets come from another port than they advertise, as behind a NAT that rewrites
// ports. Others receive their packets, but may not reach them: they are suspected and refute, again and again. A
// member that sends from another address with the same port has several addresses, or a harmless NAT. Only UDP
// packets count.
//
// It belongs to the goroutine that receives packets.
type portWatch struct{ warned map[string]struct{} }

// differs reports whether a ping of a known member, from the address that it advertises, comes from another UDP port.
func (w *portWatch) differs(core *swim.Core, from net.Addr, p *wire.PingView) bool {
	udp, ok := from.(*net.UDPAddr)
	if !ok || udp == nil || udp.Port == 0 || udp.IP.IsUnspecified() || p.SourcePort == 0 || int(p.SourcePort) == udp.Port {
		return false
	}
	source, ok := netip.AddrFromSlice(p.SourceAddr)
	if !ok {
		return false
	}
	member, known := core.Member(string(p.SourceNode))
	return known && member.Addr == netip.AddrPortFrom(source.Unmap(), p.SourcePort)
}

// first reports whether this is the first time for a member, for up to maxPortWarnings members.
func (w *portWatch) first(name string) bool {
	if _, warned := w.warned[name]; warned || len(w.warned) == maxPortWarnings {
		return false
	}
	if w.warned == nil {
		w.warned = make(map[string]struct{})
	}
	w.warned[name] = struct{}{}
	return true
}

// reportPort counts a ping from another port, and logs the first one of a member.
func (r *receiver) reportPort() {
	r.m.metrics.Add(metrics.PortDiffers, 1)
	p := &r.ping
	name := string(p.SourceNode)
	if !r.ports.first(name) {
		return
	}
	source, _ := netip.AddrFromSlice(p.SourceAddr)
	r.m.log.Warn("member sends from another port than it advertises, as behind a NAT",
		slog.String("node", name), slog.String("advertised", netip.AddrPortFrom(source.Unmap(), p.SourcePort).String()),
		slog.String("from", r.from.AddrPort.String()))
}
