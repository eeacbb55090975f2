package envelope

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// TestLabels: the results of receiving each label under each policy, on packets and streams, sealed or not.
func TestLabels(t *testing.T) {
	accepting := func(p *Policy) { p.Label, p.AcceptLabels = "blue", []string{"green", "", "blue"} }
	for _, tt := range []struct {
		name   string
		change func(*Policy)
		label  string
		ok     bool
	}{
		{"own", func(p *Policy) { p.Label = "blue" }, "blue", true},
		{"none to one with a label", func(p *Policy) { p.Label = "blue" }, "", false},
		{"another", func(p *Policy) { p.Label = "blue" }, "green", false},
		{"a label to one without", func(*Policy) {}, "blue", false},
		{"own among others", accepting, "blue", true},
		{"an accepted one", accepting, "green", true},
		{"none, which is accepted", accepting, "", true},
		{"one that is not accepted", accepting, "red", false},
		{"loose, any", func(p *Policy) { p.LooseLabels = true }, "red", true},
		{"loose, own", func(p *Policy) { p.LooseLabels, p.Label = true, "blue" }, "blue", true},
		{"loose, another", func(p *Policy) { p.LooseLabels, p.Label = true, "blue" }, "red", true},
	} {
		for _, keys := range [][][]byte{nil, {testKeyA}} {
			t.Run(tt.name, func(t *testing.T) {
				to := newTest(t, testRing(t, keys...), tt.change)
				from := newTest(t, testRing(t, keys...), func(p *Policy) { p.Label = tt.label })
				check := func(what string, err error) {
					t.Helper()
					if (err == nil) != tt.ok || !tt.ok && (!errors.Is(err, ErrLabelMismatch) || !IsLabelError(err)) {
						t.Errorf("%s: got error %v", what, err)
					}
				}
				_, err := to.Open(new(Opener), from.Wrap(new(Packer), message, 0), time.Now(), testFrom)
				check("packet", err)
				var stream, reply bytes.Buffer
				if _, err := from.WriteRequest(&stream, message, 0); err != nil {
					t.Fatal(err)
				}
				_, label, err := to.ReadRequest(wire.NewStreamReader(&stream, nil), testFrom)
				check("stream", err)
				// The peer can read the answer in any case.
				if _, err := to.WriteReply(&reply, label, message, 0); err != nil {
					t.Fatal(err)
				}
				if kind, err := from.ReadReply(wire.NewStreamReader(&reply, nil), testFrom); err != nil || kind != wire.TypeUser {
					t.Errorf("reply: got %v, %v", kind, err)
				}
			})
		}
	}
}

// TestLooseOwnLabel: no label stands for the own one, also in authenticated data.
func TestLooseOwnLabel(t *testing.T) {
	to := newTest(t, testRing(t, testKeyA), func(p *Policy) { p.Label, p.LooseLabels = "blue", true })
	packet := to.Wrap(new(Packer), message, 0)
	_, bare, err := wire.CutLabel(packet)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := to.Open(new(Opener), bare, time.Now(), testFrom); err != nil {
		t.Error(err)
	}
}

func TestMalformedLabels(t *testing.T) {
	e := newTest(t, nil, func(p *Policy) { p.Label = "blue" })
	for _, b := range [][]byte{{byte(wire.TypeLabel), 0, 'x'}, {byte(wire.TypeLabel), 5, 'b', 'l', 'u', 'e'}} {
		if _, err := e.Open(new(Opener), b, time.Now(), testFrom); !IsLabelError(err) || errors.Is(err, ErrLabelMismatch) {
			t.Errorf("packet %v: got error %v", b, err)
		}
		if _, label, err := e.ReadRequest(wire.NewStreamReader(bytes.NewReader(b), nil), testFrom); err == nil || label != e.OwnLabel() {
			t.Errorf("stream %v: got error %v, label %v", b, err, label)
		}
	}
	if _, err := New(&Policy{Label: string(make([]byte, wire.MaxLabel+1))}, nil); err == nil {
		t.Error("no error for a label that is too long")
	}
}

// TestPolicyIsCopied: a change of AcceptLabels by the caller has no effect.
func TestPolicyIsCopied(t *testing.T) {
	accept := []string{"green"}
	e := newTest(t, nil, func(p *Policy) { p.Label, p.AcceptLabels = "blue", accept })
	accept[0] = "red"
	for label, ok := range map[string]bool{"green": true, "red": false} {
		from := newTest(t, nil, func(p *Policy) { p.Label = label })
		if _, err := e.Open(new(Opener), from.Wrap(new(Packer), message, 0), time.Now(), testFrom); (err == nil) != ok {
			t.Errorf("%s: got error %v", label, err)
		}
	}
}

func TestLabelUsage(t *testing.T) {
	if got := newTest(t, nil, nil).LabelUsage(); got != nil {
		t.Errorf("one label: got %v, want nothing counted", got)
	}
	to := newTest(t, nil, func(p *Policy) { p.Label, p.AcceptLabels = "blue", []string{"green"} })
	from := newTest(t, nil, func(p *Policy) { p.Label = "green" })
	at := time.Unix(1000, 0)
	if _, err := to.Open(new(Opener), from.Wrap(new(Packer), message, 0), at, testFrom); err != nil {
		t.Fatal(err)
	}
	var stream bytes.Buffer
	if _, err := from.WriteRequest(&stream, message, 0); err != nil {
		t.Fatal(err)
	}
	if _, _, err := to.ReadRequest(wire.NewStreamReader(&stream, nil), Source{Text: "m1"}); err != nil {
		t.Fatal(err)
	}
	got := to.LabelUsage()
	if len(got) != 2 || got[0].Label != "blue" || got[0].Usage != (Usage{}) || got[1].Label != "green" ||
		got[1].Usage.Packets != 1 || got[1].Usage.Streams != 1 || got[1].Usage.LastFrom != "m1" {
		t.Errorf("got %+v", got)
	}
}
