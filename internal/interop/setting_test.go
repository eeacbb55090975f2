package interop

import (
	"bytes"
	"slices"
)

// setting is what both sides of a scenario have to agree on.
type setting struct {
	name        string
	key         []byte
	label       string
	compression bool
	snappy      bool // where a library has it, with compression
	protocol    uint8
	ipv6        bool
}

var (
	key16 = bytes.Repeat([]byte{16}, 16)
	key24 = bytes.Repeat([]byte{24}, 24)
	key32 = bytes.Repeat([]byte{32}, 32)
)

// settings are those that every scenario is run under in virtual time.
var settings = []setting{
	{name: "plain", protocol: 2},
	{name: "compression", protocol: 2, compression: true},
	{name: "snappy", protocol: 2, compression: true, snappy: true},
	{name: "aes128", protocol: 2, key: key16},
	{name: "aes192", protocol: 2, key: key24},
	{name: "aes256", protocol: 2, key: key32},
	{name: "aes256+compression", protocol: 2, key: key32, compression: true},
	{name: "v1", protocol: 1},
	{name: "v1+aes128", protocol: 1, key: key16}, // padded
	{name: "v5", protocol: 5},
	{name: "label", protocol: 2, label: "blue"},
	{name: "label+aes256", protocol: 2, label: "blue", key: key32},
	{name: "label+v1+aes192+compression", protocol: 1, label: "blue", key: key24, compression: true},
	{name: "ipv6", protocol: 2, ipv6: true},
}

// socketSettings are those that scenarios are run under on sockets too: with nothing around a message, and with all there is.
var socketSettings = settingsNamed("plain", "label+v1+aes192+compression")

func settingsNamed(names ...string) []setting {
	var named []setting
	for _, s := range settings {
		if slices.Contains(names, s.name) {
			named = append(named, s)
		}
	}
	return named
}
