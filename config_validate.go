package memberlist

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/e3431adc/memberlist/internal/resolve"
	"github.com/e3431adc/memberlist/internal/sockets"
	"github.com/e3431adc/memberlist/internal/swim"
)

// Validate names all that is wrong with the configuration, in one error that wraps ErrInvalidConfig and has a line for
// each violation. Zero values are judged as what they mean. It changes nothing; Create calls it.
func (c *Config) Validate() error {
	if c == nil {
		return errNilConfig
	}
	return c.withDefaults().validate()
}

// validate is Validate for a configuration that has its defaults.
func (d *Config) validate() error {
	var errs []error
	refuse := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }

	if d.Name == "" {
		refuse("Name: must not be empty")
	}
	if len(d.Name) > maxNameLength {
		refuse("Name: %d bytes, more than %d", len(d.Name), maxNameLength)
	}
	if len(d.Zone) > swim.MaxZone {
		refuse("Zone: %d bytes, more than %d", len(d.Zone), swim.MaxZone)
	}
	if len(d.Label) > LabelMaxSize {
		refuse("Label: %w: %d bytes, more than %d", ErrLabelTooLong, len(d.Label), LabelMaxSize)
	}
	for i, label := range d.AcceptLabels {
		if len(label) > LabelMaxSize {
			refuse("AcceptLabels: %w: label %d has %d bytes, more than %d", ErrLabelTooLong, i, len(label), LabelMaxSize)
		}
	}
	if len(d.SecretKey) > 0 {
		if err := ValidateKey(d.SecretKey); err != nil {
			refuse("SecretKey: %w", err)
		}
	}
	if d.LogOutput != nil && d.Logger != nil {
		refuse("LogOutput and Logger: only one of them may be set")
	}
	if d.SlogHandler != nil && (d.LogOutput != nil || d.Logger != nil) {
		refuse("SlogHandler: LogOutput or Logger is set too, and only one of them may be")
	}
	switch d.CompressionAlgorithm {
	case "", CompressionAlgorithmLZW, CompressionAlgorithmSnappy:
	default:
		refuse("CompressionAlgorithm: %q is none", d.CompressionAlgorithm)
	}
	errs = append(errs, d.versionViolations()...)
	errs = append(errs, d.addressViolations()...)
	errs = append(errs, d.numberViolations()...)
	errs = append(errs, d.recorderViolations()...)
	if len(errs) == 0 {
		return nil
	}
	return fmt.Errorf("%w:\n%w", ErrInvalidConfig, errors.Join(errs...))
}

func (c *Config) versionViolations() (errs []error) {
	if c.ProtocolVersion < ProtocolVersionMin || c.ProtocolVersion > ProtocolVersionMax {
		errs = append(errs, fmt.Errorf("ProtocolVersion: %d is not between %d and %d",
			c.ProtocolVersion, ProtocolVersionMin, ProtocolVersionMax))
	}
	if c.DelegateProtocolMin > c.DelegateProtocolMax {
		errs = append(errs, fmt.Errorf("DelegateProtocolMin: %d is above DelegateProtocolMax %d",
			c.DelegateProtocolMin, c.DelegateProtocolMax))
	} else if v := c.DelegateProtocolVersion; v < c.DelegateProtocolMin || v > c.DelegateProtocolMax {
		errs = append(errs, fmt.Errorf("DelegateProtocolVersion: %d is not between %d and %d",
			v, c.DelegateProtocolMin, c.DelegateProtocolMax))
	}
	return errs
}

