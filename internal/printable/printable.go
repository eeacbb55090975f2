// Package printable shows text that came from the network: in one line, of limited length, and without characters that would
// change how the rest is shown.
package printable

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxName and maxText are the numbers of bytes of a name, and of any other text, that are shown.
const (
	maxName = 80
	maxText = 300
)

// Name returns a name as it can be shown: quoted unless it is plain, and cut if it is long.
func Name(name string) string {
	shown := cut(name, maxName)
	plain := shown != "" && !strings.ContainsAny(shown, " \"\\")
	for _, r := range shown {
		plain = plain && r != utf8.RuneError && strconv.IsPrint(r)
	}
	if plain {
		return shown
	}
	return strconv.QuoteToGraphic(shown)
}

// Text returns a text, such as that of an error, as it can be shown: other characters are question marks.
func Text(text string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !strconv.IsPrint(r) {
			return '?'
		}
		return r
	}, cut(text, maxText))
}

// cut returns the first bytes of a text, in whole characters.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for back := 1; back < utf8.UTFMax && !utf8.RuneStart(text[most]); back++ {
		most--
	}
	return text[:most] + "..."
}
