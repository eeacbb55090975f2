package attacks

import (
	"context"
	"fmt"
	"math"
)

// Attack is one way to harm a cluster.
type Attack struct {
	Name    string
	Does    string   // what the attacker does, in one line
	Figures []Figure // what Run measures
	Alone   bool     // it takes so much CPU that it would change the figures of others

	// Run attacks and returns a value for each of the Figures.
	Run func(ctx context.Context, r *Run) ([]float64, error)
}

// Figure is a measured property of the attacked cluster.
type Figure struct {
	What    string
	Unit    string
	Bound   float64
	AtLeast bool // the bound is a minimum, otherwise a maximum
}

// Holds reports whether a value keeps to the bound.
func (f Figure) Holds(value float64) bool {
	if f.AtLeast {
		return value >= f.Bound
	}
	return value <= f.Bound
}

func (f Figure) bound() string {
	if f.AtLeast {
		return fmt.Sprintf(">= %g %s", f.Bound, f.Unit)
	}
	return fmt.Sprintf("<= %g %s", f.Bound, f.Unit)
}

// never is the value of a duration that was longer than the attack watched for.
var never = math.Inf(1)

func (f Figure) value(v float64) string {
	switch {
	case v == never:
		return "never"
	case v == math.Trunc(v) || math.Abs(v) >= 100:
		return fmt.Sprintf("%.0f %s", v, f.Unit)
	}
	return fmt.Sprintf("%.2f %s", v, f.Unit)
}

// All returns every attack.
func All() []Attack {
	return []Attack{
		strangersPings(),
		forgedLeaves(),
		forgedLeave(),
		compoundPings(),
		compoundIndirectPings(),
		compoundFlood(),
		fakeMembers(),
		pinnedIncarnation(),
		reopenedStreams(),
		streamMemory(),
		replay(),
		heldHealth(),
		forgedAcks(),
		conflictStorm(),
		dials(),
		labelOracle(),
	}
}
