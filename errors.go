package memberlist

import (
	"errors"
	"fmt"
	"slices"

	"github.com/e3431adc/memberlist/internal/envelope"
	"github.com/e3431adc/memberlist/internal/resolve"
	"github.com/e3431adc/memberlist/internal/sockets"
	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/visitor"
	"github.com/e3431adc/memberlist/internal/wire"
)

// Errors that callers may want to distinguish. Use errors.Is: the errors that this package returns wrap them.
var (
	// ErrShutdown is returned by every method that needs a running member, after Shutdown was called.
	ErrShutdown = errors.New("member has been shut down")

	// ErrNoRecorder is returned by WriteRecording if Config.Recorder is not set.
	ErrNoRecorder = errors.New("there is no recorder")

	// ErrInvalidConfig is wrapped by all errors of Config.Validate.
	ErrInvalidConfig = errors.New("invalid configuration")

	// ErrInvalidAddress is returned for an address that cannot be parsed: not an IP address where one is needed, no port, no host.
	ErrInvalidAddress = resolve.ErrInvalidAddress

	// ErrNoAdvertiseAddress is returned when AdvertiseAddr is empty and no interface has an address that other
	// members could use.
	ErrNoAdvertiseAddress = sockets.ErrNoAddress

	// ErrAddressNotAllowed is returned for an address outside Config.CIDRsAllowed.
	ErrAddressNotAllowed = errors.New("address not allowed")

	// ErrNodeNameRequired is returned for an address without a name, if Config.RequireNodeNames is set.
	ErrNodeNameRequired = errors.New("node name required by configuration but not given")

	// ErrMetaTooLarge is returned for metadata from Delegate.NodeMeta that is longer than MetaMaxSize bytes, or that
	// leaves no room in a packet for the rest of the alive message.
	ErrMetaTooLarge = errors.New("node metadata too large")

	// ErrMessageTooLarge is returned for a message that does not fit a packet or stream.
	ErrMessageTooLarge = wire.ErrTooLarge

	// ErrMalformed is returned when a message from a peer cannot be decoded.
	ErrMalformed = wire.ErrMalformed

	// ErrBusy is returned for a request that is refused because too many are being served.
	ErrBusy = errors.New("too many requests at once")

	// ErrLabelTooLong is returned for a label of more than LabelMaxSize bytes.
	ErrLabelTooLong = errors.New("label too long")

	// ErrLabelMalformed is returned for a label header that is truncated or has an empty label.
	ErrLabelMalformed = errors.New("malformed label header")

	// ErrLabelMismatch is returned for a packet or stream whose label is neither Config.Label nor one of
	// Config.AcceptLabels.
	ErrLabelMismatch = envelope.ErrLabelMismatch

	// ErrInvalidKey is returned for an encryption key that is not 16, 24 or 32 bytes long.
	ErrInvalidKey = errors.New("key size must be 16, 24 or 32 bytes")

	// ErrKeyNotFound is returned by Keyring.UseKey for a key that is not on the keyring.
	ErrKeyNotFound = errors.New("requested key is not in the keyring")

	// ErrDecryptOnlyKey is returned by Keyring.UseKey for a key that was added by AddDecryptOnlyKey.
	ErrDecryptOnlyKey = errors.New("requested key is for decryption only")

	// ErrPrimaryKey is returned when a keyring has keys and no primary key, and when the primary key is to be
	// removed.
	ErrPrimaryKey = errors.New("primary key required")

	// ErrDecrypt is returned when no installed key decrypts a message.
	ErrDecrypt = wire.ErrDecrypt

	// ErrNotEncrypted is returned for a message in plain text if there are keys and Config.GossipVerifyIncoming is
	// set.
	ErrNotEncrypted = envelope.ErrNotEncrypted

	// ErrEncrypted is returned for an encrypted message if there are no keys.
	ErrEncrypted = envelope.ErrEncrypted

	// ErrIncompatibleVersion is returned when the protocol or delegate versions of two members are incompatible.
	ErrIncompatibleVersion = swim.ErrIncompatibleVersion

	// ErrIncarnationExhausted is returned by UpdateNode, SetAdvertiseAddr and their variants when this member cannot announce anything
	// new, because its incarnation number is the last there is. Nothing has changed then. Only a forged message makes a number rise
	// that high; the others accept the member again under another name, or once all of them have forgotten it.
	ErrIncarnationExhausted = errors.New("the last incarnation number is in use")

	// ErrLeaveTimeout is returned by Leave and LeaveContext when the time was up before the broadcast was sent. The
	// member has left all the same.
	ErrLeaveTimeout = errors.New("timeout waiting for leave broadcast")

	// ErrUnknownMember is returned when no member of that name is known.
	ErrUnknownMember = errors.New("unknown member")

	// ErrMemberAlive is returned when a member that is alive or suspect is to be removed.
	ErrMemberAlive = errors.New("member is alive")

	// ErrIsSelf is returned when this member itself is to be removed (use Leave). It is also the result of a join
	// address of this member itself, which is skipped.
	ErrIsSelf = errors.New("this is the local member itself")

	// ErrForceLeaveTimeout is returned by ForceLeave when the time was up before the broadcast was sent. It will be
	// sent later.
	ErrForceLeaveTimeout = errors.New("timeout waiting for forced leave broadcast")

	// ErrJoinSatisfied is the result of a join address that was skipped because JoinRequest.MinJoined members had
	// been joined.
	ErrJoinSatisfied = errors.New("enough others have been joined")

	// ErrJoinRejected is returned by Join and JoinContext when a peer was reached and refused the join. It wraps the
	// reason: ErrLabelMismatch for another label, ErrDecrypt for another key, ErrNotEncrypted if the peer has no
	// keys, ErrEncrypted if this member has none, ErrNoAnswer, or a RemoteError with the peer's text, for example of its
	// MergeDelegate.
	ErrJoinRejected = errors.New("peer rejected the join")

	// ErrNameTaken is returned by Join and JoinContext when a member that knew no others has reached a cluster in
	// which another member has its name, and acks. The cluster does not accept it then. It is not returned if that
	// other member is the whole cluster.
	ErrNameTaken = errors.New("name is taken by another member")

	// ErrNoAnswer is returned when a peer closes a stream without a reply. Members of the reference do so for another
	// label, and any member with too many open streams or whose CIDRsAllowed do not contain the address.
	ErrNoAnswer = visitor.ErrNoAnswer

	// ErrUpdateTimeout is returned by UpdateNode, UpdateNodeContext and SetAdvertiseAddr when the time was up before
	// the broadcast was sent. It will be sent later.
	ErrUpdateTimeout = errors.New("timeout waiting for update broadcast")
)

