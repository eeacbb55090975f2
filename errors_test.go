package memberlist

import (
	"errors"
	"fmt"
	"testing"
)

func TestNoPingResponseErrorNamesTheMember(t *testing.T) {
	err := fmt.Errorf("ping: %w", NoPingResponseError{node: "a"})
	var none NoPingResponseError
	if !errors.As(err, &none) {
		t.Fatalf("%v is not found as a NoPingResponseError", err)
	}
	if got, want := none.Error(), "No response from node a"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