// addressViolations leaves the addresses for a Transport of the user's own to that: it may read them in another way.
func (c *Config) addressViolations() (errs []error) {
	if c.Transport == nil {
		if !resolve.IsHost(c.BindAddr) {
			errs = append(errs, fmt.Errorf("BindAddr: %w: %q is neither an IP address nor a host name",
				ErrInvalidAddress, c.BindAddr))
		}
		for i, addr := range c.BindAddrs {
			if addr != "" && !resolve.IsHost(addr) {
				errs = append(errs, fmt.Errorf("BindAddrs: %w: number %d, %q, is neither an IP address nor a host name",
					ErrInvalidAddress, i, addr))
			}
		}
		if c.AdvertiseAddr != "" && !resolve.IsHost(c.AdvertiseAddr) {
			errs = append(errs, fmt.Errorf("AdvertiseAddr: %w: %q is neither an IP address nor a host name",
				ErrInvalidAddress, c.AdvertiseAddr))
		}
		if ip, err := netip.ParseAddr(c.AdvertiseAddr); err == nil && ip.Unmap().WithZone("").IsUnspecified() {
			errs = append(errs, unspecifiedAdvertiseAddr(ip))
		}
	}
	if c.AddressFamily < AnyFamily || c.AddressFamily > OnlyIPv6 {
		errs = append(errs, fmt.Errorf("AddressFamily: %d is none", c.AddressFamily))
	}
	for _, port := range []struct {
		name  string
		value int
	}{{"BindPort", c.BindPort}, {"AdvertisePort", c.AdvertisePort}} {
		if port.value < 0 || port.value > 65535 {
			errs = append(errs, fmt.Errorf("%s: %d is not between 0 and 65535", port.name, port.value))
		}
	}
	for i, network := range c.CIDRsAllowed {
		_, bits := network.Mask.Size()
		if bits == 0 || (bits != 8*len(network.IP) && bits != 8*len(network.IP.To4())) {
			errs = append(errs, fmt.Errorf("CIDRsAllowed: network %d (%s) has no address and mask that go together",
				i, network.String()))
		}
	}
	return errs
}

// leastSilenceTimeout is the minimum of Config.SilenceTimeout, if that is not 0.
const leastSilenceTimeout = 2 * time.Second

func (c *Config) numberViolations() (errs []error) {
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"TCPTimeout", c.TCPTimeout},
		{"PushPullInterval", c.PushPullInterval},
		{"ProbeInterval", c.ProbeInterval},
		{"ProbeTimeout", c.ProbeTimeout},
		{"GossipInterval", c.GossipInterval},
		{"GossipToTheDeadTime", c.GossipToTheDeadTime},
		{"DeadNodeReclaimTime", c.DeadNodeReclaimTime},
		{"QueueCheckInterval", c.QueueCheckInterval},
		{"SilenceTimeout", c.SilenceTimeout},
	} {
		if d.value < 0 {
			errs = append(errs, fmt.Errorf("%s: %s is negative", d.name, d.value))
		}
	}
	if c.SilenceTimeout > 0 && c.SilenceTimeout < leastSilenceTimeout {
		errs = append(errs, fmt.Errorf("SilenceTimeout: %s is less than %s", c.SilenceTimeout, leastSilenceTimeout))
	}
	for _, n := range []struct {
		name  string
		value int
	}{
		{"IndirectChecks", c.IndirectChecks},
		{"RetransmitMult", c.RetransmitMult},
		{"SuspicionMult", c.SuspicionMult},
		{"SuspicionMaxTimeoutMult", c.SuspicionMaxTimeoutMult},
		{"AwarenessMaxMultiplier", c.AwarenessMaxMultiplier},
		{"GossipNodes", c.GossipNodes},
		{"PushPullNodes", c.PushPullNodes},
		{"ZoneRelays", c.ZoneRelays},
		{"HandoffQueueDepth", c.HandoffQueueDepth},
	} {
		if n.value < 0 {
			errs = append(errs, fmt.Errorf("%s: %d is negative", n.name, n.value))
		}
	}
	if c.ZoneRelays > swim.MaxZoneRelays {
		errs = append(errs, fmt.Errorf("ZoneRelays: %d, more than %d", c.ZoneRelays, swim.MaxZoneRelays))
	}
	if least, room := c.announcementSize(nil), c.policy().Budget().Message; room < least {
		errs = append(errs, fmt.Errorf("UDPBufferSize: %d leaves no room for this member's announcement: %d bytes are missing",
			c.UDPBufferSize, least-room))
	}
	if c.Transport == nil && c.UDPBufferSize > sockets.MaxDatagram {
		errs = append(errs, fmt.Errorf("UDPBufferSize: %d is more than a UDP packet carries, %d",
			c.UDPBufferSize, sockets.MaxDatagram))
	}
	return errs
}
