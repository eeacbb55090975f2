package memberlist

import (
	"errors"
	"fmt"
	"slices"

	"github.com/e3431adc/memberlist/internal/resolve"
	"github.com/e3431adc/memberlist/internal/sockets"
	"github.com/e3431adc/memberlist/internal/wire"
)

// The conditions that a caller may want to tell apart. Errors that this package returns wrap them where they apply: use
// errors.Is, and never compare texts.
var (
	// ErrShutdown is returned by every method that needs a running member after Shutdown was called.
	ErrShutdown = errors.New("member has been shut down")

	// ErrInvalidConfig is what all violations found by Config.Validate wrap.
	ErrInvalidConfig = errors.New("invalid configuration")

	// ErrInvalidAddress is returned for an address that cannot be parsed: not an IP address where one is needed, no port, no host.
	ErrInvalidAddress = resolve.ErrInvalidAddress

	// ErrNoAdvertiseAddress is returned when no interface has an address that other members could use, and none was given.
	ErrNoAdvertiseAddress = sockets.ErrNoAddress

	// ErrAddressNotAllowed is an address outside Config.CIDRsAllowed.
	ErrAddressNotAllowed = errors.New("address not allowed")

	// ErrNodeNameRequired is returned when Config.RequireNodeNames is set and an address comes without a name.
	ErrNodeNameRequired = errors.New("node name required by configuration but not given")

	// ErrMetaTooLarge is metadata from Delegate.NodeMeta that is longer than MetaMaxSize bytes, or that leaves no room in a
	// packet for the rest of this member's announcement.
	ErrMetaTooLarge = errors.New("node metadata too large")

	// ErrMessageTooLarge is a message that does not fit the packet or stream it should travel in.
	ErrMessageTooLarge = wire.ErrTooLarge

	// ErrMalformed is what a peer sent and cannot be read.
	ErrMalformed = wire.ErrMalformed

	// ErrBusy is a request refused because too many are being served.
	ErrBusy = errors.New("too many requests at once")

	// ErrLabelTooLong is a label of more than LabelMaxSize bytes.
	ErrLabelTooLong = errors.New("label too long")

	// ErrLabelMalformed is a label header that is cut off, or that holds an empty label.
	ErrLabelMalformed = errors.New("malformed label header")

	// ErrLabelMismatch is a packet or stream whose label is neither Config.Label nor one of Config.AcceptLabels.
	ErrLabelMismatch = errors.New("label mismatch")

	// ErrInvalidKey is an encryption key that is not 16, 24 or 32 bytes long.
	ErrInvalidKey = errors.New("key size must be 16, 24 or 32 bytes")

	// ErrKeyNotFound is returned by Keyring.UseKey for a key that is not on the ring.
	ErrKeyNotFound = errors.New("requested key is not in the keyring")

	// ErrDecryptOnlyKey is returned by Keyring.UseKey for a key that was put on the ring with AddDecryptOnlyKey.
	ErrDecryptOnlyKey = errors.New("requested key is for decryption only")

	// ErrPrimaryKey is returned when the primary key is missing where one is needed, or should be removed.
	ErrPrimaryKey = errors.New("primary key required")

	// ErrDecrypt is a message that none of the installed keys opens.
	ErrDecrypt = wire.ErrDecrypt

	// ErrNotEncrypted is a message in plain text where Config.GossipVerifyIncoming asks for an encrypted one.
	ErrNotEncrypted = errors.New("encryption is configured but the message is not encrypted")

	// ErrEncrypted is an encrypted message received by a member that has no keys.
	ErrEncrypted = errors.New("message is encrypted and encryption is not configured")

	// ErrIncompatibleVersion is a cluster whose members speak protocol versions that not all of them understand.
	ErrIncompatibleVersion = errors.New("incompatible protocol version")

	// ErrLeaveTimeout is returned by Leave and LeaveContext when the others could not be told in time. The member has left all the same.
	ErrLeaveTimeout = errors.New("timeout waiting for leave broadcast")

	// ErrUnknownMember is a name that no member has that is known, or that is still remembered.
	ErrUnknownMember = errors.New("unknown member")

	// ErrMemberAlive is returned when a member that is alive or suspect should be removed.
	ErrMemberAlive = errors.New("member is alive")

	// ErrIsSelf is returned when this member itself should be removed (use Leave), and is the outcome of a join address that
	// leads to this member itself, which is skipped.
	ErrIsSelf = errors.New("this is the local member itself")

	// ErrForceLeaveTimeout is returned by ForceLeave when the others could not be told in time. They will be, later.
	ErrForceLeaveTimeout = errors.New("timeout waiting for forced leave broadcast")

	// ErrJoinSatisfied is the outcome of a join address that was not needed any more: JoinRequest.MinJoined others had been
	// joined.
	ErrJoinSatisfied = errors.New("enough others have been joined")

	// ErrJoinRejected is a peer that was reached by Join or JoinContext and will not have this member, as fast as it says so.
	// It wraps what is known of the reason: ErrLabelMismatch is another label, ErrDecrypt another key, ErrNotEncrypted a peer
	// without encryption, ErrEncrypted a peer with encryption that this member lacks, a RemoteError what else the peer
	// answers, as when its MergeDelegate refuses. If it wraps none of them, the peer closed the stream without an answer, as
	// members of the reference do for another label, and any member that has too many streams open or whose CIDRsAllowed
	// has not the address.
	ErrJoinRejected = errors.New("peer rejected the join")

	// ErrNameTaken is returned by Join and JoinContext when a member that was alone has reached a cluster in which another member
	// has its name, and answers. This one is not taken for a member then. Join does not return it if that other member is all
	// that there is.
	ErrNameTaken = errors.New("name is taken by another member")

	// ErrUpdateTimeout is returned by UpdateNode, UpdateNodeContext and SetAdvertiseAddr when the others could not be told in time. They will be, later.
	ErrUpdateTimeout = errors.New("timeout waiting for update broadcast")
)

