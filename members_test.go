package memberlist

import (
	"context"
	"errors"
	"net"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist/internal/metrics"
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

// TestPathStatsAreForgotten: there are never more statistics than members.
func TestPathStatsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := new(MockNetwork)
		m := newMember(t, network, "a", nil)
		joinMember(t, newMember(t, network, "b", nil), m)
		for _, name := range []string{"c", "d", "e", "f"} {
			gone := newMember(t, network, name, nil)
			joinMember(t, gone, m)
			time.Sleep(time.Minute)
			gone.Shutdown()
			time.Sleep(5 * time.Minute) // until it is removed
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		if n := len(m.mu.reachability); n == 0 || n > 3 {
			t.Errorf("statistics of %d members, there never were more than 3", n)
		}
	})
}

// TestStatsHasEveryCounter: Stats has every counter.
func TestStatsHasEveryCounter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMember(t, new(MockNetwork), "a", nil)
		before := m.Stats()
		for i := range metrics.TransportDial { // those of a member are before it
			m.metrics.Add(i, 1000)
		}
		after := m.Stats()
		changed := 0
		for _, pair := range [][2]reflect.Value{
			{reflect.ValueOf(before), reflect.ValueOf(after)},
			{reflect.ValueOf(before.Dropped), reflect.ValueOf(after.Dropped)},
		} {
			for i := range pair[0].NumField() {
				if f := pair[0].Field(i); f.Kind() == reflect.Uint64 && pair[1].Field(i).Uint() == f.Uint()+1000 {
					changed++
				}
			}
		}
		if changed != int(metrics.TransportDial) {
			t.Errorf("%d fields show the %d counters", changed, metrics.TransportDial)
		}
	})
}

// TestForceLeaveLeavesNoWaiter: no waiter remains, even if no broadcast is sent.
func TestForceLeaveLeavesNoWaiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMember(t, new(MockNetwork), "a", nil)
		if err := m.ForceLeave(t.Context(), "nobody"); !errors.Is(err, ErrUnknownMember) {
			t.Errorf("error %v, want ErrUnknownMember", err)
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		if n := len(m.mu.waiters.sent); n != 0 {
			t.Errorf("%d calls wait", n)
		}
	})
}

// TestEndedUpdateLeavesNoWaiter: no waiter remains of a call whose context ends before its broadcast is sent.
func TestEndedUpdateLeavesNoWaiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := new(MockNetwork)
		m := newMember(t, network, "a", func(config *Config) { config.GossipInterval, config.ProbeInterval = time.Hour, time.Hour })
		joinMember(t, newMember(t, network, "b", nil), m)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := m.UpdateNodeContext(ctx); !errors.Is(err, ErrUpdateTimeout) {
			t.Errorf("error %v, want ErrUpdateTimeout", err)
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		if n := len(m.mu.waiters.sent); n != 0 {
			t.Errorf("%d calls wait", n)
		}
	})
}
