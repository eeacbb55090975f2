package memberlist

import (
	"io"
	"testing"
	"time"
)

func loopbackConfig(name string) *Config {
	c := DefaultLocalConfig()
	c.Name = name
	c.BindAddr = "127.0.0.1"
	c.BindPort = 0
	c.LogOutput = io.Discard
	return c
}

func TestSmoke(t *testing.T) {
	a, err := Create(loopbackConfig("a"))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Shutdown()
	b, err := Create(loopbackConfig("b"))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Shutdown()
	n, err := b.Join([]string{a.LocalNode().Address()})
	if n != 1 || err != nil {
		t.Fatal(n, err)
	}
	t.Log(a.NumMembers(), b.NumMembers(), a.Members(), b.Members())
	if err := b.UpdateNode(time.Second); err != nil {
		t.Error(err)
	}
	if err := b.Leave(time.Second); err != nil {
		t.Error(err)
	}
	t.Log(a.NumMembers(), b.NumMembers())
}
