package tcptransport

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
)

// Errors of connections, for errors.Is. Those of Transport's methods wrap them, and what package net or crypto/tls returned.
var (
	// ErrTLSRequired is returned when the peer requires TLS, and this transport does not use it.
	ErrTLSRequired = errors.New("peer requires TLS")

	// ErrNotTLS is returned when the peer does not use TLS, and this transport requires it.
	ErrNotTLS = errors.New("peer does not use TLS")

	// ErrPeerCertificate is returned when the certificate of the peer is not accepted: it was not issued by the CA, is not valid now, or
	// was refused by Config.VerifyPeer.
	ErrPeerCertificate = errors.New("certificate of the peer is not accepted")

	// ErrCertificateRefused is returned when the peer does not accept the certificate of this member, or requires one and there is none.
	ErrCertificateRefused = errors.New("peer does not accept the certificate of this member")

	// ErrProtocol is returned when what listens at the address is no Transport of this package, or one of another version.
	ErrProtocol = errors.New("peer does not speak the protocol of package tcptransport")
)

// errNoReply is returned when the peer closes the connection before it has accepted it.
var errNoReply = errors.New("peer closed the connection without a reply: it has too many, or does not speak the protocol of package tcptransport")

// errNoName is returned for a peer that does not tell its name though Config.VerifyPeer is set.
var errNoName = errors.New("peer does not tell its name")

// verdictError returns the error for the verdict of a peer.
func verdictError(v verdict) error {
	switch v {
	case accepted:
		return nil
	case refusedPlain:
		return ErrTLSRequired
	case refusedTLS:
		return ErrNotTLS
	case refusedPeer:
		return ErrCertificateRefused
	default:
		return fmt.Errorf("%w: verdict %d", ErrProtocol, v)
	}
}

// handshakeError says what an error of the TLS handshake of a connection that this member dialled means.
func handshakeError(err error) error {
	var record tls.RecordHeaderError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(err, ErrPeerCertificate):
		return err
	case errors.As(err, &record):
		if _, parseErr := parseReply(record.RecordHeader[:]); parseErr == nil {
			return fmt.Errorf("%w: %w", ErrNotTLS, err)
		}
		return fmt.Errorf("%w: %w", ErrProtocol, err)
	case errors.As(err, &certificate):
		return fmt.Errorf("%w: %w", ErrPeerCertificate, err)
	case isAlert(err):
		return fmt.Errorf("%w: %w", ErrCertificateRefused, err)
	default:
		return err
	}
}

// replyError says what an error of reading the reply to the opening means. With TLS 1.3 the peer judges the certificate after this
// side's handshake is complete.
func replyError(err error, secure bool) error {
	switch {
	case secure && isAlert(err):
		return fmt.Errorf("%w: %w", ErrCertificateRefused, err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: %w", errNoReply, err)
	default:
		return err
	}
}

// isAlert reports whether an error is a TLS alert of the peer.
func isAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}
