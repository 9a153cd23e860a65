package cli

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUsageErrors(t *testing.T) {
	for line, want := range map[string]struct{ says, next string }{
		"rotat":                                  {`no command "rotat"; did you mean rotate?`, "go run . rotate --help"},
		"xyzzy":                                  {`no command "xyzzy"`, "go run . --help"},
		"catalog lst":                            {"did you mean list?", "go run . catalog list --help"},
		"sandbox nope":                           {`no command "nope"`, "go run . sandbox --help"},
		"help rotat":                             {"did you mean rotate?", "go run . rotate --help"},
		"help catalog lsit":                      {"did you mean list?", "go run . catalog list --help"},
		"completion bsh":                         {"did you mean bash?", "go run . completion bash --help"},
		"rotate":                                 {"no secret named", "go run . rotate --secret cloudflare"},
		"rotate stripe":                          {`takes no argument "stripe"`, "go run . rotate --secret stripe"},
		"rotate --secret strip":                  {`no secret "strip"; did you mean stripe?`, "go run . rotate --secret stripe"},
		"rotate --secret sightengien":            {"did you mean sightengine?", "go run . rotate --secret sightengine"},
		"rotate --secret CLERK":                  {"did you mean clerk?", "go run . rotate --secret clerk"},
		"rotate --secret paypal":                 {"the catalog has cloudflare, scaleway, clerk, clerk-test, stripe, sightengine", "go run . catalog list"},
		"rotate --secret stripe --all":           {"exclude each other", "go run . rotate --all"},
		"rotate --secret stripe --new --pending": {"--new and --pending exclude each other", "go run . rotate --secret stripe --new"},
		"rotate --secret stripe --value-stdin --new":      {"--value-stdin excludes", "--value-stdin"},
		"rotate --secret stripe --secret clerk --entry a": {"go with one secret, 2 are named", "go run . rotate --secret stripe"},
		"rotate --all --value-stdin":                      {"go with one secret", "go run . rotate --secret"},
		"rotate --secret stripe --entry nope":             {"its entries are secret-key, webhook-secret", "--entry secret-key"},
		"rotate --secret stripe --grace tomorrow":         {`--grace "tomorrow"`, "--grace 24h"},
		"rotate --secret stripe --grace -1h":              {`--grace "-1h"`, "--grace 24h"},
		"rotate --secret stripe --grace 1.5h":             {`--grace "1.5h"`, "--grace 24h"},
		"rotate --secret stripe --grace 99999999999d":     {"--grace", "--grace 24h"},
		"rotate --secret":                                 {"needs an argument", "go run . rotate --help"},
		"rotate --nope":                                   {"unknown flag: --nope", "go run . rotate --help"},
		"rotate -x":                                       {"unknown shorthand flag", "go run . rotate --help"},
		"rotate --secret stripe --yes=perhaps":            {`invalid argument "perhaps"`, "go run . rotate --help"},
		"rotate --secret stripe --sandbox /tmp/w":         {"equals sign: --sandbox=/tmp/w", "go run . rotate --secret stripe --sandbox=/tmp/w"},
		"--sandbox w rotate --secret stripe":              {"equals sign: --sandbox=w", "go run . --sandbox=w rotate --secret stripe"},
		"rotate --secret strip --sandbox=w":               {"did you mean stripe?", "go run . rotate --sandbox=w --secret stripe"},
		"verify --secret strip":                           {"did you mean stripe?", "go run . verify --secret stripe"},
		"verify stripe":                                   {"takes no argument", "go run . verify --secret stripe"},
		"preview --stack infr":                            {"did you mean infra?", "go run . preview --stack infra"},
		"preview --stack nope":                            {"the catalog has infra, stripe-backend, verifieddit-badges", "go run . preview"},
		"preview --secret nope":                           {`no secret "nope"`, "go run . catalog list"},
		"catalog list x":                                  {`catalog list takes no argument "x"`, "go run . catalog list --help"},
		"doctor x":                                        {"takes no argument", "go run . doctor --help"},
		"setup x":                                         {`"x"`, "go run . setup --help"},
		"sandbox roll":                                    {"sandbox roll SECRET", "go run . sandbox roll stripe"},
		"sandbox roll strip":                              {"did you mean stripe?", "go run . sandbox roll stripe"},
		"sandbox tamper":                                  {"takes a kind", "go run . sandbox tamper --help"},
		"sandbox tamper worker-remove":                    {"did you mean worker-removed?", "go run . sandbox tamper --help"},
		"sandbox tamper pass-edited sightengine/api-user": {"it is sandbox tamper pass-edited ENTRY VALUE", "go run . sandbox tamper --help"},
		"sandbox tamper state-locked":                     {"state-locked STACK", "go run . sandbox tamper --help"},
		"sandbox fault nope":                              {"there are clear, delay, drop", "go run . sandbox fault --help"},
		"rotate --secret stripe --sandbox=":               {"--sandbox is empty", "go run . rotate --help"},
		"status --sandbox=":                               {"--sandbox is empty", "go run . status --help"},
		"sandbox reset --sandbox=":                        {"--sandbox is empty", "go run . sandbox reset --help"},
		"--sandbox=":                                      {"--sandbox is empty", "--help"},
		"doctor --root=":                                  {"--root is empty", "go run . doctor --help"},
		"catalog list --catalog=":                         {"--catalog is empty", "go run . catalog list --help"},
		"doctor --pulumi=":                                {"--pulumi is empty", "go run . doctor --help"},
		"drift --output=":                                 {"--output is empty", "go run . drift --help"},
		"drift --search=x --search=":                      {"--search is empty", "go run . drift --help"},
		"rotate --secret stripe --sandbox=~/x":            {"a folder named ~", `go run . rotate --sandbox="$HOME/x"`},
		"doctor --root=~":                                 {"a folder named ~", `go run . doctor --root="$HOME"`},
		"drift --output=~/report.html":                    {"a folder named ~", `--output="$HOME/report.html"`},
		"status --sandbox=~ada/x":                         {"a folder named ~ada/x", "go run . status --help"},
		"sandbox env x":                                   {"1 argument(s) were given", "go run . sandbox env"},
		"sandbox serve x":                                 {"takes no argument", "go run . sandbox serve --help"},
	} {
		t.Run(line, func(t *testing.T) {
			dir := t.TempDir()
			o := call{dir: dir}.run(t, strings.Fields(line)...)
			require.Equal(t, 2, o.code, o.stderr)
			message, next := o.message(t)
			require.Contains(t, message, want.says)
			require.Contains(t, strings.Join(next, "\n"), want.next)
			require.Empty(t, o.stdout)
			left, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Empty(t, left, "a slip made files")
		})
	}
}

