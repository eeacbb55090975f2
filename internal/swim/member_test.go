package swim

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/e3431adc/memberlist/internal/wire"
)

// TestTableFinds: members are found by name and by address: the latest at an address, in any spelling, and none that
// was removed.
func TestTableFinds(t *testing.T) {
	table := newTable()
	intN := rand.New(rand.NewPCG(1, 2)).IntN
	four := addressOf(netip.MustParseAddrPort("10.0.0.1:7946"))
	mapped := addressOf(netip.MustParseAddrPort("[::ffff:10.0.0.1]:7946"))
	other := addressOf(netip.MustParseAddrPort("10.0.0.1:7947"))
	a := table.add("a", four, intN)
	if table.located(mapped) != a || table.located(other) != nil || table.named("a") != a || table.named("b") != nil {
		t.Error("a is not found at its address, or a member is found at an unused one")
	}
	b := table.add("b", mapped, intN)
	if table.located(four) != b {
		t.Error("the latest at the address is not found")
	}
	table.move(b, other)
	if table.located(other) != b || table.located(four) != a {
		t.Error("a member that moved is not found at its new address, is found at the old one, or hides another there")
	}
	table.remove(b)
	if table.named("b") != nil || table.located(other) != nil || table.named("a") != a {
		t.Error("a member that was removed is found, or another is not")
	}
	table.leaveOrder()
	if c := table.add("c", four, intN); c.ID != 1 || table.located(four) != c || table.named("c") != c {
		t.Errorf("the ID of a member that was removed is not used again: %d", c.ID)
	}
}

// TestManyAtOneAddress: a present member is found before those that are gone, and of several the latest; only a few
// are remembered.
func TestManyAtOneAddress(t *testing.T) {
	table := newTable()
	intN := rand.New(rand.NewPCG(1, 2)).IntN
	at := addressOf(netip.MustParseAddrPort("10.0.0.1:7946"))
	all := make([]*member, 20)
	for i := range all {
		all[i] = table.add(fmt.Sprint(i), at, intN)
		all[i].since, all[i].State = time.Duration(i), StateDead
	}
	if got := table.located(at); got != all[19] {
		t.Errorf("found is %s of those that are gone, want the latest", got.Name)
	}
	found := 0
	for range table.locatedAll(at) {
		found++
	}
	if found != maxAtAddress {
		t.Errorf("%d are found at the address, want %d", found, maxAtAddress)
	}
	all[18].State = StateAlive
	if got := table.located(at); got != all[18] {
		t.Errorf("found is %s, want the one that is present", got.Name)
	}
	for _, m := range all {
		table.remove(m)
	}
	if got := table.located(at); got != nil || table.byAddr.Len() != 0 {
		t.Errorf("found is %v, %d are kept in mind", got, table.byAddr.Len())
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

// TestTableMemory checks the memory that a known member takes. It counts for each pair of processes in a cluster.
func TestTableMemory(t *testing.T) {
	if size := unsafe.Sizeof(member{}); size > 80 {
		t.Errorf("a member has %d bytes", size)
	}
	for _, n := range []int{10_000, 50_000} {
		before := heapInUse()
		c := New(testConfig()).Begin(testStart, new(Output))
		c.Announce(memberAddr(0), nil, testVersions, 0)
		out := new(Output)
		for i := 1; i <= n; i++ {
			addr := memberAddr(i).Addr().AsSlice()
			c.StepGossip(Endpoint{}, &wire.GossipView{Kind: wire.TypeAlive, Incarnation: 1, Node: fmt.Appendf(nil, "node-%05d", i),
				Addr: addr, Port: 7946, Vsn: testVersions[:]})
			if i%100 == 0 {
				c.queue.dropAll(c)
				out = swap(c, out)
			}
		}
		c.queue.dropAll(c)
		swap(c, out)
		out = new(Output)
		swap(c, out)
		perMember := float64(heapInUse()-before) / float64(n)
		t.Logf("%d members: %.1f bytes each, their names of 10 bytes included", n, perMember)
		if perMember > 130 {
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

// TestKeep: the table stores the string that Config.Keep returns for a name.
func TestKeep(t *testing.T) {
	shared := "shared"
	for _, keep := range []func([]byte) string{nil, func([]byte) string { return shared }} {
		n := newNode(t, func(c *Config) { c.Keep = keep })
		a := aliveOf(1, 1)
		a.Node = shared
		n.alive(a)
		m, ok := n.Member(shared)
		if same := unsafe.StringData(m.Name) == unsafe.StringData(shared); !ok || same != (keep != nil) {
			t.Errorf("%+v is known, by the string of Keep: %v", m, same)
		}
	}
}

// TestSince: times are stored relative to the first, and are returned unchanged.
func TestSince(t *testing.T) {
	n := newNode(t, nil).withMembers(1)
	n.after(time.Hour).suspect(1, 1, "m2")
	m, _ := n.Member(memberName(1))
	if want := testStart.Add(time.Hour); !m.Since.Equal(want) {
		t.Errorf("suspect since %v, want %v", m.Since, want)
	}
}

// TestTableAddresses: the table has the last address of each member, of 4 bytes, of 16, an IPv4 one in 16, or none,
// while others are added, removed and moved; and the memory of removed ones is used again.
func TestTableAddresses(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	random := func() address {
		ip := [16]byte{10: 0xff, 11: 0xff, 12: 10, 15: byte(r.IntN(20))}
		a := address{ip: ip, port: uint16(1 + r.IntN(3)), size: []uint8{4, 16, 16, 0}[r.IntN(4)]}
		switch {
		case a.size == 0:
			a.ip = [16]byte{}
		case a.size == 16 && r.IntN(2) == 0:
			a.ip[0], a.ip[10] = 0xfd, 0 // its last bytes are those of an IPv4 one
		}
		return a
	}
	table := newTable()
	is := map[string]address{}
	var names []string
	for step := range 5000 {
		switch {
		case len(names) < 5 || len(names) < 50 && r.IntN(2) == 0:
			name := fmt.Sprint(step)
			names = append(names, name)
			is[name] = random()
			table.add(name, is[name], r.IntN)
		case r.IntN(2) == 0:
			i := r.IntN(len(names))
			m := table.named(names[i])
			table.remove(m)
			table.leaveOrder()
			delete(is, names[i])
			names = slices.Delete(names, i, i+1)
		default:
			name := names[r.IntN(len(names))]
			is[name] = random()
			table.move(table.named(name), is[name])
		}
		other := random()
		for name, want := range is {
			m := table.named(name)
			if got := table.address(m); got != want || table.addrPort(m) != want.addrPort() || !bytes.Equal(table.ip(m), want.bytes()) {
				t.Fatalf("step %d: %s is at %v, want %v", step, name, got, want)
			}
			if got := table.isAt(m, other); got != want.same(other) {
				t.Fatalf("step %d: %v is at %v: %v", step, want, other, got)
			}
		}
	}
	if len(table.long) > 50 {
		t.Errorf("memory for %d addresses of 16 bytes; there were never more than 50 members", len(table.long))
	}
}
