package secrets

import (
	"bytes"
	"slices"
)

// Finder looks for one value in a text: as it is, and in the forms in which a
// Redactor hides it. Unlike a Redactor it finds the whole value only, not a line of
// it, and no value that is a part of a longer word. It does not print the value.
type Finder struct {
	next func(text []byte, from int) int
}

// NewFinder returns a Finder of v; it finds no value that is too short to be hidden.
func NewFinder(v Value) Finder {
	text := string(v.bytes())
	var forms []string
	if len(text) >= shortestRedacted {
		forms = encodings(text) // in which what stands around it may leave no gap
		slices.Sort(forms)
		forms = slices.Compact(forms)
	}
	return Finder{func(in []byte, from int) int {
		best := -1
		for _, form := range forms {
			at := -1
			if form == text {
				at = whole(in, []byte(form), from)
			} else if at = bytes.Index(in[min(from, len(in)):], []byte(form)); at >= 0 {
				at += from
			}
			if at >= 0 && (best < 0 || at < best) {
				best = at
			}
		}
		return best
	}}
}

// Next is where the value begins in text, at from or behind it; -1 if it does not.
func (f Finder) Next(text []byte, from int) int { return f.next(text, from) }

// whole finds word where it does not go on in a longer one.
func whole(text, word []byte, from int) int {
	for from <= len(text) {
		at := bytes.Index(text[from:], word)
		if at < 0 {
			return -1
		}
		at += from
		end := at + len(word)
		before := at > 0 && letter(text[at-1]) && letter(word[0])
		behind := end < len(text) && letter(text[end]) && letter(word[len(word)-1])
		if !before && !behind {
			return at
		}
		from = at + 1
	}
	return -1
}

func letter(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'A' && b <= 'Z' || b >= 'a' && b <= 'z' || b == '_'
}