// TestUsageErrorsAsJSON: also where the flag itself was not reached.
func TestUsageErrorsAsJSON(t *testing.T) {
	for _, line := range []string{"rotat --json", "rotate --json --secret strip", "rotate --nope --json", "--json catalog lst", "sandbox roll --json"} {
		o := call{}.run(t, strings.Fields(line)...)
		require.Equal(t, 2, o.code, line)
		message, next := o.message(t)
		decoder := json.NewDecoder(strings.NewReader(o.stdout))
		var doc failureDocument
		require.NoError(t, decoder.Decode(&doc), line)
		require.False(t, decoder.More(), line)
		require.Equal(t, failureDocument{Error: message, ExitCode: 2, Next: next}, doc, line)
	}
}

// TestSandboxVariablesWithoutSandbox: a shell that still points at a sandbox
// must not reach a real store by half.
func TestSandboxVariablesWithoutSandbox(t *testing.T) {
	dir := t.TempDir()
	o := call{dir: dir, env: []string{"SECRET_ROTATION_SANDBOX=" + dir + "/w", "PASSWORD_STORE_DIR=" + dir + "/w/store"}}.run(t, "verify", "--secret", "stripe")
	require.Equal(t, 2, o.code, o.stderr)
	message, next := o.message(t)
	require.Contains(t, message, "points at a sandbox")
	require.Contains(t, strings.Join(next, "\n"), "unset ")
}

// TestPlainPulumiIsRefused: Pulumi.yaml makes a plain `pulumi up` start this
// program.
func TestPlainPulumiIsRefused(t *testing.T) {
	for _, variable := range []string{"PULUMI_MONITOR=127.0.0.1:1", "PULUMI_ENGINE=127.0.0.1:1"} {
		o := call{env: []string{variable}}.run(t)
		require.Equal(t, 2, o.code)
		_, next := o.message(t)
		require.Equal(t, []string{"go run . preview"}, next)
	}
}

// TestNextCommandsStayInTheirWorld: typed as printed, they must not reach the
// company's own store from a sandbox.
func TestNextCommandsStayInTheirWorld(t *testing.T) {
	a := &app{env: Env{Dir: "/home/a"}, opts: globals{sandbox: "w b", catalog: "c.yaml"}}
	for command, want := range map[string]string{
		"go run . rotate --secret a":             "go run . rotate --sandbox='w b' --catalog=c.yaml --secret a",
		"after 3 May: go run . rotate --grace 0": "after 3 May: go run . rotate --sandbox='w b' --catalog=c.yaml --grace 0",
		"go run . sandbox reset":                 "go run . sandbox reset --sandbox='w b' --catalog=c.yaml",
		"go run . rotate --sandbox=x":            "go run . rotate --catalog=c.yaml --sandbox=x",
		"go run . setup":                         "go run . setup",
		"pass edit a/b":                          "PASSWORD_STORE_DIR='/home/a/w b/store' GNUPGHOME='/home/a/w b/gnupg' pass edit a/b",
		"gpg --list-secret-keys":                 "GNUPGHOME='/home/a/w b/gnupg' gpg --list-secret-keys",
		"gpg --a && gpg --b":                     "GNUPGHOME='/home/a/w b/gnupg' gpg --a && GNUPGHOME='/home/a/w b/gnupg' gpg --b",
		"df -h":                                  "df -h",
	} {
		require.Equal(t, want, a.inPlace(command))
	}
	own := &app{}
	require.Equal(t, "pass edit a/b", own.inPlace("pass edit a/b"))
	require.Equal(t, "go run . rotate --secret a", own.inPlace("go run . rotate --secret a"))
}
