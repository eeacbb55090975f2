package interop

import (
	"testing"
)

// TestKeyRotation: the keys of a running cluster are replaced: the new one is added everywhere, then used everywhere, then
// the old one is removed.
func TestKeyRotation(t *testing.T) {
	s := scenario{verb: "rotates-keys-with", roles: 2, tapped: true, play: func(c *cluster) {
		a, b := c.start(c.cast[0], "a"), c.start(c.cast[1], "b")
		c.assemble(a, b)
		next := key24
		if len(c.setting.key) == len(next) {
			next = key32
		}
		c.tap.addKey(next)
		do := func(what string, err error) {
			c.Helper()
			if err != nil {
				c.Fatalf("%s: %v", what, err)
			}
		}
		talk := func(msg string) {
			c.Helper()
			for _, from := range []peer{a, b} {
				to := a
				if from == a {
					to = b
				}
				do("send", from.sendReliable(to, msg+" on stream from "+from.name()))
				c.awaitEntry(to, sawMessage, "", msg+" on stream from "+from.name())
				c.sendBestEffort(from, to, msg+" in packet from "+from.name())
				if _, err := from.join(to.addr()); err != nil {
					c.Errorf("%s: %v", msg, err)
				}
			}
		}
		sealedWith := func(msg string, from peer) int {
			for _, s := range c.tap.all(func(s sight) bool { return s.user == msg+" in packet from "+from.name() }) {
				return s.key
			}
			return -1
		}
		expect := func(msg string, keyOfA, keyOfB int) {
			c.Helper()
			talk(msg)
			if got := sealedWith(msg, a); got != keyOfA {
				c.Errorf("%s: a seals with key %d, want %d", msg, got, keyOfA)
			}
			if got := sealedWith(msg, b); got != keyOfB {
				c.Errorf("%s: b seals with key %d, want %d", msg, got, keyOfB)
			}
		}
		expect("before", 0, 0)
		do("add", a.keyring().AddKey(next))
		do("add", b.keyring().AddKey(next))
		expect("added", 0, 0)
		do("use", a.keyring().UseKey(next))
		expect("used by a", 1, 0)
		do("use", b.keyring().UseKey(next))
		expect("used by both", 1, 1)
		do("remove", a.keyring().RemoveKey(c.setting.key))
		do("remove", b.keyring().RemoveKey(c.setting.key))
		expect("removed", 1, 1)
		do("update", a.setMeta("rotated", patience))
		c.awaitEntry(b, sawUpdate, "a", "rotated")
		c.awaitMembers(a, "a", "b")
		c.awaitMembers(b, "a", "b")
	}}
	var sealed []setting
	for _, set := range settings {
		if set.key != nil {
			sealed = append(sealed, set)
		}
	}
	t.Run("bubble", func(t *testing.T) { inBubbles(t, s, sealed) })
	t.Run("sockets", func(t *testing.T) { onSockets(t, s, settingsNamed("aes128", "label+v1+aes192+compression")) })
}

// TestGoingOverToALabel: a cluster gets a label. A member of the reference that has it already sends it and, with
// SkipInboundLabelCheck, accepts packets without it; a member of this library accepts both, before and after it has the
// label itself.
func TestGoingOverToALabel(t *testing.T) {
	for _, tt := range []struct {
		name   string
		ours   func(*options)
		theirs func(*options)
	}{
		{"none-yet", func(o *options) { o.acceptLabels = []string{"blue"} },
			func(o *options) { o.label, o.skipLabelCheck = "blue", true }},
		{"none-yet-on-both", func(o *options) { o.acceptLabels = []string{"blue"} }, func(*options) {}},
		{"both-have-it", func(o *options) { o.label, o.acceptLabels = "blue", []string{""} },
			func(o *options) { o.label = "blue" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := scenario{verb: "talks-to", roles: 2, mixed: true, play: func(c *cluster) {
				of := func(k kind) func(*options) {
					if k == ours {
						return tt.ours
					}
					return tt.theirs
				}
				a, b := c.start(c.cast[0], "a", of(c.cast[0])), c.start(c.cast[1], "b", of(c.cast[1]))
				c.assemble(a, b)
				if err := a.setMeta("new", patience); err != nil {
					c.Error(err)
				}
				c.awaitEntry(b, sawUpdate, "a", "new")
				if err := a.sendReliable(b, "hello"); err != nil {
					c.Error(err)
				}
				c.awaitEntry(b, sawMessage, "", "hello")
				c.awaitEntry(a, sawPing, "b", "ack of b")
				c.awaitEntry(b, sawPing, "a", "ack of a")
			}}
			inBubbles(t, s, settingsNamed("plain", "compression"))
			if tt.name == "none-yet" {
				onSockets(t, s, settingsNamed("compression"))
			}
		})
	}
}

// TestGoingOverToEncryption: a cluster begins to encrypt. With neither verification, members with and without a key
// understand each other; with outgoing verification alone, members with a key encrypt and still accept plain text.
func TestGoingOverToEncryption(t *testing.T) {
	lax := func(o *options) { o.key, o.noVerifyIncoming, o.noVerifyOutgoing = key32, true, true }
	sealing := func(o *options) { o.key, o.noVerifyIncoming = key32, true }
	strict := func(o *options) { o.key = key32 }
	none := func(*options) {}
	for _, tt := range []struct {
		name string
		a, b func(*options)
	}{
		{"none-and-lax", none, lax},
		{"lax-and-none", lax, none},
		{"lax-and-sealing", lax, sealing},
		{"sealing-and-lax", sealing, lax},
		{"sealing-and-strict", sealing, strict},
		{"strict-and-sealing", strict, sealing},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := scenario{verb: "talks-to", roles: 2, mixed: true, play: func(c *cluster) {
				a, b := c.start(c.cast[0], "a", tt.a), c.start(c.cast[1], "b", tt.b)
				c.assemble(a, b)
				if err := a.setMeta("new", patience); err != nil {
					c.Error(err)
				}
				c.awaitEntry(b, sawUpdate, "a", "new")
				if err := a.sendReliable(b, "hello"); err != nil {
					c.Error(err)
				}
				c.awaitEntry(b, sawMessage, "", "hello")
				c.awaitEntry(a, sawPing, "b", "ack of b")
				c.awaitEntry(b, sawPing, "a", "ack of a")
			}}
			inBubbles(t, s, settingsNamed("plain", "compression"))
			if tt.name == "sealing-and-strict" {
				onSockets(t, s, settingsNamed("compression"))
			}
		})
	}
}
