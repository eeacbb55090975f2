package memberlist

import (
	"net"
	"testing"
	"time"
)

// plainTransport records the addresses that it is called with.
type plainTransport struct {
	Transport
	wrote, dialled string
}

func (p *plainTransport) WriteTo(_ []byte, addr string) (time.Time, error) {
	p.wrote = addr
	return time.Time{}, nil
}

func (p *plainTransport) DialTimeout(addr string, _ time.Duration) (net.Conn, error) {
	p.dialled = addr
	return nil, nil
}

func TestPlainTransportGetsAddressesWithoutNames(t *testing.T) {
	plain := &plainTransport{}
	aware := asNodeAware(plain)
	to := Address{Addr: "10.0.0.1:7946", Name: "a"}
	if _, err := aware.WriteToAddress(nil, to); err != nil {
		t.Fatal(err)
	}
	if _, err := aware.DialAddressTimeout(to, time.Second); err != nil {
		t.Fatal(err)
	}
	if plain.wrote != to.Addr || plain.dialled != to.Addr {
		t.Errorf("wrote to %q, dialled %q, want both %q", plain.wrote, plain.dialled, to.Addr)
	}
}

func TestNodeAwareTransportIsUsedAsItIs(t *testing.T) {
	aware := &NetTransport{}
	if got := asNodeAware(aware); got != aware {
		t.Errorf("got %T, want the transport itself", got)
	}
}

func TestAddressString(t *testing.T) {
	for _, tt := range []struct {
		name string
		addr Address
		want string
	}{
		{"with name", Address{Addr: "10.0.0.1:7946", Name: "a"}, "a (10.0.0.1:7946)"},
		{"without", Address{Addr: "10.0.0.1:7946"}, "10.0.0.1:7946"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.addr.String(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
