package doctor

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/e3431adc/memberlist/internal/printable"
)

// Finding is something wrong with a cluster, or worth knowing of it.
type Finding struct {
	Kind     string   `json:"kind"` // such as "split"; these do not change
	Severity Severity `json:"severity"`
	Title    string   `json:"title"`             // in one line
	Details  []string `json:"details,omitempty"` // one for each member or group
	Meaning  string   `json:"meaning"`
	Advice   string   `json:"advice"`
}

// Severity orders findings.
type Severity uint8

// The severities. A note needs no action.
const (
	Note Severity = iota
	Warning
	Critical
)

// String returns "note", "warning" or "critical".
func (s Severity) String() string {
	return [...]string{"note", "warning", "critical"}[min(s, Critical)]
}

// MarshalText returns String.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText returns.
func (s *Severity) UnmarshalText(text []byte) error {
	for *s = Note; *s <= Critical; *s++ {
		if s.String() == string(text) {
			return nil
		}
	}
	return fmt.Errorf("no severity: %.20q", text)
}

// maxListed is the number of names that a line lists.
const maxListed = 8

// list returns names in one line.
func list(names []string) string {
	if more := len(names) - maxListed; more > 0 {
		return strings.Join(names[:maxListed], ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(names, ", ")
}

// maxDetails is the number of details of a finding.
const maxDetails = 20

// some returns the first details, and how many more there are.
func some(details []string) []string {
	if more := len(details) - maxDetails; more > 0 {
		return append(details[:maxDetails:maxDetails], fmt.Sprintf("and %d more", more))
	}
	return details
}

// String returns the name and address of a subject.
func (m *subject) String() string { return printable.Name(m.name) + " (" + m.address + ")" }

// count returns a number and a noun, in the plural unless it is one.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
