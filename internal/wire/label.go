package wire

import "fmt"

// LabelOverhead returns the size in bytes of the header of label; of an empty one, 0.
func LabelOverhead(label string) int {
	if label == "" {
		return 0
	}
	return labelHeaderSize + len(label)
}

// AppendLabel appends the header of label to dst; an empty label has none. If label is longer than MaxLabel it
// returns dst unchanged and ErrLabel.
func AppendLabel(dst []byte, label string) ([]byte, error) {
	if label == "" {
		return dst, nil
	}
	if len(label) > MaxLabel {
		return dst, fmt.Errorf("%w: %d bytes, the limit is %d", ErrLabel, len(label), MaxLabel)
	}
	dst = append(dst, byte(TypeLabel), byte(len(label)))
	return append(dst, label...), nil
}

// HasLabel reports whether packet begins with a label header.
func HasLabel(packet []byte) bool {
	return len(packet) > 0 && Type(packet[0]) == TypeLabel
}

// CutLabel splits packet into its label, nil if there is none, and the rest; both are views. The caller must refuse a
// rest with a second header. The error is ErrLabel if the header is cut off or the label is empty.
func CutLabel(packet []byte) (label, rest []byte, err error) {
	if !HasLabel(packet) {
		return nil, packet, nil
	}
	if len(packet) < labelHeaderSize {
		return nil, nil, fmt.Errorf("%w: %w", ErrLabel, ErrTruncated)
	}
	end := labelHeaderSize + int(packet[1])
	if end == labelHeaderSize {
		return nil, nil, fmt.Errorf("%w: empty", ErrLabel)
	}
	if len(packet) < end {
		return nil, nil, fmt.Errorf("%w: %w", ErrLabel, ErrTruncated)
	}
	return packet[labelHeaderSize:end:end], packet[end:], nil
}
