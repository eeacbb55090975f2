package envelope

import (
	"errors"
	"fmt"
	"slices"

	"github.com/e3431adc/memberlist/internal/wire"
)

// Label is a label under which packets and streams are accepted.
type Label struct {
	text  string
	bytes []byte        // the same, as authenticated data
	usage *usageCounter // nil: not counted

	refused bool // it is not accepted
}

// acceptedLabels returns the labels that a policy accepts, this member's own first. They are counted if there are several.
func acceptedLabels(p *Policy) []Label {
	labels := []Label{{text: p.Label, bytes: []byte(p.Label)}}
	if p.LooseLabels {
		return labels
	}
	for _, text := range p.AcceptLabels {
		if !slices.ContainsFunc(labels, func(l Label) bool { return l.text == text }) {
			labels = append(labels, Label{text: text, bytes: []byte(text)})
		}
	}
	if len(labels) > 1 {
		for i := range labels {
			labels[i].usage = new(usageCounter)
		}
	}
	return labels
}

// OwnLabel returns the label under which this member sends.
func (e *Envelope) OwnLabel() *Label { return &e.labels[0] }

// accept returns the label of a packet or stream, empty for none, if it is accepted; else ErrLabelMismatch. With
// LooseLabels no label stands for this member's own, which the transport may have removed, and all others are accepted:
// encrypted content is authenticated with the label that it came with. The text may be part of a packet.
//
// Compat: with SkipInboundLabelCheck the reference refuses every label; github.com/grafana/memberlist accepts all.
func (e *Envelope) accept(text []byte) (*Label, error) {
	for i := range e.labels {
		if string(text) == e.labels[i].text {
			return &e.labels[i], nil
		}
	}
	switch {
	case !e.policy.LooseLabels:
		return nil, fmt.Errorf("%w: %q", ErrLabelMismatch, text)
	case len(text) == 0:
		return e.OwnLabel(), nil
	default:
		return &Label{text: string(text), bytes: text}, nil
	}
}

// IsLabelError reports whether a packet or stream was refused because of its label.
func IsLabelError(err error) bool {
	return errors.Is(err, ErrLabelMismatch) || errors.Is(err, wire.ErrLabel)
}

// LabelUsage is the usage of a label by others.
type LabelUsage struct {
	Label string
	Usage Usage
}

// LabelUsage returns the usage of the accepted labels; none if there is only this member's own.
func (e *Envelope) LabelUsage() []LabelUsage {
	var usages []LabelUsage
	for i := range e.labels {
		if l := &e.labels[i]; l.usage != nil {
			usages = append(usages, LabelUsage{Label: l.text, Usage: l.usage.snapshot()})
		}
	}
	return usages
}
