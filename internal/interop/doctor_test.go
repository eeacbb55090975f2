package interop

import (
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/internal/doctor"
	"github.com/e3431adc/memberlist/internal/wire"
)

// still turns off what would repair or find out about a fault before the doctor does, and goes on after a join.
func still(o *options) { o.probeInterval, o.gossipInterval = off, off }

// TestDoctor makes clusters with a fault each, of both libraries, and expects the finding. The faults of a real network are
// in package migration.
func TestDoctor(t *testing.T) {
	for _, tt := range []struct {
		name   string
		tapped bool
		play   func(c *cluster)
	}{
		{"nothing", false, doctorNothing},
		{"split", false, doctorSplit},
		{"partly-seen", false, doctorPartlySeen},
		{"udp", true, doctorUDP},
		{"address", false, doctorAddress},
		{"same-address", false, doctorSameAddress},
		{"same-name", false, doctorSameName},
		{"label", false, doctorLabel},
		{"key", false, doctorKey},
		{"versions", false, doctorVersions},
		{"dead", false, doctorDead},
		{"dead-answers", true, doctorDeadAnswers},
		{"unreachable", false, doctorUnreachable},
		{"metadata", false, doctorMetadata},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			onSockets(t, scenario{verb: "and", roles: 2, tapped: tt.tapped, mixed: !tt.tapped, play: tt.play}, settingsNamed("plain", "label+aes256"))
		})
	}
}

// examine examines the cluster of some peers, and returns the findings by kind.
func (c *cluster) examine(peers ...peer) map[string][]doctor.Finding {
	c.Helper()
	if c.tap != nil {
		c.tap.expectVisitor()
	}
	o := doctor.Options{Label: c.setting.label, PacketSize: doctor.DefaultPacketSize, AtOnce: 10, Timeout: 10 * time.Second}
	if c.setting.key != nil {
		ring, err := memberlist.NewKeyring(nil, c.setting.key)
		if err != nil {
			c.Fatal(err)
		}
		o.Keyring = ring
	}
	for _, p := range peers {
		o.Addresses = append(o.Addresses, p.addr().String())
	}
	r, err := doctor.Examine(c.Context(), o)
	if err != nil {
		c.Fatal(err)
	}
	found := make(map[string][]doctor.Finding)
	for _, f := range r.Findings {
		found[f.Kind] = append(found[f.Kind], f)
		c.Logf("%v %s: %s %q", f.Severity, f.Kind, f.Title, f.Details)
	}
	return found
}

// expect fails unless a kind was found, with these texts in its titles and details, and nothing but that and the other kinds.
func (c *cluster) expect(found map[string][]doctor.Finding, kind string, texts []string, others ...string) {
	c.Helper()
	if len(found[kind]) == 0 {
		c.Errorf("no finding %q", kind)
	}
	var all strings.Builder
	for _, f := range found[kind] {
		fmt.Fprintln(&all, f.Title, f.Details)
	}
	for _, text := range texts {
		if !strings.Contains(all.String(), text) {
			c.Errorf("no %q in %s", text, all.String())
		}
	}
	for other := range found {
		if other != kind && other != "implementations" && !slices.Contains(others, other) {
			c.Errorf("also found: %s", other)
		}
	}
}

// four starts four peers, of both libraries in turn.
func (c *cluster) four(tune ...func(*options)) []peer {
	c.Helper()
	var peers []peer
	for i, name := range []string{"a", "b", "c", "d"} {
		peers = append(peers, c.start(c.cast[i%2], name, tune...))
	}
	return peers
}

// meet makes a peer join another, and waits until that knows it: the reference replies before it merges.
func (c *cluster) meet(p, to peer) {
	c.Helper()
	c.join(p, to)
	c.await(to.name()+" knows "+p.name(), func() bool { return slices.Contains(to.members(), p.name()) })
}

