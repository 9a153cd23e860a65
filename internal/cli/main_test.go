package cli

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// call is one run of the command line that needs no world: no terminal, a
// folder of its own, an environment of nothing but PATH and HOME.
type call struct {
	stdin string
	env   []string
	dir   string
}

type outcome struct {
	code           int
	stdout, stderr string
}

func (c call) run(t *testing.T, args ...string) outcome {
	t.Helper()
	if c.dir == "" {
		c.dir = t.TempDir()
	}
	var stdout, stderr bytes.Buffer
	env := append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + c.dir}, c.env...)
	code := Main(t.Context(), Env{Stdin: strings.NewReader(c.stdin), Stdout: &stdout, Stderr: &stderr, Environ: env, Dir: c.dir}, args)
	return outcome{code, stdout.String(), stderr.String()}
}

// message is the one error, next the commands to type.
func (o outcome) message(t *testing.T) (message string, next []string) {
	t.Helper()
	for line := range strings.Lines(o.stderr) {
		line = strings.TrimSpace(line)
		if text, ok := strings.CutPrefix(line, "error: "); ok {
			require.Empty(t, message, "one message: %s", o.stderr)
			message = text
		}
		if text, ok := strings.CutPrefix(line, "next: "); ok {
			next = append(next, text)
		}
	}
	require.NotEmpty(t, message, o.stderr)
	require.NotEmpty(t, next, "what to type is missing: %s", o.stderr)
	return message, next
}
