package cli

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each stream is asked for itself: one may be a file where the other is a terminal.
func TestColourIsForTheStreamThatIsATerminal(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	require.NoError(t, err)
	defer terminal.Close()
	file, err := os.Create(t.TempDir() + "/out")
	require.NoError(t, err)
	defer file.Close()
	for name, c := range map[string]struct {
		stdout, stderr *os.File
		result, other  bool
	}{
		"result in a file":   {file, terminal, false, true},
		"messages in a file": {terminal, file, true, false},
		"both on a terminal": {terminal, terminal, true, true},
		"both in files":      {file, file, false, false},
	} {
		a := &app{env: Env{Err: c.stderr}, printed: &counted{Writer: c.stdout}}
		require.Equal(t, c.result, a.resultStyle().Color, name)
		require.Equal(t, c.other, a.style().Color, name)
	}
}