// Errors for nil arguments.
var (
	errNilConfig = fmt.Errorf("%w: it is nil", ErrInvalidConfig)
	errNilNode   = fmt.Errorf("%w: the node is nil", ErrInvalidAddress)
	errNilAddr   = fmt.Errorf("%w: it is nil", ErrInvalidAddress)
)

// NoPingResponseError is returned by Memberlist.Ping when no ack arrived within Config.ProbeTimeout.
type NoPingResponseError struct {
	node string
}

// Error returns a text with the name of the member.
func (e NoPingResponseError) Error() string {
	return "No response from node " + e.node
}

// RemoteError is returned when a peer answered a request on a stream with an error.
type RemoteError struct {
	Text string // as the peer wrote it
}

// Error returns the peer's text with a prefix.
func (e *RemoteError) Error() string { return "remote error: " + e.Text }

// Is reports whether the peer, a member of this package, sent one of ErrLabelMismatch, ErrDecrypt, ErrNotEncrypted
// and ErrEncrypted.
func (e *RemoteError) Is(target error) bool {
	return slices.Contains(refusals, target) && e.Text == target.Error()
}

// refusals are errors that are sent as their text alone, so that peers can recognise them.
var refusals = []error{ErrLabelMismatch, ErrDecrypt, ErrNotEncrypted, ErrEncrypted, swim.ErrMistaken}

// refusalText returns the text of an error for a peer.
func refusalText(err error) string {
	for _, refusal := range refusals {
		if errors.Is(err, refusal) {
			return refusal.Error()
		}
	}
	return err.Error()
}

// errOtherName is that of a message in the name of a member other than the one that the transport has verified.
var errOtherName = errors.New("sender is another member")

// rejection wraps err in ErrJoinRejected, if it stems from the peer's reply to a join, or from a missing one.
func rejection(err error) error {
	var remote *RemoteError
	isErr := func(why error) bool { return errors.Is(err, why) }
	if errors.As(err, &remote) || isErr(ErrNoAnswer) || slices.ContainsFunc(refusals, isErr) {
		return fmt.Errorf("%w: %w", ErrJoinRejected, err)
	}
	return err
}
