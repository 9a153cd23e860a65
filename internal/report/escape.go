package report

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// GitHub makes links, mentions and references of text: @name, #12, owner/repo#1,
// GH-12, www.example.com, a commit's hash, :smile:, $math$. A backslash or an
// entity does not stop it where it looks at the rendered text, a code span does.
// So every word that is more than letters and plain punctuation becomes one.
// https://docs.github.com/en/get-started/writing-on-github/working-with-advanced-formatting/autolinked-references-and-urls

// prose is foreign text on one line of Markdown, fit for a table's cell.
func prose(text string) string {
	var out []string
	for word := range strings.FieldsSeq(strings.Join(lines(text), "; ")) {
		body := strings.TrimRight(word, ".,;:!?)")
		head := body[:len(body)-len(strings.TrimLeft(body, "("))]
		body = body[len(head):]
		if tail := word[len(head)+len(body):]; body != "" && !harmless(body) {
			out = append(out, head+code(body)+tail)
			continue
		}
		out = append(out, word)
	}
	return strings.Join(out, " ")
}

var clock = regexp.MustCompile(`^\d\d:\d\d$`)

// harmless reports whether a word means nothing to Markdown nor to GitHub.
func harmless(word string) bool {
	if clock.MatchString(word) {
		return true
	}
	lower, hex := strings.ToLower(word), 0
	if strings.HasPrefix(lower, "www.") || strings.HasPrefix(lower, "gh-") {
		return false
	}
	for _, r := range lower {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(`.,;'"?%()-…–—’“”`, r) {
			return false
		}
		if strings.ContainsRune("0123456789abcdef", r) {
			hex++
		}
	}
	return hex < 7 || hex < len(lower)
}

// code is foreign text as a code span on one line, fit for a table's cell.
func code(text string) string {
	if text = command(text); text == "" {
		return ""
	}
	if oddPipe(text) {
		return entities(text)
	}
	text = strings.ReplaceAll(text, "|", `\|`)
	fence := strings.Repeat("`", longestRun(text, '`')+1)
	// One blank at both ends is not shown where the text itself has none there.
	if strings.HasPrefix(text, "`") || strings.HasSuffix(text, "`") {
		text = " " + text + " "
	}
	return fence + text + fence
}

// oddPipe: a pipe behind an odd number of backslashes cannot be written in a code
// span in a table: its own backslash would be taken for an escaped one.
func oddPipe(text string) bool {
	run := 0
	for _, r := range text {
		if r == '|' && run%2 == 1 {
			return true
		}
		if run++; r != '\\' {
			run = 0
		}
	}
	return false
}

// entities is the way out for such a text: every character that could mean
// something is an entity, and what GitHub would link is torn by a word joiner.
func entities(text string) string {
	var b strings.Builder
	b.WriteString("<code>")
	for _, r := range text {
		switch {
		case r == ' ' || r > unicode.MaxASCII || unicode.IsLetter(r) || unicode.IsDigit(r):
			b.WriteRune(r)
		case strings.ContainsRune("@:.", r):
			fmt.Fprintf(&b, "&#%d;\u2060", r)
		default:
			fmt.Fprintf(&b, "&#%d;", r)
		}
	}
	return b.String() + "</code>"
}

func longestRun(text string, of rune) int {
	longest, run := 0, 0
	for _, r := range text {
		if run++; r != of {
			run = 0
		}
		longest = max(longest, run)
	}
	return longest
}

// cut is at most limit characters of text and says that it was cut.
func cut(text string, limit int) string {
	if r := []rune(text); len(r) > limit {
		return string(r[:limit]) + "…"
	}
	return text
}
