package wire

// Features are the optional layers of packets and streams that a receiver is known to read.
type Features uint8

// The features.
const (
	FeatureChecksum Features = 1 << iota // a checksum around the message in a packet
	FeatureSnappy                        // compress messages with Snappy
)

// Has reports whether all of the features are among f.
func (f Features) Has(features Features) bool { return f&features == features }
