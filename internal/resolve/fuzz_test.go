package resolve

import (
	"errors"
	"net"
	"strconv"
	"testing"
)

// FuzzJoinAddress: whatever is given as an address to join is refused, or names one place; and the address of that place
// names it too.
func FuzzJoinAddress(f *testing.F) {
	for _, s := range []string{"10.0.0.1", "10.0.0.1:7946", "m1/10.0.0.1:7946", "[fe80::1%eth0]:7946", "::1", "[::1]", "example.com:1",
		"/x", "a//b", "[", "[]", "[]:1", "a:b:c", "host:70000", "host:-1", "%", "a%b/[::]:0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := Parse(s, 7946)
		if err != nil {
			if !errors.Is(err, ErrInvalidAddress) {
				t.Fatal(err)
			}
			return
		}
		again := net.JoinHostPort(a.Host, strconv.Itoa(int(a.Port)))
		if a.Name != "" {
			again = a.Name + "/" + again
		}
		if b, err := Parse(again, 1); err != nil || a != b {
			t.Fatalf("%q is %+v, and %q is %+v, %v", s, a, again, b, err)
		}
	})
}
