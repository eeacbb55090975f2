package memberlist

import (
	"errors"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
)

func TestNoPingResponseErrorNamesTheMember(t *testing.T) {
	err := fmt.Errorf("ping: %w", NoPingResponseError{node: "a"})
	var none NoPingResponseError
	if !errors.As(err, &none) {
		t.Fatalf("%v is not found as a NoPingResponseError", err)
	}
	if got, want := none.Error(), "No response from node a"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestNilArguments are errors.
func TestNilArguments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(1, nil)
		defer c.stop()
		m := c.members[0]
		var noConfig *Config
		for _, tt := range []struct {
			name string
			call func() error
			want error
		}{
			{"Create", func() error { _, err := Create(nil); return err }, ErrInvalidConfig},
			{"Validate", func() error { return noConfig.Validate() }, ErrInvalidConfig},
			{"NewNetTransport", func() error { _, err := NewNetTransport(nil); return err }, ErrInvalidConfig},
			{"SendBestEffort", func() error { return m.SendBestEffort(nil, []byte("x")) }, ErrInvalidAddress},
			{"SendToUDP", func() error { return m.SendToUDP(nil, []byte("x")) }, ErrInvalidAddress},
			{"SendReliable", func() error { return m.SendReliable(nil, []byte("x")) }, ErrInvalidAddress},
			{"SendReliableContext", func() error { return m.SendReliableContext(t.Context(), nil, nil) }, ErrInvalidAddress},
			{"SendToTCP", func() error { return m.SendToTCP(nil, nil) }, ErrInvalidAddress},
			{"SendTo", func() error { return m.SendTo(nil, []byte("x")) }, ErrInvalidAddress},
			{"SendTo no UDP address", func() error { return m.SendTo((*net.UDPAddr)(nil), nil) }, ErrInvalidAddress},
			{"SendTo no TCP address", func() error { return m.SendTo((*net.TCPAddr)(nil), nil) }, ErrInvalidAddress},
			{"Ping", func() error { _, err := m.Ping("m0", nil); return err }, ErrInvalidAddress},
			{"PingContext", func() error { _, err := m.PingContext(t.Context(), "m0", (*net.UDPAddr)(nil)); return err }, ErrInvalidAddress},
		} {
			if err := tt.call(); !errors.Is(err, tt.want) {
				t.Errorf("%s: error %v, want %v", tt.name, err, tt.want)
			}
		}
	})
}