// inject sends a message to peers as one that any member could have sent.
func (c *cluster) inject(message []byte, peers ...peer) {
	c.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		c.Fatal(err)
	}
	defer conn.Close()
	packet, err := wire.AppendLabel(nil, c.setting.label)
	if err != nil {
		c.Fatal(err)
	}
	if c.setting.key == nil {
		packet = append(packet, message...)
	} else {
		cipher, err := wire.NewCipher(c.setting.key)
		if err != nil {
			c.Fatal(err)
		}
		var nonce [wire.NonceSize]byte
		rand.Read(nonce[:])
		header := len(packet)
		packet = append(append(packet, make([]byte, wire.SealHeaderSize)...), message...)
		packet = cipher.SealInPlace(packet, header, wire.SealVersion1, &nonce, []byte(c.setting.label))
	}
	for _, p := range peers {
		if _, err := conn.WriteToUDPAddrPort(packet, p.addr()); err != nil {
			c.Fatal(err)
		}
	}
}

// pretend makes peers believe in a member that does not exist.
func (c *cluster) pretend(name string, at netip.AddrPort, versions []byte, peers ...peer) {
	c.Helper()
	alive := wire.Alive{Incarnation: 1, Node: name, Addr: at.Addr().AsSlice(), Port: at.Port(), Vsn: versions}
	for _, p := range peers {
		c.retry(p.name()+" believes in "+name, func() { c.inject(alive.Append(nil), p) },
			func() bool { return slices.Contains(p.members(), name) })
	}
}

// believer returns a peer of the reference: those of this library do not believe in such members.
func (c *cluster) believer(peers []peer) peer {
	return peers[slices.IndexFunc(peers, func(p peer) bool { return p.kind() == theirs })]
}

var usualVersions = []byte{1, 5, 2, 0, 0, 0}

func doctorNothing(c *cluster) {
	peers := c.four()
	c.assemble(peers[0], peers[1:]...)
	found := c.examine(peers[0])
	c.expect(found, "implementations", []string{"this library: ", "hashicorp/memberlist, or another: "})

	e, f := c.start(c.cast[0], "e"), c.start(c.cast[0], "f")
	c.assemble(e, f)
	if found := c.examine(e); len(found) > 0 {
		c.Errorf("found in a cluster of one library: %v", found)
	}
}

func doctorSplit(c *cluster) {
	peers := c.four()
	c.assemble(peers[0], peers[1])
	c.assemble(peers[2], peers[3])
	c.expect(c.examine(peers[0], peers[3]), "split", []string{"2 parts", "2 members: a, b", "2 members: c, d"})
}

func doctorPartlySeen(c *cluster) {
	a, b := c.start(c.cast[0], "a"), c.start(c.cast[1], "b", func(o *options) { o.vetoAlive = "d" })
	d := c.start(c.cast[0], "d")
	c.assemble(a, b)
	c.meet(d, a)
	c.awaitMembers(a, "a", "b", "d")
	c.awaitMembers(d, "a", "b", "d")
	c.expect(c.examine(a), "partly-seen", []string{"d (127.", "seen by a, d", "not seen by b"})
}

func doctorUDP(c *cluster) {
	peers := c.four(still)
	for _, p := range peers[1:] {
		c.meet(p, peers[0])
	}
	for _, p := range peers {
		for _, q := range peers {
			if p != q {
				c.meet(p, q)
			}
		}
	}
	c.world.link(peers[0].addr(), peers[1].addr(), false, true) // one way
	c.expect(c.examine(peers[0]), "udp", []string{"packets between ", "a (127.", "b (127."})
}

func doctorAddress(c *cluster) {
	peers := c.four(still)
	for _, p := range peers[1:] {
		c.meet(p, peers[0])
	}
	believer := c.believer(peers)
	elsewhere := func(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }
	c.pretend("wild", elsewhere("0.0.0.0:7946"), usualVersions, believer)
	c.pretend("local", elsewhere("[fe80::7]:7946"), usualVersions, believer)
	c.pretend("many", elsewhere("224.0.0.9:7946"), usualVersions, believer)
	found := c.examine(peers[0])
	c.expect(found, "address", []string{
		"wild (0.0.0.0:7946) advertises the wildcard address",
		"local ([fe80::7]:7946) advertises a link-local address",
		"many (224.0.0.9:7946) advertises an address that no host can have",
		"a loopback address, unlike others",
	}, "partly-seen", "unreachable", "split")
}

