package interop

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// TestMain lets more tests run in parallel than there are processors, as those on sockets mostly wait.
func TestMain(m *testing.M) {
	flag.Parse()
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "test.parallel" })
	if !chosen {
		flag.Set("test.parallel", "16")
	}
	code := m.Run()
	if err := traffic.write(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}
