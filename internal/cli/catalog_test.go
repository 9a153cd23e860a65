package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCatalogCommands(t *testing.T) {
	list := call{}.run(t, "catalog", "list")
	require.Zero(t, list.code, list.stderr)
	for _, part := range []string{"SECRET", "stripe", "verifieddit/stripe/webhook-secret", "verifieddit-badges (worker: CLERK_SECRET_KEY)", "identifier, not rotated", "cloudflare/account-id"} {
		require.Contains(t, list.stdout, part)
	}
	var doc struct {
		Secrets []struct {
			Name      string
			Entries   []string
			Consumers []struct{ Name, Kind, Stack, Proof string }
		}
		Identifiers []string
	}
	asJSON := call{}.run(t, "catalog", "list", "--json")
	require.NoError(t, json.Unmarshal([]byte(asJSON.stdout), &doc))
	require.Len(t, doc.Secrets, 6)
	require.Contains(t, doc.Identifiers, "cloudflare/account-id")
	for _, s := range doc.Secrets {
		require.NotNil(t, s.Consumers, "null where a list belongs: %s", s.Name)
		require.NotEmpty(t, s.Entries)
	}
	validate := call{}.run(t, "catalog", "validate")
	require.Zero(t, validate.code)
	require.Equal(t, "6 secrets, 8 identifiers, 3 stacks: valid\n", validate.stdout)
	graph := call{}.run(t, "catalog", "graph")
	require.Zero(t, graph.code)
	require.Contains(t, graph.stdout, "-->")
	schema := call{}.run(t, "catalog", "schema")
	require.Zero(t, schema.code)
	require.True(t, json.Valid([]byte(schema.stdout)))
	require.Contains(t, schema.stdout, "2020-12")
}

// TestCatalogErrors: file, line, column, what was found and what was expected,
// whatever the command, before anything else is done.
func TestCatalogErrors(t *testing.T) {
	raw, err := os.ReadFile("../../secrets/catalog.yaml")
	require.NoError(t, err)
	change := func(old, new string) string {
		require.Contains(t, string(raw), old)
		return strings.Replace(string(raw), old, new, 1)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "my.yaml")
	for name, c := range map[string]struct {
		content string
		at      string
		says    []string
	}{
		"unknown key":    {change("  - name: stripe\n", "  - name: stripe\n    colour: red\n"), "    colour: red", []string{"secrets[stripe]", "colour"}},
		"missing stack":  {change("stack: stripe-backend", "stack: stripe-backed"), "stack: stripe-backed", []string{"stripe-backed"}},
		"missing entry":  {change("CLERK_SECRET_KEY: secret-key", "CLERK_SECRET_KEY: secret-keys"), "CLERK_SECRET_KEY: secret-keys", []string{"secret-keys"}},
		"no duration":    {change("maxAge: 90d", "maxAge: soon"), "maxAge: soon", []string{"soon", "90d"}},
		"broken YAML":    {change("secrets:\n", "secrets: [\n"), "", []string{"broken YAML"}},
		"an empty file":  {"", "", []string{"an empty file", "a catalog"}},
		"something else": {"- a\n- b\n", "- a", []string{"expected"}},
		"a second one":   {string(raw) + "\n---\nversion: 1\n", "", []string{"a second document"}},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, os.WriteFile(file, []byte(c.content), 0o600))
			for _, command := range []string{"catalog validate", "catalog list", "rotate --secret stripe", "verify", "preview", "sandbox roll stripe"} {
				o := call{dir: dir}.run(t, append(strings.Fields(command), "--catalog=my.yaml")...)
				require.Equal(t, 2, o.code, "%s: %s", command, o.stderr)
				message, next := o.message(t)
				require.Regexp(t, `my\.yaml:\d+:\d+: .*found .*, expected `, o.stderr)
				for _, part := range c.says {
					require.Contains(t, o.stderr, part)
				}
				require.Contains(t, next[0], "go run . catalog validate --catalog=my.yaml")
				if c.at != "" && name != "missing stack" && name != "missing entry" {
					line := 1 + strings.Count(c.content[:strings.Index(c.content, c.at)], "\n")
					require.Contains(t, message, ":"+strconv.Itoa(line)+":", "the line is wrong")
				}
			}
		})
	}
	require.NoError(t, os.Remove(file))
	o := call{dir: dir}.run(t, "catalog", "validate", "--catalog=my.yaml")
	require.Equal(t, 2, o.code)
	message, next := o.message(t)
	require.Contains(t, message, "no such file")
	require.Equal(t, []string{"go run . catalog validate --catalog FILE"}, next)
	require.NoError(t, os.WriteFile(file, raw, 0o600))
	require.Zero(t, call{dir: dir}.run(t, "catalog", "validate", "--catalog=my.yaml").code)
}

func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		o := call{}.run(t, "completion", shell)
		require.Zero(t, o.code, shell)
		require.Contains(t, o.stdout, "secret-rotation", shell)
		require.Empty(t, o.stderr)
	}
	for _, command := range []string{"rotate", "verify", "preview"} {
		o := call{}.run(t, "__complete", command, "--secret", "")
		require.Zero(t, o.code)
		for _, name := range []string{"cloudflare", "scaleway", "clerk", "clerk-test", "stripe", "sightengine"} {
			require.Regexp(t, `(?m)^`+name+`\t`, o.stdout, command)
		}
	}
	broken := call{}.run(t, "__complete", "rotate", "--catalog=none.yaml", "--secret", "")
	require.NotContains(t, broken.stdout, "stripe")
}
