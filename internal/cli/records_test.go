package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSlipsOfTheRecordsCommands(t *testing.T) {
	for line, want := range map[string]struct{ says, next string }{
		"history --secret strip":                 {"did you mean stripe?", "go run . history --secret stripe"},
		"history stripe":                         {"takes no argument", "go run . history --secret stripe"},
		"status x":                               {"takes no argument", "go run . status --help"},
		"unlock":                                 {"the catalog has infra, stripe-backend, verifieddit-badges", "go run . unlock --stack infra"},
		"unlock --stack strip":                   {"did you mean stripe-backend?", "go run . unlock --stack stripe-backend"},
		"unlock --stack nope":                    {`no stack "nope"`, "go run . unlock --stack infra"},
		"rotate --secret stripe,clerk":           {"repeat the flag", "go run . rotate --secret stripe --secret clerk"},
		"history --secret stripe,clerk":          {"repeat the flag", "go run . history --secret stripe --secret clerk"},
		"preview --stack infra,stripe-backend":   {"repeat the flag", "go run . preview --stack infra --stack stripe-backend"},
		"sandbox fault status strip GET * 500":   {`no service "strip"; did you mean stripe?`, "go run . sandbox fault status stripe GET '*' 500"},
		"sandbox fault drop paypal GET /v1/keys": {"there are cloudflare, scaleway", "go run . sandbox fault --help"},
	} {
		o := call{}.run(t, strings.Fields(line)...)
		require.Equal(t, 2, o.code, "%s: %s", line, o.stderr)
		message, next := o.message(t)
		require.Contains(t, message, want.says, line)
		require.Contains(t, strings.Join(next, "\n"), want.next, line)
		require.Empty(t, o.stdout, line)
	}
}

// TestWordsAreCompleted: what stands before decides what may come.
func TestWordsAreCompleted(t *testing.T) {
	for line, want := range map[string]string{
		"rotate --secret stripe --entry":      "secret-key webhook-secret",
		"rotate --secret sightengine --entry": "api-user api-secret",
		"preview --stack":                     "infra stripe-backend verifieddit-badges",
		"unlock --stack":                      "infra stripe-backend verifieddit-badges",
		"history --secret":                    "cloudflare scaleway clerk clerk-test stripe sightengine",
		"sandbox roll":                        "cloudflare scaleway clerk clerk-test stripe sightengine",
		"sandbox roll clerk":                  "",
		"sandbox fault":                       "clear delay drop lost-answer status",
		"sandbox fault drop":                  "cloudflare scaleway stripe clerk sightengine github registry *",
		"sandbox fault clear":                 "",
	} {
		o := call{}.run(t, append(append([]string{"__complete"}, strings.Fields(line)...), "")...)
		require.Zero(t, o.code, o.stderr)
		var words []string
		for word := range strings.Lines(o.stdout) {
			if word, _, _ = strings.Cut(strings.TrimSpace(word), "\t"); !strings.HasPrefix(word, ":") {
				words = append(words, word)
			}
		}
		require.ElementsMatch(t, strings.Fields(want), words, line)
		require.Contains(t, o.stdout, ":4", "%s: files would be offered", line)
	}
	tamper := call{}.run(t, "__complete", "sandbox", "tamper", "")
	require.Contains(t, tamper.stdout, "worker-removed\t")
	require.Contains(t, tamper.stdout, "container-secret\t")
}

func TestTheCatalogAsJSON(t *testing.T) {
	var valid struct {
		Valid   bool
		Secrets int
	}
	o := call{}.run(t, "catalog", "validate", "--json")
	require.NoError(t, json.Unmarshal([]byte(o.stdout), &valid))
	require.True(t, valid.Valid)
	require.Equal(t, 6, valid.Secrets)
	var graph struct{ Mermaid string }
	o = call{}.run(t, "catalog", "graph", "--json")
	require.NoError(t, json.Unmarshal([]byte(o.stdout), &graph))
	require.Equal(t, call{}.run(t, "catalog", "graph").stdout, graph.Mermaid)
}

// TestDoctorTellsEveryGapAtOnce: also what stands behind the first one, and no
// remedy twice.
func TestDoctorTellsEveryGapAtOnce(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir()) // without a Pulumi CLI
	o := call{}.run(t, "doctor")
	require.Equal(t, 1, o.code)
	for _, gap := range []string{"go run . setup", "pass init GPG-ID", "export PULUMI_CONFIG_PASSPHRASE_FILE=FILE"} {
		require.Equal(t, 1, strings.Count(o.stdout, "mend: "+gap), o.stdout)
	}
	require.Contains(t, o.stdout, "not checked: the pass store first")

	o = call{}.run(t, "doctor", "--json")
	var document struct {
		Findings []struct {
			Name, Fix string
			OK        bool
		}
	}
	require.NoError(t, json.Unmarshal([]byte(o.stdout), &document))
	gaps := 0
	for _, f := range document.Findings {
		if !f.OK {
			gaps++
		}
	}
	require.Equal(t, 4, gaps, o.stdout)
}
