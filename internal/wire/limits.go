package wire

// Limits of packets.
const (
	// MaxPacket bounds, in bytes, a packet, the sum of all bytes decompressed from one, and the sum of all message
	// bodies in one, unless Unpacker.Limit is more. UDP carries no more.
	//
	// Compat: the reference lets each compressed message of a packet grow to 40 MiB, so that a forged packet of 64
	// KiB costs a node gigabytes. Of the packets that it sends, only a user message of more than 64 KiB that shrinks
	// below that is lost.
	MaxPacket = 64 << 10

	// MaxPacketDepth is the maximum nesting of compound and compress layers in a packet. Peers send two.
	//
	// Compat: the reference has no bound.
	MaxPacketDepth = 4

	// MaxPacketMessages is the maximum number of messages in a packet, compounds and compressed ones included: about
	// four full compounds.
	MaxPacketMessages = 1024

	// MaxCompoundParts is the maximum number of messages in a compound: its count is one byte.
	MaxCompoundParts = 255

	// MaxCompoundPart is the size in bytes of the largest message in a compound: its length is a uint16.
	MaxCompoundPart = 65535

	// CompoundHeaderSize is the size in bytes of a compound's type and count.
	CompoundHeaderSize = 2

	// CompoundPartOverhead is the size in bytes of the length of a part.
	CompoundPartOverhead = 2

	// ChecksumSize is the size in bytes of a checksum: its type and the CRC-32.
	ChecksumSize = 5

	// MaxLabel is the longest label, in bytes: its length is one byte.
	MaxLabel = 255

	// labelHeaderSize is the type and the length in front of a label.
	labelHeaderSize = 2
)

// Limits of streams.
const (
	// MaxSealedFrame is the largest sealed frame, in bytes after its header, that is read.
	MaxSealedFrame = 20 << 20

	// SealedFrameHeader is the size in bytes of a sealed frame's header: its type and its length.
	SealedFrameHeader = 5

	// MaxStreamPlain bounds, in bytes, a compressed stream message, both as it arrives and decompressed.
	MaxStreamPlain = 40 << 20

	// MaxStreamValue bounds, in bytes, each single msgpack value read from a stream: a header, one member's state, an
	// error's text.
	//
	// Compat: the reference has no bound. Its own values are far smaller, as it allows 512 bytes of metadata.
	MaxStreamValue = 64 << 10

	// MaxPushPullNodes is the maximum number of member states in a push/pull.
	MaxPushPullNodes = 1 << 20

	// MaxPushPullHashes is the maximum number of hashes of 4 bytes in a push/pull: two for each member.
	MaxPushPullHashes = 2 * MaxPushPullNodes

	// MaxUserState is the largest user state of a push/pull, in bytes.
	MaxUserState = 20 << 20

	// MaxUserMessage is the largest user message on a stream, in bytes.
	MaxUserMessage = 20 << 20

	// streamBuffer is the initial buffer of a stream reader, in bytes. It quadruples as bytes arrive, and doubles
	// above littleMemory.
	streamBuffer = 4 << 10
	littleMemory = 256 << 10

	// inflaterSize is the size of a Decompressor in bytes, about.
	inflaterSize = 17 << 10

	// maxEmptyReads is the number of reads without bytes and without an error after which a reader counts as broken.
	maxEmptyReads = 100

	// maxStreamKept is the size in bytes up to which each of the two buffers of a stream reader is kept for another
	// stream: enough for the states of some 40,000 members.
	maxStreamKept = 4 << 20
)

// Limits of msgpack values, on packets and streams.
const (
	// maxValueDepth is the depth at which nested msgpack containers are refused. Known messages have a depth of one.
	//
	// Compat: the reference accepts up to 1023, in values of unknown keys.
	maxValueDepth = 32

	// maxFallback bounds, in bytes, the input of the general decoder.
	maxFallback = MaxPacket
)

// Limits of memory that is kept between calls.
const (
	// minNameSlots and maxNameSlots bound the number of strings in a Names. It grows while fewer than nameCost
	// lookups succeed for each string that replaces another.
	minNameSlots = 64
	maxNameSlots = 8192
	nameCost     = 16

	// maxName is the longest string, in bytes, that a Names keeps; so it never holds more than 2 MiB.
	maxName = 256
)
