package memberlist

import (
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestDefaults pins every field of the default configurations.
func TestDefaults(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	lan := Config{
		Name:                    host,
		BindAddr:                "0.0.0.0",
		BindPort:                7946,
		AdvertisePort:           7946,
		ProtocolVersion:         2,
		TCPTimeout:              10 * time.Second,
		IndirectChecks:          3,
		RetransmitMult:          4,
		SuspicionMult:           4,
		SuspicionMaxTimeoutMult: 6,
		PushPullInterval:        30 * time.Second,
		PushPullNodes:           1,
		ProbeInterval:           time.Second,
		ProbeTimeout:            500 * time.Millisecond,
		AwarenessMaxMultiplier:  8,
		GossipInterval:          200 * time.Millisecond,
		GossipNodes:             3,
		ZoneRelays:              2,
		GossipToTheDeadTime:     30 * time.Second,
		GossipVerifyIncoming:    true,
		GossipVerifyOutgoing:    true,
		EnableCompression:       true,
		CompressionAlgorithm:    CompressionAlgorithmLZW,
		DNSConfigPath:           "/etc/resolv.conf",
		HandoffQueueDepth:       1024,
		UDPBufferSize:           1400,
		QueueCheckInterval:      30 * time.Second,
		AdvertiseInterval:       30 * time.Second,
		ReconnectInterval:       30 * time.Second,
		ReconnectTimeout:        24 * time.Hour,
		RefusalGrace:            2 * time.Second,
	}
	wan := lan
	wan.TCPTimeout = 30 * time.Second
	wan.SuspicionMult = 6
	wan.PushPullInterval = 60 * time.Second
	wan.ProbeTimeout = 3 * time.Second
	wan.ProbeInterval = 5 * time.Second
	wan.GossipNodes = 4
	wan.GossipInterval = 500 * time.Millisecond
	wan.GossipToTheDeadTime = 60 * time.Second
	local := lan
	local.TCPTimeout = time.Second
	local.IndirectChecks = 1
	local.RetransmitMult = 2
	local.SuspicionMult = 3
	local.PushPullInterval = 15 * time.Second
	local.ProbeTimeout = 200 * time.Millisecond
	local.ProbeInterval = time.Second
	local.GossipInterval = 100 * time.Millisecond
	local.GossipToTheDeadTime = 15 * time.Second
	for name, tt := range map[string]struct{ got, want *Config }{
		"LAN":   {DefaultLANConfig(), &lan},
		"WAN":   {DefaultWANConfig(), &wan},
		"local": {DefaultLocalConfig(), &local},
	} {
		if !reflect.DeepEqual(tt.got, tt.want) {
			t.Errorf("%s: got %+v\nwant %+v", name, tt.got, tt.want)
		}
	}
}

func TestDefaultConfigsAreValid(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func() *Config
	}{
		{"LAN", DefaultLANConfig}, {"WAN", DefaultWANConfig}, {"local", DefaultLocalConfig},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := tt.make()
			if err := c.Validate(); err != nil {
				t.Error(err)
			}
			if hostname, _ := os.Hostname(); c.Name != hostname {
				t.Errorf("Name: got %q, want the host's, %q", c.Name, hostname)
			}
			// All fields have their defaults.
			if d := c.withDefaults(); !reflect.DeepEqual(d, c) {
				t.Errorf("with defaults: got %+v, want %+v", d, c)
			}
		})
	}
}

func TestLiteralGetsLANDefaults(t *testing.T) {
	if r := (&Config{Recorder: new(RecorderOptions)}).withDefaults().Recorder; *r != (RecorderOptions{Bytes: 1 << 20}) {
		t.Errorf("the recorder's defaults are %+v", *r)
	}
	got := (&Config{Name: "a", BindAddr: "127.0.0.1", DeadNodeReclaimTime: time.Minute}).withDefaults()
	want := DefaultLANConfig()
	want.Name, want.BindAddr, want.BindPort, want.AdvertisePort = "a", "127.0.0.1", 0, 0
	want.DeadNodeReclaimTime = time.Minute
	want.EnableCompression = false // false is a value of its own
	want.DNSConfigPath = ""        // "" means no file
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if err := (&Config{Name: "a"}).Validate(); err != nil {
		t.Errorf("a name is all that is required: %v", err)
	}
}