func doctorSameAddress(c *cluster) {
	a, b := c.start(c.cast[0], "a", still), c.start(c.cast[1], "b", still)
	old := c.start(c.cast[0], "old", still)
	c.meet(b, a)
	c.meet(old, a)
	c.meet(old, b)
	if err := old.shutdown(); err != nil {
		c.Fatal(err)
	}
	c.start(c.cast[1], "new", still, func(o *options) { o.at = old.addr() })
	newer := c.peers[len(c.peers)-1]
	c.meet(newer, a)
	c.meet(newer, b)
	c.expect(c.examine(a), "same-address",
		[]string{"2 names are at " + old.addr().String(), "old (", "new (", "does not answer to the name"}, "partly-seen", "dead")
}

func doctorSameName(c *cluster) {
	a, b := c.start(c.cast[0], "a", still), c.start(c.cast[1], "b", still)
	c.meet(b, a)
	x1, x2 := c.start(c.cast[0], "x", still), c.start(c.cast[1], "x", still)
	c.meet(x1, a)
	c.meet(x2, b)
	c.expect(c.examine(a), "same-name", []string{"x is at 2 addresses", x1.addr().String(), x2.addr().String()},
		"partly-seen", "split", "udp")
}

// doctorLabel restarts a member with another label; its old self is still believed to be there.
func doctorLabel(c *cluster) {
	want := "another label"
	if c.cast[1] == theirs {
		want = "another label or key" // it closes the stream without a reply
	}
	c.restartElsewhere(want, func(o *options) { o.label = "of another cluster" })
}

func doctorKey(c *cluster) {
	c.restartElsewhere("another key", func(o *options) { o.key = key24 })
}

func (c *cluster) restartElsewhere(want string, change func(*options)) {
	c.Helper()
	a, b, d := c.start(c.cast[0], "a", still), c.start(c.cast[1], "b", still), c.start(c.cast[1], "d", still)
	c.meet(b, a)
	c.meet(d, a)
	c.meet(d, b)
	if err := d.shutdown(); err != nil {
		c.Fatal(err)
	}
	c.start(c.cast[1], "d", still, change, func(o *options) { o.at = d.addr() })
	c.expect(c.examine(a), "key-label", []string{"d (" + d.addr().String() + ") has " + want})
}

func doctorVersions(c *cluster) {
	peers := c.four(still)
	for _, p := range peers[1:] {
		c.meet(p, peers[0])
	}
	ghost := netip.MustParseAddrPort("127.0.0.1:9") // nothing listens there
	c.pretend("new", ghost, []byte{1, 5, 2, 3, 5, 4}, c.believer(peers))
	c.expect(c.examine(peers[0]), "versions", []string{"delegate protocol version"}, "partly-seen", "unreachable")
}

func doctorDead(c *cluster) {
	peers := c.four()
	c.assemble(peers[0], peers[1:]...)
	if err := peers[3].shutdown(); err != nil {
		c.Fatal(err)
	}
	for _, p := range peers[:3] {
		c.awaitMembers(p, "a", "b", "c")
	}
	c.expect(c.examine(peers[0]), "dead", []string{"d (127.", "is dead and still told of", "by a, b, c"})
}

// doctorDeadAnswers cuts a member off from all others, but not from the doctor.
func doctorDeadAnswers(c *cluster) {
	peers := c.four()
	c.assemble(peers[0], peers[1:]...)
	for _, p := range peers[:3] {
		c.cut(p, peers[3], false, false)
	}
	for _, p := range peers[:3] {
		c.awaitMembers(p, "a", "b", "c")
	}
	c.awaitMembers(peers[3], "d")
	c.expect(c.examine(peers[0]), "dead-answers", []string{"d (127.", "was declared dead and answers", "dead to a, b, c"}, "split", "udp")
}

// doctorUnreachable stops a member before the others find out.
func doctorUnreachable(c *cluster) {
	peers := c.four(still)
	for _, p := range peers[1:] {
		c.meet(p, peers[0])
	}
	d := peers[3].addr().String()
	if err := peers[3].shutdown(); err != nil {
		c.Fatal(err)
	}
	c.expect(c.examine(peers[0]), "unreachable", []string{"d (" + d + ") does not answer", "packets: ", "stream: "}, "partly-seen")
}

func doctorMetadata(c *cluster) {
	a := c.start(c.cast[0], "a")
	b := c.start(c.cast[1], "b", func(o *options) { o.meta = strings.Repeat("m", 500) })
	c.assemble(a, b)
	c.expect(c.examine(a), "metadata", []string{"b (127.", "500 of 512 bytes"})
}
