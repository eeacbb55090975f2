package memberlist

import (
	"net"
	"testing"
)

func TestNodeAddresses(t *testing.T) {
	for _, tt := range []struct {
		name string
		node Node
		want string
	}{
		{"IPv4", Node{Name: "a", Addr: net.IPv4(10, 0, 0, 1).To4(), Port: 7946}, "10.0.0.1:7946"},
		{"IPv4 in 16 bytes", Node{Name: "a", Addr: net.IPv4(10, 0, 0, 1), Port: 65535}, "10.0.0.1:65535"},
		{"IPv6", Node{Name: "a", Addr: net.ParseIP("fd00::2"), Port: 1}, "[fd00::2]:1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.node.Address(); got != tt.want {
				t.Errorf("Address: got %q, want %q", got, tt.want)
			}
			if got, want := tt.node.FullAddress(), (Address{Addr: tt.want, Name: "a"}); got != want {
				t.Errorf("FullAddress: got %v, want %v", got, want)
			}
			if got := tt.node.String(); got != "a" {
				t.Errorf("String: got %q, want the name", got)
			}
		})
	}
}

func TestStatesHaveTheirMetricNames(t *testing.T) {
	want := map[NodeStateType]string{
		StateAlive: "alive", StateSuspect: "suspect", StateDead: "dead", StateLeft: "left", 9: "unknown(9)",
	}
	for state, name := range want {
		if got := state.metricName(); got != name {
			t.Errorf("state %d: got %q, want %q", state, got, name)
		}
	}
}