func TestZeroMeansOffWhereProtocolVersionIsSet(t *testing.T) {
	off := DefaultLANConfig()
	off.PushPullInterval, off.ProbeInterval, off.GossipInterval = 0, 0, 0
	off.GossipNodes, off.IndirectChecks = 0, 0
	off.GossipVerifyIncoming, off.GossipVerifyOutgoing = false, false
	for _, tt := range []struct {
		name string
		in   *Config
	}{
		{"from a default configuration", off},
		{"literal", &Config{Name: "a", ProtocolVersion: 2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := tt.in.withDefaults()
			if d.PushPullInterval != 0 || d.ProbeInterval != 0 || d.GossipInterval != 0 ||
				d.GossipNodes != 0 || d.IndirectChecks != 0 || d.GossipVerifyIncoming || d.GossipVerifyOutgoing {
				t.Errorf("something was turned on: %+v", d)
			}
			if d.ProbeTimeout == 0 || d.QueueCheckInterval == 0 || d.HandoffQueueDepth == 0 || d.UDPBufferSize == 0 ||
				d.ProtocolVersion == 0 || d.SuspicionMult == 0 || d.AwarenessMaxMultiplier == 0 {
				t.Errorf("something that cannot be off is zero: %+v", d)
			}
		})
	}
}

func TestLiteralIsOn(t *testing.T) {
	d := (&Config{Name: "a", TCPTimeout: time.Second, UDPBufferSize: 1000, PushPullInterval: time.Minute}).withDefaults()
	if d.ProbeInterval == 0 || d.GossipInterval == 0 || d.GossipNodes == 0 || d.IndirectChecks == 0 ||
		!d.GossipVerifyIncoming || !d.GossipVerifyOutgoing {
		t.Errorf("something is off: %+v", d)
	}
	if d.TCPTimeout != time.Second || d.UDPBufferSize != 1000 || d.PushPullInterval != time.Minute {
		t.Errorf("a set value was replaced: %+v", d)
	}
}

// TestDefaultsAreACopy: no field of the copy shares memory that the caller may write, and an append to the metric
// labels copies them.
func TestDefaultsAreACopy(t *testing.T) {
	c := DefaultLANConfig()
	c.CIDRsAllowed, _ = ParseCIDRs([]string{"10.0.0.0/8"})
	original := reflect.ValueOf(c).Elem()
	for i := range original.NumField() {
		if f := original.Field(i); f.Kind() == reflect.Slice && f.Len() == 0 {
			f.Set(reflect.MakeSlice(f.Type(), 1, 8))
		}
	}
	d := c.withDefaults()
	slices := 0
	for i := range original.NumField() {
		name, before, after := original.Type().Field(i).Name, original.Field(i), reflect.ValueOf(d).Elem().Field(i)
		if before.Kind() != reflect.Slice {
			continue
		}
		slices++
		if after.Len() != before.Len() || !reflect.DeepEqual(before.Index(0).Interface(), after.Index(0).Interface()) {
			t.Errorf("%s: the copy is %v, want %v", name, after, before)
		}
		if after.Pointer() == before.Pointer() {
			t.Errorf("%s: the copy shares its memory", name)
		}
	}
	if slices != 5 {
		t.Errorf("%d fields are slices, want 5", slices)
	}
	c.CIDRsAllowed[0].IP[0], c.CIDRsAllowed[0].Mask[0] = 11, 0
	if got := d.CIDRsAllowed[0].String(); got != "10.0.0.0/8" {
		t.Errorf("the copy allows %s since the caller's network was changed, want 10.0.0.0/8", got)
	}
	if cap(d.MetricLabels) != 1 {
		t.Error("an append to the labels could write to memory that is shared")
	}
}

