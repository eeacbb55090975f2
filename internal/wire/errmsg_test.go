package wire

import (
	"strings"
	"testing"
)

var errTests = []messageTest{
	{name: "text", m: &Err{Error: "no"}, hex: "0d 81 a54572726f72 a26e6f"},
	{name: "empty", m: &Err{}, hex: "0d 81 a54572726f72 a0"},
	{name: "long", m: &Err{Error: strings.Repeat("a", 32)}, hex: "0d 81 a54572726f72 da0020" + strings.Repeat("61", 32)},
}

func TestErr(t *testing.T)      { testMessages(t, errTests) }
func TestErrQuick(t *testing.T) { testQuick[Err](t, nil) }
func FuzzErr(f *testing.F)      { fuzzMessage[Err, refErr](f, errTests[0].m) }
