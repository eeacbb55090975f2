package swim

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/e3431adc/memberlist/internal/wire"
)

// TestTableFinds: by name and by address, whoever came last to one, in whichever spelling; nobody that was removed.
func TestTableFinds(t *testing.T) {
	table := newTable()
	intN := rand.New(rand.NewPCG(1, 2)).IntN
	four := addressOf(netip.MustParseAddrPort("10.0.0.1:7946"))
	mapped := addressOf(netip.MustParseAddrPort("[::ffff:10.0.0.1]:7946"))
	other := addressOf(netip.MustParseAddrPort("10.0.0.1:7947"))
	a := table.add("a", four, intN)
	if table.located(mapped) != a || table.located(other) != nil || table.named("a") != a || table.named("b") != nil {
		t.Error("a is not where it is, or somebody is where nobody is")
	}
	b := table.add("b", mapped, intN)
	if table.located(four) != b {
		t.Error("the latest at the address is not found")
	}
	table.move(b, other)
	if table.located(other) != b || table.located(four) != nil {
		t.Error("a member that moved is not where it is now, or is where it was")
	}
	table.remove(b)
	if table.named("b") != nil || table.located(other) != nil || table.named("a") != a {
		t.Error("a member that was removed is found, or another is not")
	}
	table.order = table.order[:1]
	if c := table.add("c", four, intN); c.ID != 1 || table.located(four) != c || table.named("c") != c {
		t.Errorf("the ID of a member that was removed is not used again: %d", c.ID)
	}
}

func TestAddress(t *testing.T) {
	for _, text := range []string{"10.1.2.3:7946", "[2001:db8::1]:1", "[::ffff:10.1.2.3]:7946", "[::]:0", "0.0.0.0:65535"} {
		want := netip.MustParseAddrPort(text)
		a := addressOf(want)
		if a.addrPort() != want || string(a.bytes()) != string(want.Addr().AsSlice()) {
			t.Errorf("%s becomes %s, %x", text, a.addrPort(), a.bytes())
		}
		if back, ok := addressFrom(a.bytes(), want.Port(), want.Port()); !ok || back != a {
			t.Errorf("%s comes off the wire as %s, %v", text, back.addrPort(), ok)
		}
	}
	if none := addressOf(netip.AddrPort{}); none.addrPort().IsValid() || len(none.bytes()) != 0 {
		t.Errorf("no address becomes %s, %x", none.addrPort(), none.bytes())
	}
	for n := range 20 {
		if _, ok := addressFrom(make([]byte, n), 0, 1); ok != (n == 4 || n == 16) {
			t.Errorf("an address of %d bytes: %v", n, ok)
		}
	}
}

// TestTableMemory holds what a known member takes. It counts for each pair of processes in a cluster.
func TestTableMemory(t *testing.T) {
	if size := unsafe.Sizeof(member{}); size > 88 {
		t.Errorf("a member has %d bytes", size)
	}
	for _, n := range []int{10_000, 50_000} {
		before := heapInUse()
		c := New(testConfig())
		now := testStart
		c.Announce(now, memberAddr(0), nil, testVersions, 0)
		out := new(Output)
		for i := 1; i <= n; i++ {
			addr := memberAddr(i).Addr().AsSlice()
			c.Step(now, Endpoint{}, &wire.Alive{Incarnation: 1, Node: fmt.Sprintf("node-%05d", i), Addr: addr, Port: 7946,
				Vsn: testVersions[:]})
			if i%100 == 0 {
				c.DropQueued()
				out = c.Take(out)
			}
		}
		c.DropQueued()
		out = c.Take(out)
		out = new(Output)
		out = c.Take(out)
		out = new(Output)
		perMember := float64(heapInUse()-before) / float64(n)
		t.Logf("%d members: %.1f bytes each, their names of 10 bytes included", n, perMember)
		if perMember > 150 {
			t.Errorf("%d members: %.1f bytes each", n, perMember)
		}
		runtime.KeepAlive(c)
	}
}

func heapInUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestKeep: names of messages are kept as they are, unless somebody is said to know better.
func TestKeep(t *testing.T) {
	shared := "shared"
	for _, keep := range []func(string) string{nil, func(string) string { return shared }} {
		n := newNode(t, func(c *Config) { c.Keep = keep })
		a := aliveOf(1, 1)
		a.Node = strings.Clone(shared)
		n.alive(a)
		want := a.Node
		if keep != nil {
			want = shared
		}
		if m, ok := n.Member(shared); !ok || unsafe.StringData(m.Name) != unsafe.StringData(want) {
			t.Errorf("kept another string: %+v", m)
		}
	}
}

// TestSince: times are kept relative to the first, and come back as they were.
func TestSince(t *testing.T) {
	n := newNode(t, nil).meet(1)
	n.after(time.Hour).suspect(1, 1, "m2")
	m, _ := n.Member(memberName(1))
	if want := testStart.Add(time.Hour); !m.Since.Equal(want) {
		t.Errorf("suspect since %v, want %v", m.Since, want)
	}
}
