// Package explain gives programs of this module what package memberlist does not export.
package explain

import "github.com/e3431adc/memberlist/internal/swim"

// Evidence returns evidence of a core as memberlist.Evidence has it in events and logs; "" of nil. Package memberlist sets it as it is
// initialised.
var Evidence func(*swim.Evidence) string
