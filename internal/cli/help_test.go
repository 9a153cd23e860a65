package cli

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// commands are all of them, by what is typed.
func commands() map[string]*cobra.Command {
	a := &app{printed: &counted{}}
	root := a.command()
	a.strictHelp(root)
	out := map[string]*cobra.Command{"": root}
	var add func(c *cobra.Command)
	add = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			out[path(sub)] = sub
			add(sub)
		}
	}
	add(root)
	return out
}

func TestEveryCommandExplainsItself(t *testing.T) {
	all := commands()
	for _, name := range []string{"rotate", "preview", "verify", "catalog list", "catalog validate", "catalog schema", "catalog graph", "setup", "doctor",
		"sandbox serve", "sandbox reset", "sandbox env", "sandbox roll", "sandbox world", "sandbox requests", "sandbox tamper", "sandbox fault", "completion bash"} {
		require.Contains(t, all, name)
	}
	for name, c := range all {
		require.NotEmpty(t, c.Short, name)
		require.NotRegexp(t, `\.$`, c.Short, "%s: a heading has no full stop", name)
		for _, args := range [][]string{append(strings.Fields(name), "--help"), append([]string{"help"}, strings.Fields(name)...)} {
			if strings.HasPrefix(name, "help") {
				continue
			}
			o := call{}.run(t, args...)
			require.Zero(t, o.code, "%v: %s", args, o.stderr)
			require.Contains(t, o.stdout, "Usage:", args)
			require.Contains(t, o.stdout, "--sandbox", "%v: the flags are missing", args)
			require.Empty(t, o.stderr)
			for line := range strings.Lines(o.stdout) {
				require.LessOrEqual(t, len([]rune(line)), 140, "%v: %s", args, line)
			}
		}
	}
}

// TestHelpOfRotateIsTheContract: the flags and exit codes that others rely on.
func TestHelpOfRotateIsTheContract(t *testing.T) {
	o := call{}.run(t, "rotate", "--help")
	for _, flag := range []string{"--secret", "--all", "--new", "--pending", "--entry", "--value-stdin", "--preview", "--grace", "--hold", "--commit", "--create-keys", "--allow-other-changes",
		"--yes", "--json", "--no-color", "--non-interactive", "--root", "--pulumi", "--catalog", "--verbose"} {
		require.Contains(t, o.stdout, flag)
	}
	for _, code := range []string{"0 ok", "1 failed", "2 usage", "4 cannot tell", "5 locked by another", "6"} {
		require.Contains(t, o.stdout, code)
	}
}

// TestCommandsThatAreNamedExist: every `go run . NAME` that the program, its
// examples or the documents name can be typed.
func TestCommandsThatAreNamedExist(t *testing.T) {
	all := commands()
	named := regexp.MustCompile("go run \\. ([a-z]+)( [a-z]+)?")
	seen := 0
	require.NoError(t, filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != ".." {
			return errOrSkip(err)
		}
		if d.IsDir() || strings.HasSuffix(path, "_test.go") || !strings.HasSuffix(path, ".go") {
			return nil
		}
		raw, err := os.ReadFile(path)
		for _, m := range named.FindAllStringSubmatch(string(raw), -1) {
			seen++
			name := m[1]
			parent, known := all[name]
			require.True(t, known, "%s names the command %q, which does not exist", path, name)
			if sub := strings.TrimSpace(m[2]); sub != "" && len(parent.Commands()) > 0 {
				require.Contains(t, all, name+" "+sub, path)
			}
		}
		return err
	}))
	require.Greater(t, seen, 30)
}

func errOrSkip(err error) error {
	if err != nil {
		return err
	}
	return fs.SkipDir
}

func TestVersionAndOverview(t *testing.T) {
	o := call{}.run(t, "--version")
	require.Zero(t, o.code)
	require.Regexp(t, `^secret-rotation \S+\n$`, o.stdout)
	over := call{env: []string{"XDG_CACHE_HOME=" + t.TempDir()}}.run(t)
	require.Equal(t, 1, over.code, "a machine that lacks something is not fine")
	require.Contains(t, over.stdout, "go run . rotate --secret stripe --sandbox --yes")
	require.Contains(t, over.stdout, "pass store")
	require.NotContains(t, over.stderr, "exit status")
}
