// Package recorded has packets and streams that real members of this library and of the reference sent, under every
// setting that changes bytes. Tests and fuzz targets use them as seeds.
//
// traffic.txt has one a line. To record it again:
//
//	cd internal/interop && go test -run /bubble . -record ../recorded/traffic.txt
package recorded

import (
	_ "embed"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// Capture is one packet, or the bytes of one side of a stream.
type Capture struct {
	Stream   bool
	Library  string   // of the sender: ours or theirs
	Layers   []string // around the messages, outermost first: label, seal0, seal1, crc, compress, compound
	Messages []string // their types, as in package wire
	Label    string   // empty: none
	Key      []byte   // that it is sealed with; nil: none
	Bytes    []byte
}

//go:embed traffic.txt
var traffic string

// All returns all captures.
func All() ([]Capture, error) {
	var all []Capture
	for line := range strings.Lines(traffic) {
		c, err := parse(strings.Fields(line))
		if err != nil {
			return nil, fmt.Errorf("traffic.txt: %w: %.60s", err, line)
		}
		all = append(all, c)
	}
	return all, nil
}

func parse(words []string) (c Capture, err error) {
	if len(words) != 7 {
		return c, fmt.Errorf("%d words", len(words))
	}
	c.Stream, c.Library = words[0] == "stream", words[1]
	c.Layers, c.Messages, c.Label = list(words[2]), list(words[3]), strings.Trim(words[4], `"`)
	if c.Key, err = unhex(words[5]); err != nil {
		return c, err
	}
	c.Bytes, err = unhex(words[6])
	return c, err
}

// String returns the capture as a line of traffic.txt.
func (c Capture) String() string {
	how := "packet"
	if c.Stream {
		how = "stream"
	}
	return fmt.Sprintf("%s %s %s %s %q %s %s", how, c.Library, join(c.Layers), join(c.Messages), c.Label, enhex(c.Key), enhex(c.Bytes))
}

// Has reports whether the capture has a layer.
func (c Capture) Has(layer string) bool { return slices.Contains(c.Layers, layer) }

func list(word string) []string {
	if word == "-" {
		return nil
	}
	return strings.Split(word, "+")
}

func join(words []string) string {
	if len(words) == 0 {
		return "-"
	}
	return strings.Join(words, "+")
}

func unhex(word string) ([]byte, error) {
	if word == "-" {
		return nil, nil
	}
	return hex.DecodeString(word)
}

func enhex(b []byte) string {
	if len(b) == 0 {
		return "-"
	}
	return hex.EncodeToString(b)
}
