package services

import (
	"strings"
	"unicode"
)

// Printable is text of a service without what a terminal would obey. A word is
// never cut: half a value would pass the redactor.
func Printable(text string) string {
	const most = 300
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	if r := []rune(text); len(r) > most {
		text = string(r[:most])
		text = text[:strings.LastIndex(text, " ")+1] + "…"
	}
	return text
}
