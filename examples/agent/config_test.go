package main

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/e3431adc/memberlist"
)

func write(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestConfig: flags go before the file, and that before the defaults.
func TestConfig(t *testing.T) {
	file := write(t, `{"name": "file", "bind": "127.0.0.1:1", "domain": ".Example.COM.", "join": ["x"], "services": [{"name": "web", "port": 80}]}`)
	load, err := parse([]string{"-config", file, "-name", "flag", "-join", "a,b"})
	if err != nil {
		t.Fatal(err)
	}
	c, err := load()
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != "flag" || c.Bind != "127.0.0.1:1" || c.DNS != "127.0.0.1:8600" || c.Domain != "example.com." ||
		strings.Join(c.Join, " ") != "a b" || c.TTL != 5 || c.Services[0].Port != 80 {
		t.Errorf("got %+v", c)
	}
}

func TestConfigErrors(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON":           `{`,
		"unknown field":     `{"nmae": "a"}`,
		"name":              `{"name": "a.b"}`,
		"service":           `{"name": "a", "services": [{"name": "a b", "port": 1}]}`,
		"service, no port":  `{"name": "a", "services": [{"name": "a"}]}`,
		"port out of range": `{"name": "a", "services": [{"name": "a", "port": 65536}]}`,
	} {
		load, err := parse([]string{"-config", write(t, text)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := load(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := parse([]string{"x"}); err == nil {
		t.Error("no error for an argument")
	}
	if err := new(delegate).set(&config{Tags: map[string]string{"a": strings.Repeat("x", 512)}}); err == nil {
		t.Error("no error for too many tags")
	}
}

// TestKeys: the ring has the keys of the file, the first as the primary one, and no error shows a key.
func TestKeys(t *testing.T) {
	a, b, c := bytes.Repeat([]byte{1}, 16), bytes.Repeat([]byte{2}, 32), bytes.Repeat([]byte{3}, 16)
	text := base64.StdEncoding.EncodeToString
	ring, err := memberlist.NewKeyring(nil, a)
	if err != nil {
		t.Fatal(err)
	}
	for _, keys := range [][][]byte{{a, b}, {b, a}, {b}, {c, b}} {
		var lines string
		for _, key := range keys {
			lines += text(key) + "\n\n# comment\n"
		}
		got, err := (&config{KeyFile: write(t, lines)}).keys()
		if err != nil {
			t.Fatal(err)
		}
		if err := replaceKeys(ring, got); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(ring.GetPrimaryKey(), keys[0]) || len(ring.GetKeys()) != len(keys) {
			t.Errorf("%d keys, primary %x, want %d, %x", len(ring.GetKeys()), ring.GetPrimaryKey(), len(keys), keys[0])
		}
	}
	for _, bad := range []string{"", "secret!\n"} {
		if _, err := (&config{KeyFile: write(t, bad)}).keys(); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: error %v", bad, err)
		}
	}
}
