package wire

import "fmt"

// LabelOverhead returns what label costs at the front of a packet, in bytes. None costs nothing.
func LabelOverhead(label string) int {
	if label == "" {
		return 0
	}
	return labelHeaderSize + len(label)
}

// AppendLabel appends the header of label to dst; for an empty label there is none. The error is ErrLabel if label is
// longer than MaxLabel; dst is then returned as it was.
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

// CutLabel takes the label header off packet: label, nil if there is none, and rest are views. A rest that has another
// header is for the caller to refuse. The error is ErrLabel if the header is cut off or the label empty.
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
