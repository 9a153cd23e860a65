package printable

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What an attacker who writes a journal, a catalog or an answer would like a
// terminal to do.
var hostile = map[string]string{
	"\x1b[2J\x1b[H":                `\u001b[2J\u001b[H`,             // clears the screen
	"\x1b[1A\x1b[2Kall is well":    `\u001b[1A\u001b[2Kall is well`, // writes over the line above
	"\x1b[8mhidden":                `\u001b[8mhidden`,
	"\x1b]0;root@bank\x07":         `\u001b]0;root@bank\u0007`,        // sets the title
	"\x1b]52;c;cm0gLXJm\x1b\\":     `\u001b]52;c;cm0gLXJm\u001b\`,     // sets the clipboard
	"\x1b]8;;https://evil\x1b\\ok": `\u001b]8;;https://evil\u001b\ok`, // a link elsewhere
	"\u009b31mC1":                  `\u009b31mC1`,                     // the one-byte form
	"abc\u202edrowssap":            `abc\u202edrowssap`,               // read backwards
	"\u2066x\u2069 \u200b \u00ad":  `\u2066x\u2069 \u200b \u00ad`,     // isolates, invisible
	"a\bb\x7f":                     `a\u0008b\u007f`,                  // takes back
	"broken \xff\xfe end":          `broken \ufffd\ufffd end`,         // no UTF-8
	"tag \U000e0041":               `tag \udb40\udc41`,                // an invisible letter
	"grün 日本 “quoted” ⠋ ✓ é":       "grün 日本 “quoted” ⠋ ✓ é",          // is as it is
}

func TestALineHoldsNothingThatATerminalObeys(t *testing.T) {
	for text, want := range hostile {
		require.Equal(t, want, Line(text), "%q", text)
	}
	require.Equal(t, `one; next: rm -rf; \u001b[31mred`, Line("one\r\n\n next: rm -rf\u2028\x1b[31mred"))
}

func TestAWriterPassesOurColoursAndNothingElse(t *testing.T) {
	for text, want := range hostile {
		require.Equal(t, want, Text(text), "%q", text)
	}
	const ours = "\x1b[32m✓\x1b[0m \x1b[1mname\x1b[0m\tx\n"
	require.Equal(t, ours, Text(ours))
	// However it is cut.
	all := ours
	want := ours
	for text, escaped := range hostile {
		all += text + "\n"
		want += escaped + "\n"
	}
	for _, step := range []int{1, 2, 3, 5, 7} {
		var out bytes.Buffer
		w := NewWriter(&out)
		for rest := all; rest != ""; rest = rest[min(step, len(rest)):] {
			n, err := w.Write([]byte(rest[:min(step, len(rest))]))
			require.NoError(t, err)
			require.Equal(t, min(step, len(rest)), n)
		}
		require.NoError(t, w.Flush())
		require.Equal(t, want, out.String(), "in pieces of %d", step)
	}
	// What ends in the middle is not lost, and not obeyed.
	var out bytes.Buffer
	w := NewWriter(&out)
	_, _ = w.Write([]byte("end\x1b[3"))
	require.Equal(t, "end", out.String())
	require.NoError(t, w.Flush())
	require.Equal(t, `end\u001b[3`, out.String())
}

// In a document the escape means the character itself.
func TestDocumentsKeepTheirData(t *testing.T) {
	for text := range hostile {
		var doc bytes.Buffer
		require.NoError(t, json.NewEncoder(&doc).Encode(text))
		shown := Text(doc.String())
		require.NotContains(t, shown, "\u202e")
		var back string
		require.NoError(t, json.Unmarshal([]byte(shown), &back))
		require.Equal(t, strings.ToValidUTF8(text, "\uFFFD"), strings.ReplaceAll(back, "\uFFFD\uFFFD", "\uFFFD"))
	}
}
