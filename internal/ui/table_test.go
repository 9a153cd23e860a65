package ui

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func rows() [][]Cell {
	red := Style{Color: true}.Bad
	return [][]Cell{
		{{Text: "clerk"}, {Text: "12d"}, {Text: "stopped at DEPLOYING: running up of two stacks\noverdue by 3d", Paint: red}},
		{{Text: "sightengine"}, {Text: "1d"}, {Text: "fine", Below: "mend: a command that is longer than any terminal of sixty columns is"}},
	}
}

func TestPipedEveryRowIsOneLine(t *testing.T) {
	var out strings.Builder
	Table(&out, 0, []string{"SECRET", "AGE", "STATE"}, rows()[:1])
	require.Equal(t, "  SECRET  AGE  STATE\n  clerk   12d  \x1b[31mstopped at DEPLOYING: running up of two stacks; overdue by 3d\x1b[0m\n", out.String())
}

func TestTheLastColumnStaysInTheTerminal(t *testing.T) {
	for _, columns := range []int{80, 60, 45} {
		var out strings.Builder
		Table(&out, columns, []string{"SECRET", "AGE", "STATE"}, rows())
		for line := range strings.Lines(out.String()) {
			if !strings.Contains(line, "mend:") {
				plain := strings.NewReplacer("\x1b[31m", "", "\x1b[0m", "", "\n", "").Replace(line)
				require.LessOrEqual(t, utf8.RuneCountInString(plain), columns, line)
			}
		}
		require.Contains(t, out.String(), "mend: a command that is longer than any terminal of sixty columns is\n", "a command to copy is whole")
	}
}

// TestANarrowTerminal: what has no room beside the others goes below them.
func TestANarrowTerminal(t *testing.T) {
	var out strings.Builder
	Table(&out, 40, []string{"SECRET", "AGE", "STATE"}, rows()[1:])
	require.Equal(t, "  SECRET       AGE\n  sightengine  1d\n    fine\n    mend: a command that is longer than any terminal of sixty columns is\n", out.String())
}
