package main

import (
	"bytes"
	"flag"
	"strings"
	"testing"

	"github.com/e3431adc/memberlist/internal/crowds"
)

// TestReference: members of the reference are a crowd too.
func TestReference(t *testing.T) {
	var out bytes.Buffer
	library := func() crowds.Library { return theirs{} }
	flags := flag.NewFlagSet("crowd", flag.ContinueOnError)
	status := crowds.Main(flags, []string{"-members", "4", "-rest", "1ms"}, library, &out, &out)
	if status == 2 || !strings.Contains(out.String(), "hashicorp") || !strings.Contains(out.String(), "joined: ") {
		t.Errorf("status %d: %s", status, out.String())
	}
}
