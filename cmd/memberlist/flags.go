package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/e3431adc/memberlist"
)

// target is how a cluster is reached: the flags that all commands have.
type target struct {
	keyFile string
	label   string
	timeout time.Duration
	json    bool
	streams streams

	ring      *memberlist.Keyring  // nil: no keys
	transport memberlist.Transport // nil: plain TCP and UDP
}

func newFlags(name, args, about string, stderr io.Writer) (*flag.FlagSet, *target) {
	t := new(target)
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&t.keyFile, "key-file", "", "`file` with the keys of the cluster, one on a line in base64 or hex, the primary one first")
	f.StringVar(&t.label, "label", "", "`label` of the cluster")
	f.DurationVar(&t.timeout, "timeout", 5*time.Second, "`time` limit of each request")
	f.BoolVar(&t.json, "json", false, "print JSON")
	t.streams.addFlags(f)
	f.Usage = func() {
		fmt.Fprintf(stderr, "Usage: memberlist %s [flags] %s\n\n%s\n\n", name, args, about)
		f.PrintDefaults()
	}
	return f, t
}

var errAddress = errors.New("the address of a member is missing, or there is more than one")

// parse parses the flags and the addresses, of which there must be at least one and at most that many. Flags may also
// follow addresses. Without an error, close is to be called.
func (t *target) parse(f *flag.FlagSet, args []string, most int) (addresses []string, err error) {
	for {
		if err := f.Parse(args); err != nil {
			return nil, err
		}
		if f.NArg() == 0 {
			break
		}
		addresses, args = append(addresses, f.Arg(0)), f.Args()[1:]
	}
	switch {
	case len(addresses) == 0 || len(addresses) > most:
		return nil, errAddress
	case t.timeout <= 0:
		return nil, errors.New("-timeout must be above zero")
	}
	if t.keyFile != "" {
		if t.ring, err = readKeys(t.keyFile); err != nil {
			return nil, err
		}
	}
	t.transport, err = t.streams.open()
	return addresses, err
}

// close ends the use of the transport, if there is one.
func (t *target) close() {
	if t.transport != nil {
		_ = t.transport.Shutdown() // returns nil
	}
}

// readKeys reads a file of keys.
func readKeys(name string) (*memberlist.Keyring, error) {
	content, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var keys [][]byte
	for i, line := range bytes.Split(content, []byte("\n")) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		key, err := parseKey(string(line))
		if err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", name, i+1, err) // never the key itself
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s: no key", name)
	}
	return memberlist.NewKeyring(keys[1:], keys[0])
}

// parseKey parses a key in hex or base64. No text is a key in both.
func parseKey(text string) ([]byte, error) {
	for _, decode := range []func(string) ([]byte, error){hex.DecodeString, base64.StdEncoding.DecodeString, base64.RawURLEncoding.DecodeString} {
		if key, err := decode(text); err == nil && memberlist.ValidateKey(key) == nil {
			return key, nil
		}
	}
	return nil, fmt.Errorf("no key of 16, 24 or 32 bytes in base64 or hex: %w", memberlist.ErrInvalidKey)
}

// request is what Query needs for an address.
func (t *target) request(address string) memberlist.QueryRequest {
	return memberlist.QueryRequest{Address: address, Keyring: t.ring, Label: t.label, Transport: t.transport}
}

// isTerminal reports whether a writer is a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