func TestValidateNamesEachViolation(t *testing.T) {
	ring, err := NewKeyring(nil, slices.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		change func(*Config)
		want   string // of the error; empty: valid
		is     error
	}{
		{"no name", func(c *Config) { c.Name = "" }, "Name:", nil},
		{"longest name", func(c *Config) { c.Name = strings.Repeat("n", 512) }, "", nil},
		{"longer name", func(c *Config) { c.Name = strings.Repeat("n", 513) }, "Name:", nil},
		{"longest label", func(c *Config) { c.Label = strings.Repeat("l", 255) }, "", nil},
		{"longer label", func(c *Config) { c.Label = strings.Repeat("l", 256) }, "Label:", ErrLabelTooLong},
		{"key", func(c *Config) { c.SecretKey = make([]byte, 24) }, "", nil},
		{"no key's length", func(c *Config) { c.SecretKey = make([]byte, 15) }, "SecretKey:", ErrInvalidKey},
		{"ring", func(c *Config) { c.Keyring = ring }, "", nil},
		{"logger", func(c *Config) { c.Logger = log.Default() }, "", nil},
		{"handler", func(c *Config) { c.SlogHandler = slog.DiscardHandler }, "", nil},
		{"handler and logger", func(c *Config) { c.Logger, c.SlogHandler = log.Default(), slog.DiscardHandler }, "SlogHandler:", nil},
		{"handler and output", func(c *Config) { c.LogOutput, c.SlogHandler = io.Discard, slog.DiscardHandler }, "SlogHandler:", nil},
		{"two logs", func(c *Config) { c.Logger, c.LogOutput = log.Default(), io.Discard }, "LogOutput and Logger:", nil},
		{"lowest version", func(c *Config) { c.ProtocolVersion = 1 }, "", nil},
		{"highest version", func(c *Config) { c.ProtocolVersion = 5 }, "", nil},
		{"higher version", func(c *Config) { c.ProtocolVersion = 6 }, "ProtocolVersion:", nil},
		{"delegate versions", func(c *Config) {
			c.DelegateProtocolMin, c.DelegateProtocolMax, c.DelegateProtocolVersion = 2, 5, 4
		}, "", nil},
		{"delegate versions reversed", func(c *Config) {
			c.DelegateProtocolMin, c.DelegateProtocolMax = 5, 2
		}, "DelegateProtocolMin:", nil},
		{"delegate version outside", func(c *Config) { c.DelegateProtocolVersion = 1 }, "DelegateProtocolVersion:", nil},
		{"IPv6 bind", func(c *Config) { c.BindAddr = "::" }, "", nil},
		{"link-local bind", func(c *Config) { c.BindAddr = "fe80::1%eth0" }, "", nil},
		{"named bind", func(c *Config) { c.BindAddr = "node-1.example.com" }, "", nil},
		{"bind with port", func(c *Config) { c.BindAddr = "10.0.0.1:80" }, "BindAddr:", ErrInvalidAddress},
		{"misspelt bind", func(c *Config) { c.BindAddr = "10.0.0.256" }, "BindAddr:", ErrInvalidAddress},
		{"misspelt bind with a transport", func(c *Config) {
			c.BindAddr, c.Transport = "10.0.0.256", &plainTransport{}
		}, "", nil},
		{"several binds", func(c *Config) { c.BindAddrs = []string{"", "10.0.0.1", "node-1"} }, "", nil},
		{"several binds, one misspelt", func(c *Config) { c.BindAddrs = []string{"10.0.0.1", "a b"} }, "BindAddrs:", ErrInvalidAddress},
		{"no family", func(c *Config) { c.AddressFamily = OnlyIPv6 + 1 }, "AddressFamily:", nil},
		{"further labels", func(c *Config) { c.AcceptLabels = []string{"", "l"} }, "", nil},
		{"longer further label", func(c *Config) { c.AcceptLabels = []string{"l", strings.Repeat("l", 256)} }, "AcceptLabels:", ErrLabelTooLong},
		{"bracketed advertise", func(c *Config) { c.AdvertiseAddr = "[::1]" }, "AdvertiseAddr:", ErrInvalidAddress},
		{"named advertise", func(c *Config) { c.AdvertiseAddr = "lb.example.com." }, "", nil},
		{"advertise all interfaces", func(c *Config) { c.AdvertiseAddr = "0.0.0.0" }, "AdvertiseAddr:", ErrInvalidAddress},
		{"advertise all IPv6 interfaces", func(c *Config) { c.AdvertiseAddr = "::%eth0" }, "AdvertiseAddr:", ErrInvalidAddress},
		{"advertise all interfaces, mapped", func(c *Config) { c.AdvertiseAddr = "::ffff:0.0.0.0" }, "AdvertiseAddr:", ErrInvalidAddress},
		{"advertise what a transport reads", func(c *Config) {
			c.AdvertiseAddr, c.Transport = "0.0.0.0", &plainTransport{}
		}, "", nil},
		{"any port", func(c *Config) { c.BindPort, c.AdvertisePort = 0, 0 }, "", nil},
		{"negative port", func(c *Config) { c.BindPort = -1 }, "BindPort:", nil},
		{"high port", func(c *Config) { c.AdvertisePort = 65536 }, "AdvertisePort:", nil},
		{"networks", func(c *Config) { c.CIDRsAllowed, _ = ParseCIDRs([]string{"10.0.0.0/8", "fd00::/8"}) }, "", nil},
		{"no network", func(c *Config) { c.CIDRsAllowed = make([]net.IPNet, 1) }, "CIDRsAllowed:", nil},
		{"negative duration", func(c *Config) { c.ProbeInterval = -1 }, "ProbeInterval:", nil},
		{"negative count", func(c *Config) { c.GossipNodes = -1 }, "GossipNodes:", nil},
		{"longest zone", func(c *Config) { c.Zone = strings.Repeat("z", 64) }, "", nil},
		{"long zone", func(c *Config) { c.Zone = strings.Repeat("z", 65) }, "Zone:", nil},
		{"negative relays", func(c *Config) { c.ZoneRelays = -1 }, "ZoneRelays:", nil},
		{"many relays", func(c *Config) { c.ZoneRelays = 33 }, "ZoneRelays:", nil},
		{"too small packet with zone", func(c *Config) { c.Name, c.Zone, c.UDPBufferSize = "a", "z", 82 }, "UDPBufferSize:", nil},
		{"zone that is not announced", func(c *Config) {
			c.Name, c.Zone, c.DisableExtensions, c.UDPBufferSize = "a", "z", true, 82
		}, "", nil},
		{"patient probes", func(c *Config) { c.ProbeTimeout = 2 * c.ProbeInterval }, "", nil},
		{"least packet", func(c *Config) { c.Name, c.UDPBufferSize = "a", 82 }, "", nil},
		{"too small packet", func(c *Config) { c.Name, c.UDPBufferSize = "a", 81 }, "UDPBufferSize:", nil},
		{"too small packet with label", func(c *Config) {
			c.Name, c.Label, c.UDPBufferSize = "a", "x", 82
		}, "UDPBufferSize:", nil},
		{"too small packet with encryption", func(c *Config) {
			c.Name, c.Keyring, c.UDPBufferSize = "a", ring, 82
		}, "UDPBufferSize:", nil},
		{"least packet with label and encryption", func(c *Config) {
			c.Name, c.Label, c.Keyring, c.UDPBufferSize = "a", "x", ring, 82+3+29
		}, "", nil},
		{"too small packet with the older encryption", func(c *Config) {
			c.Name, c.Keyring, c.ProtocolVersion, c.UDPBufferSize = "a", ring, 1, 124 // padding is whole blocks of 16
		}, "UDPBufferSize:", nil},
		{"least packet with the older encryption", func(c *Config) {
			c.Name, c.Keyring, c.ProtocolVersion, c.UDPBufferSize = "a", ring, 1, 125
		}, "", nil},
		{"largest packet", func(c *Config) { c.UDPBufferSize = 65507 }, "", nil},
		{"larger packet", func(c *Config) { c.UDPBufferSize = 65508 }, "UDPBufferSize:", nil},
		{"larger packet with a transport", func(c *Config) {
			c.UDPBufferSize, c.Transport = 10<<20, &plainTransport{}
		}, "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := DefaultLANConfig()
			tt.change(c)
			before := *c
			err := c.Validate()
			if !reflect.DeepEqual(*c, before) {
				t.Error("Validate wrote to the configuration")
			}
			if tt.want == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			if !errors.Is(err, ErrInvalidConfig) || !strings.Contains(err.Error(), "\n"+tt.want) {
				t.Errorf("got error %v, want one of %q", err, tt.want)
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("error %v does not wrap %v", err, tt.is)
			}
		})
	}
}

