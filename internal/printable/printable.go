// Package printable makes text of others fit for a terminal: what stands in a
// journal, a catalog, a service's answer, the output of git or the name of a
// file may hold escape sequences that move the cursor, set the title or the
// clipboard, and marks that reorder what is read.
package printable

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Safe reports whether a terminal shows a character as itself: a letter, a
// mark, a number, punctuation, a symbol or a blank, and nothing that controls
// it, is invisible or changes the direction of what follows.
func Safe(r rune) bool { return unicode.IsGraphic(r) && r != utf8.RuneError }

// Line is foreign text on one line: every line end becomes "; ", and what is
// not safe is written as JSON escapes it (\u001b).
func Line(text string) string {
	var parts []string
	for line := range strings.FieldsFuncSeq(text, isLineEnd) {
		if line = strings.TrimSpace(strings.ReplaceAll(line, "\t", " ")); line != "" {
			parts = append(parts, string(escaped(nil, line)))
		}
	}
	return strings.Join(parts, "; ")
}

func isLineEnd(r rune) bool {
	return r == '\n' || r == '\r' || r == '\v' || r == '\f' || r == '\u0085' || r == '\u2028' || r == '\u2029'
}

// escaped appends text, with what is not safe escaped. In a JSON document the
// escape is the character itself, so data stays what it was.
func escaped(out []byte, text string) []byte {
	for i, r := range text {
		switch {
		case r == utf8.RuneError && strings.IndexByte(text[i:], "\uFFFD"[0]) != 0: // a byte that is no UTF-8
			out = append(out, `\ufffd`...)
		case Safe(r) || r == utf8.RuneError:
			out = utf8.AppendRune(out, r)
		case r > 0xFFFF:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}

// Writer passes what is written to w, with everything that is not safe escaped
// but line ends, tabs, and the colours that Style paints with. The same
// colours pass where they are foreign: they hide nothing. Flush passes on an
// unfinished end.
type Writer struct {
	mu   sync.Mutex
	w    io.Writer
	rest []byte
}

// NewWriter returns a Writer to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Write implements io.Writer. The end that may be the beginning of a character
// or of a colour waits for the rest.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	data := slices.Concat(w.rest, p)
	whole := len(data) - unfinished(data)
	w.rest = slices.Clone(data[whole:])
	if _, err := w.w.Write(passed(data[:whole])); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Raw is the writer below w where w is a Writer, else w: for what is no text of
// others, such as a value in a program's own form, and for what moves the
// cursor and makes the text in it printable itself.
func Raw(w io.Writer) io.Writer {
	if own, ok := w.(*Writer); ok {
		return own.w
	}
	return w
}

// Flush passes on what waits for a rest that does not come.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	data := w.rest
	w.rest = nil
	if len(data) == 0 {
		return nil
	}
	_, err := w.w.Write(passed(data))
	return err
}

// Text is what Writer makes of a whole text.
func Text(text string) string { return string(passed([]byte(text))) }

func passed(data []byte) []byte {
	var out []byte
	for len(data) > 0 {
		at := bytes.IndexAny(data, "\x1b\n\t")
		if at < 0 {
			return escaped(out, string(data))
		}
		out = escaped(out, string(data[:at]))
		keep := max(colour(data[at:]), 0)
		if data[at] != esc {
			keep = 1
		}
		out = append(out, data[at:at+keep]...)
		if keep == 0 {
			out, keep = append(out, `\u001b`...), 1
		}
		data = data[at+keep:]
	}
	return out
}

const esc = 0x1b

// ours are the colours that ui.Style paints with. Another one could hide text.
var ours = [][]byte{[]byte("\x1b[0m"), []byte("\x1b[1m"), []byte("\x1b[2m"), []byte("\x1b[31m"), []byte("\x1b[32m"), []byte("\x1b[33m")}

// colour is the length of the colour that data begins with: 0 where it is none,
// -1 where it may become one.
func colour(data []byte) int {
	for _, c := range ours {
		switch {
		case bytes.HasPrefix(data, c):
			return len(c)
		case bytes.HasPrefix(c, data):
			return -1
		}
	}
	return 0
}

// unfinished is how many bytes at the end may go on in the next write.
func unfinished(data []byte) int {
	if at := bytes.LastIndexByte(data, esc); at >= 0 && colour(data[at:]) < 0 {
		return len(data) - at
	}
	for n := 1; n <= min(utf8.UTFMax-1, len(data)); n++ {
		if tail := data[len(data)-n:]; utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				return n
			}
			return 0
		}
	}
	return 0
}
