package doctor

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
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

// maxShownName is the number of bytes of a name that are shown.
const maxShownName = 80

// Name returns a name as it can be shown: names come from the network, and may have control characters.
func Name(name string) string {
	cut := name
	if len(cut) > maxShownName {
		for cut = cut[:maxShownName]; len(cut) > 0 && !utf8.ValidString(cut) && utf8.ValidString(name); {
			cut = cut[:len(cut)-1]
		}
		cut += "..."
	}
	plain := cut != "" && !strings.ContainsAny(cut, " \"\\")
	for _, r := range cut {
		plain = plain && r != utf8.RuneError && strconv.IsPrint(r)
	}
	if plain {
		return cut
	}
	return strconv.QuoteToGraphic(cut)
}

// maxShownText is the number of bytes of an error that are shown.
const maxShownText = 300

// Text returns a text that may have come from the network, such as that of an error, as it can be shown in a line.
func Text(text string) string {
	if len(text) > maxShownText {
		text = text[:maxShownText] + "..."
	}
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !strconv.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
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
func (m *subject) String() string { return Name(m.name) + " (" + m.address + ")" }

// count returns a number and a noun, in the plural unless it is one.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
