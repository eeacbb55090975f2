package wire

// Limits of packets.
const (
	// MaxPacket bounds, in bytes, a packet, the sum of all that is decompressed from one, and the sum of all message
	// bodies that one yields, unless Unpacker.Limit is more. UDP carries no more.
	//
	// Compat: the reference lets each compressed message of a packet grow to 40 MiB, so that a forged packet of 64 KiB
	// costs a node gigabytes. Of what it sends itself, only a user message of more than 64 KiB that shrinks below that
	// is lost.
	MaxPacket = 64 << 10

	// MaxPacketDepth bounds how many compound and compress layers may be nested in one packet. Peers send two.
	//
	// Compat: the reference has no bound.
	MaxPacketDepth = 4

	// MaxPacketMessages bounds how many messages, compounds and compressed ones included, one packet may hold: some
	// four full compounds.
	MaxPacketMessages = 1024

	// MaxCompoundParts is how many messages fit in one compound: its count is one byte.
	MaxCompoundParts = 255

	// MaxCompoundPart is the size in bytes of the largest message that fits in a compound: its length is a uint16.
	MaxCompoundPart = 65535

	// CompoundHeaderSize is what a compound costs in bytes: its type and its count.
	CompoundHeaderSize = 2

	// CompoundPartOverhead is what each message in a compound costs in bytes, besides its own: its length.
	CompoundPartOverhead = 2

	// ChecksumSize is what a checksum costs in bytes: its type and the CRC-32.
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

	// SealedFrameHeader is what goes before a sealed frame, in bytes: its type and its length.
	SealedFrameHeader = 5

	// MaxStreamPlain bounds, in bytes, a compressed stream message, both as it arrives and decompressed.
	MaxStreamPlain = 40 << 20

	// MaxStreamValue bounds, in bytes, each single msgpack value read from a stream: a header, one member's state,
	// an error's text.
	//
	// Compat: the reference has no bound. What it sends is far below, as it allows 512 bytes of meta.
	MaxStreamValue = 64 << 10

	// MaxPushPullNodes is how many members' states one push/pull may carry.
	MaxPushPullNodes = 1 << 20

	// MaxUserState is the largest user state of a push/pull, in bytes.
	MaxUserState = 20 << 20

	// MaxUserMessage is the largest user message on a stream, in bytes.
	MaxUserMessage = 20 << 20

	// streamBuffer is what a stream reader starts with, in bytes. It quadruples as bytes arrive, and doubles above
	// littleMemory.
	streamBuffer = 4 << 10
	littleMemory = 256 << 10

	// maxEmptyReads is how often a reader may return nothing, and no error, before it counts as broken.
	maxEmptyReads = 100

	// maxStreamKept is how large, in bytes, each of the two buffers of a stream reader may be to be used for another stream:
	// enough for the states of some 40,000 members.
	maxStreamKept = 4 << 20
)

// Limits of msgpack values, on packets and streams.
const (
	// maxValueDepth bounds how deep msgpack containers may be nested: this many are refused. Known messages have one.
	//
	// Compat: the reference takes up to 1023, in values of keys that it does not know.
	maxValueDepth = 32

	// maxFallback bounds, in bytes, what is handed to the general decoder.
	maxFallback = MaxPacket
)

// Limits of what is kept between calls.
const (
	// minNameSlots and maxNameSlots are how many strings a Names remembers: more as long as, of those it is asked for, less
	// than nameCost are found for each that takes the place of another.
	minNameSlots = 64
	maxNameSlots = 8192
	nameCost     = 16

	// maxName is the longest string, in bytes, that a Names remembers; so it never holds more than 2 MiB.
	maxName = 256
)
