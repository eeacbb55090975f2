package main

import (
	"bytes"
	"flag"
	"strings"
	"testing"

	"github.com/e3431adc/memberlist/internal/attacks"
)

// TestReference: the attacks run against members of the reference.
func TestReference(t *testing.T) {
	var out, errOut bytes.Buffer
	flags := flag.NewFlagSet("attack", flag.ContinueOnError)
	library := func() attacks.Library { return theirs{} }
	status := attacks.Main(t.Context(), flags, []string{"-run", "^forged-acks$"}, library, &out, &errOut)
	if status == 2 || !strings.Contains(out.String(), "hashicorp") || !strings.Contains(out.String(), "forged-acks") {
		t.Errorf("status %d: %s%s", status, out.String(), errOut.String())
	}
}
