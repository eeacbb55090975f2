package tcptransport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
)

// kind is what a connection is for.
type kind byte

const (
	kindPackets kind = 1
	kindStream  kind = 2
)

// protocol returns the ALPN protocol of connections of a kind.
func (k kind) protocol() string {
	if k == kindPackets {
		return "memberlist-packets/1"
	}
	return "memberlist-stream/1"
}

// verdict is the answer to an opening.
type verdict byte

const (
	accepted verdict = iota
	refusedPlain
	refusedVersion
	refusedMalformed
	refusedPeer
	refusedTLS

	incomplete verdict = 255 // not sent: there is no whole opening
)

const (
	magic         = "mlst"
	version       = 1
	openingHeader = 12  // bytes before the address
	maxName       = 512 // bytes, as of a member
	replySize     = 8   // more than the header of a TLS record, so that a TLS client reads all of that
	recordTLS     = 22  // type of the first record of a TLS client
)

// Errors of openings and replies.
var (
	errMagic     = errors.New("no opening of package tcptransport")
	errVersion   = errors.New("unknown version")
	errMalformed = errors.New("malformed opening")
)

// opening is the first message on a connection: its kind, and the advertised address and the name of the member that dials. The address
// is invalid if it is not known yet.
type opening struct {
	kind   kind
	addr   netip.AddrPort
	name   string
	silent bool // the peer did not answer on the former connections: that of the other direction may be half-open too
}

// append appends the bytes of an opening.
func (o *opening) append(b []byte) []byte {
	ip := o.addr.Addr().Unmap().AsSlice()
	b = append(b, magic...)
	b = append(b, version, byte(o.kind))
	b = binary.BigEndian.AppendUint16(b, uint16(len(o.name)))
	b = append(b, byte(len(ip)), 0)
	if o.silent {
		b[len(b)-1] = 1
	}
	b = binary.BigEndian.AppendUint16(b, o.addr.Port())
	b = append(b, ip...)
	return append(b, o.name...)
}

// readOpening reads an opening, and no byte more.
func readOpening(r io.Reader) (opening, error) {
	var header [openingHeader]byte
	if _, err := io.ReadFull(r, header[:1]); err != nil {
		return opening{}, err
	}
	if header[0] != magic[0] { // what is shorter than an opening may be all that comes
		return opening{}, notOpening(header[0])
	}
	if _, err := io.ReadFull(r, header[1:]); err != nil {
		return opening{}, err
	}
	switch {
	case string(header[:4]) != magic:
		return opening{}, notOpening(header[0])
	case header[4] != version:
		return opening{}, fmt.Errorf("%w: %d", errVersion, header[4])
	}
	o := opening{kind: kind(header[5]), silent: header[9] == 1}
	name, ip := int(binary.BigEndian.Uint16(header[6:])), int(header[8])
	if o.kind != kindPackets && o.kind != kindStream || name > maxName || ip != 0 && ip != 4 && ip != 16 || header[9] > 1 {
		return opening{}, errMalformed
	}
	var rest [16 + maxName]byte
	if _, err := io.ReadFull(r, rest[:ip+name]); err != nil {
		return opening{}, err
	}
	if addr, ok := netip.AddrFromSlice(rest[:ip]); ok {
		o.addr = netip.AddrPortFrom(addr.Unmap(), binary.BigEndian.Uint16(header[10:]))
	}
	o.name = string(rest[ip : ip+name])
	return o, nil
}

// notOpening returns the error for bytes that begin with first.
func notOpening(first byte) error {
	if first == recordTLS {
		return errTLSRecord
	}
	return errMagic
}

// errTLSRecord is returned for a TLS record in place of an opening.
var errTLSRecord = errors.New("peer uses TLS, and this member does not")

// refusalOf returns the verdict that belongs to an error of readOpening.
func refusalOf(err error) verdict {
	switch {
	case err == nil:
		return accepted
	case errors.Is(err, errTLSRecord):
		return refusedTLS
	case errors.Is(err, errVersion):
		return refusedVersion
	case errors.Is(err, errMagic), errors.Is(err, errMalformed):
		return refusedMalformed
	default:
		return incomplete
	}
}

// appendReply appends the answer to an opening.
func appendReply(b []byte, v verdict) []byte {
	return append(append(b, magic...), version, byte(v), 0, 0)
}

// parseReply returns the verdict in a reply, of which the first bytes suffice to recognise it.
func parseReply(b []byte) (verdict, error) {
	if len(b) < 5 || string(b[:4]) != magic {
		return 0, fmt.Errorf("%w: it answered % x", ErrProtocol, b)
	}
	if len(b) < replySize {
		return 0, nil
	}
	return verdict(b[5]), nil
}

// readReply reads the answer to an opening.
func readReply(r io.Reader) (verdict, error) {
	var b [replySize]byte
	n, err := io.ReadFull(r, b[:])
	if err != nil {
		if n > 0 && b[0] != magic[0] {
			return 0, fmt.Errorf("%w: it answered % x", ErrProtocol, b[:n])
		}
		return 0, err
	}
	return parseReply(b[:])
}