func TestValidateNamesAllViolationsAtOnce(t *testing.T) {
	c := &Config{
		Label: strings.Repeat("l", 300), SecretKey: []byte("short"), ProtocolVersion: 9, BindAddr: "a b",
		BindPort: 1 << 20, TCPTimeout: -1, PushPullInterval: -1, ProbeInterval: -1, ProbeTimeout: -1, GossipInterval: -1,
		GossipToTheDeadTime: -1, DeadNodeReclaimTime: -1, QueueCheckInterval: -1, IndirectChecks: -1, RetransmitMult: -1,
		SuspicionMult: -1, SuspicionMaxTimeoutMult: -1, AwarenessMaxMultiplier: -1, GossipNodes: -1, HandoffQueueDepth: -1,
		UDPBufferSize: -1, Logger: log.Default(), LogOutput: io.Discard, DelegateProtocolMin: 1,
	}
	err := c.Validate()
	if err == nil {
		t.Fatal("all of it is valid")
	}
	if got, want := strings.Count(err.Error(), "\n"), 24; got != want {
		t.Errorf("got %d violations, want %d:\n%v", got, want, err)
	}
}

func TestSecretKeyBecomesPrimary(t *testing.T) {
	key, other := slices.Repeat([]byte{1}, 16), slices.Repeat([]byte{2}, 16)
	t.Run("without a ring", func(t *testing.T) {
		c := &Config{SecretKey: key}
		if c.EncryptionEnabled() {
			t.Error("encryption is on before")
		}
		if err := c.installSecretKey(); err != nil {
			t.Fatal(err)
		}
		if !c.EncryptionEnabled() || !slices.Equal(c.Keyring.GetPrimaryKey(), key) {
			t.Error("the key is not the primary one of a new ring")
		}
	})
	t.Run("on a ring", func(t *testing.T) {
		ring, err := NewKeyring(nil, other)
		if err != nil {
			t.Fatal(err)
		}
		c := &Config{SecretKey: key, Keyring: ring}
		if err := c.installSecretKey(); err != nil {
			t.Fatal(err)
		}
		if got, want := ring.GetKeys(), [][]byte{key, other}; !reflect.DeepEqual(got, want) {
			t.Errorf("got keys %v, want %v", got, want)
		}
	})
	t.Run("no key", func(t *testing.T) {
		c := &Config{}
		if err := c.installSecretKey(); err != nil || c.Keyring != nil {
			t.Errorf("got ring %v, error %v, want none of both", c.Keyring, err)
		}
	})
	t.Run("empty ring", func(t *testing.T) {
		if (&Config{Keyring: &Keyring{}}).EncryptionEnabled() {
			t.Error("encryption is on without a key")
		}
	})
}

