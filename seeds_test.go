package memberlist

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
)

// TestSeedListIsBounded: the latest seeds are remembered, each once.
func TestSeedListIsBounded(t *testing.T) {
	var l seedList
	for i := range 3 * maxSeeds {
		l.remember("first", netip.AddrPort{}, true)
		l.remember(fmt.Sprint(i), netip.AddrPort{}, true)
	}
	seeds := l.texts()
	if len(seeds) != maxSeeds || seeds[maxSeeds-1] != fmt.Sprint(3*maxSeeds-1) || !slices.Contains(seeds, "first") {
		t.Errorf("%d seeds: %v", len(seeds), seeds)
	}
}

// TestSeedsAreThoseJoined: only joined addresses are seeds, until they are removed; but while no other member was
// ever known, those of failed joins are, too.
func TestSeedsAreThoseJoined(t *testing.T) {
	at := netip.MustParseAddrPort("10.0.0.1:7946")
	for _, tt := range []struct {
		name string
		do   func(l *seedList)
		want []string
	}{
		{"joined", func(l *seedList) { l.remember("a", at, true) }, []string{"a"}},
		{"failed, alone", func(l *seedList) { l.remember("a", at, false) }, []string{"a"}},
		{"failed, and others came", func(l *seedList) { l.remember("a", at, false); l.meetOthers() }, nil},
		{"failed among others", func(l *seedList) { l.meetOthers(); l.remember("a", at, false) }, nil},
		{"joined, then failed", func(l *seedList) { l.meetOthers(); l.remember("a", at, true); l.remember("a", at, false) }, []string{"a"}},
		{"failed, then joined", func(l *seedList) { l.remember("a", at, false); l.remember("a", at, true); l.meetOthers() }, []string{"a"}},
		{"removed", func(l *seedList) { l.remember("a", at, true); l.forgetAddress(at) }, nil},
		{"another removed", func(l *seedList) {
			l.remember("a", at, true)
			l.forgetAddress(netip.MustParseAddrPort("10.0.0.2:7946"))
		}, []string{"a"}},
		{"removed, but looked up", func(l *seedList) { l.remember("host", netip.AddrPort{}, true); l.forgetAddress(at) }, []string{"host"}},
	} {
		var l seedList
		if tt.do(&l); !slices.Equal(l.texts(), tt.want) {
			t.Errorf("%s: seeds %v, want %v", tt.name, l.texts(), tt.want)
		}
	}
}