// Arguments that are nil where something is needed.
var (
	errNilConfig = fmt.Errorf("%w: it is nil", ErrInvalidConfig)
	errNilNode   = fmt.Errorf("%w: the node is nil", ErrInvalidAddress)
	errNilAddr   = fmt.Errorf("%w: it is nil", ErrInvalidAddress)
)

// NoPingResponseError is returned by Memberlist.Ping when the ping was sent and no answer came within
// Config.ProbeTimeout.
type NoPingResponseError struct {
	node string
}

// Error names the member that did not answer.
func (e NoPingResponseError) Error() string {
	return "No response from node " + e.node
}

// RemoteError is what a peer answered to a request on a stream instead of a
// reply: why it refuses.
type RemoteError struct {
	Text string // as the peer wrote it
}

// Error says that the text is the peer's.
func (e *RemoteError) Error() string { return "remote error: " + e.Text }

// Is finds ErrLabelMismatch, ErrDecrypt, ErrNotEncrypted and ErrEncrypted if that is what the peer, a member of this
// package, says of the request.
func (e *RemoteError) Is(target error) bool {
	return slices.Contains(refusals, target) && e.Text == target.Error()
}

// refusals are what a peer is told by its text alone, so that it can tell them apart.
var refusals = []error{ErrLabelMismatch, ErrDecrypt, ErrNotEncrypted, ErrEncrypted, errMistaken}

// refusalText is what a peer is told of an error.
func refusalText(err error) string {
	for _, refusal := range refusals {
		if errors.Is(err, refusal) {
			return refusal.Error()
		}
	}
	return err.Error()
}

// errNoAnswer is a peer that closed a stream without an answer to the request.
var errNoAnswer = errors.New("stream closed without an answer, as for another label, an address that is not allowed, or too many streams")

// rejection is err as ErrJoinRejected, if it comes from what the peer answered to a join, or did not answer.
func rejection(err error) error {
	var remote *RemoteError
	isErr := func(why error) bool { return errors.Is(err, why) }
	if errors.As(err, &remote) || isErr(errNoAnswer) || slices.ContainsFunc(refusals, isErr) {
		return fmt.Errorf("%w: %w", ErrJoinRejected, err)
	}
	return err
}