func TestVersionsAnnounced(t *testing.T) {
	c := &Config{ProtocolVersion: 3, DelegateProtocolMin: 4, DelegateProtocolMax: 6, DelegateProtocolVersion: 5}
	if got, want := c.BuildVsnArray(), []uint8{1, 5, 3, 4, 6, 5}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestIPAllowed(t *testing.T) {
	for _, tt := range []struct {
		name    string
		cidrs   []string
		allowed []string
		refused []string
	}{
		{"nil allows all", nil, []string{"10.0.0.1", "fd00::1"}, nil},
		{"empty allows all", []string{}, []string{"10.0.0.1", "fd00::1"}, nil},
		{"IPv4", []string{"127.0.0.1/32", "10.0.0.0/8"}, []string{"127.0.0.1", "10.255.0.1"},
			[]string{"127.0.0.2", "11.0.0.0", "fd00::1", "::1"}},
		{"IPv6", []string{"fd00::/8"}, []string{"fd00::1"}, []string{"10.0.0.1", "fe00::1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := DefaultLANConfig()
			var err error
			if c.CIDRsAllowed, err = ParseCIDRs(tt.cidrs); err != nil {
				t.Fatal(err)
			}
			if got, want := c.IPMustBeChecked(), len(tt.cidrs) > 0; got != want {
				t.Errorf("IPMustBeChecked: got %v, want %v", got, want)
			}
			for _, ip := range tt.allowed {
				if err := c.IPAllowed(net.ParseIP(ip)); err != nil {
					t.Errorf("%s: %v", ip, err)
				}
			}
			for _, ip := range tt.refused {
				if err := c.IPAllowed(net.ParseIP(ip)); !errors.Is(err, ErrAddressNotAllowed) {
					t.Errorf("%s: got error %v, want %v", ip, err, ErrAddressNotAllowed)
				}
			}
		})
	}
}

func TestParseCIDRs(t *testing.T) {
	nets, err := ParseCIDRs([]string{" 10.0.0.1/8 ", "x", "fd00::/8", "10.0.0.1"})
	if len(nets) != 2 || nets[0].String() != "10.0.0.0/8" || nets[1].String() != "fd00::/8" {
		t.Errorf("got networks %v", nets)
	}
	if err == nil || !strings.Contains(err.Error(), `"x"`) || !strings.Contains(err.Error(), `"10.0.0.1"`) {
		t.Errorf("got error %v, want both bad ones named", err)
	}
	if nets, err := ParseCIDRs(nil); err != nil || nets == nil || len(nets) != 0 {
		t.Errorf("of nothing: got %v, %v, want an empty slice", nets, err)
	}
}
