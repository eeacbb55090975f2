package flaps

import (
	"bytes"
	"go/parser"
	"go/token"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// TestDeaths records a member that is declared dead by two others, makes a test of it, and reads that.
func TestDeaths(t *testing.T) {
	r := swim.NewRecorder(1<<20, false)
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	core := swim.New(swim.Config{Name: "self", ProbeInterval: time.Second, ProbeTimeout: time.Second, SuspicionMult: 4, RetransmitMult: 4,
		Room: 1400, AwarenessMaxMultiplier: 8, GossipToTheDeadTime: time.Minute, Rand: rand.New(rand.NewPCG(1, 2)), Recorder: r})
	at := func(i byte) netip.AddrPort { return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, i}), 7946) }
	turn := core.Begin(start, new(swim.Output))
	turn.Announce(at(0), nil, swim.Versions{1, 5, 2}, 0)
	turn.StepGossip(swim.Endpoint{}, &wire.GossipView{Kind: wire.TypeAlive, Incarnation: 1, Node: []byte("m1"), Addr: []byte{10, 0, 0, 1},
		Port: 7946, Vsn: []byte{1, 5, 2, 0, 0, 0}})
	turn.StepGossip(swim.Endpoint{}, &wire.GossipView{Kind: wire.TypeDead, Incarnation: 1, Node: []byte("m1"), From: []byte("m2")})
	turn.End()
	var b bytes.Buffer
	if _, err := r.File().WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	test, err := Test("m1", b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.ParseFile(token.NewFileSet(), "flap_test.go", test, 0); err != nil {
		t.Fatal(err)
	}
	_, encoded, _ := strings.Cut(test, `Deaths("m1", `)
	encoded, _, _ = strings.Cut(encoded, ")")
	if encoded, err = strconv.Unquote(encoded); err != nil {
		t.Fatal(err)
	}
	for member, want := range map[string]int{"m1": 1, "m2": 0} {
		if deaths, err := Deaths(member, encoded); err != nil || len(deaths) != want {
			t.Errorf("%s: %q, %v", member, deaths, err)
		}
	}
}
