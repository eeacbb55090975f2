package wire

// Features are what is known of a receiver: the optional layers of packets and streams that it reads, and where it is.
type Features uint8

// The features.
const (
	FeatureChecksum Features = 1 << iota // a checksum around the message in a packet
	FeatureSnappy                        // compress messages with Snappy
	FeatureSameZone                      // it is in the sender's zone; what others are sent is counted
)

// Has reports whether all of the features are among f.
func (f Features) Has(features Features) bool { return f&features == features }
