package cli

import (
	"encoding/json"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

func TestEnvIsRefusedBeforeAnythingIsOpened(t *testing.T) {
	for line, want := range map[string]struct{ says, next string }{
		"env -- true":                                      {"no environment named; the catalog has cloudflare, pulumi", "go run . env"},
		"env --format shell":                               {"no environment named", "go run . env"},
		"env --for cloudfare -- true":                      {`no environment "cloudfare"; did you mean cloudflare?`, "go run . env --for cloudflare"},
		"env --for paypal -- true":                         {"the catalog has cloudflare, pulumi", "go run . env"},
		"env --for pulumi":                                 {"neither a command (behind --) nor a --format", "go run . env --for pulumi -- COMMAND"},
		"env --for pulumi --":                              {"neither a command", `eval "$(go run . env --for pulumi --format shell)"`},
		"env --for pulumi npm -- start":                    {"behind two dashes: -- npm", "go run . env --for pulumi -- npm start"},
		"env --for pulumi --format shell -- true":          {"exclude each other", "go run . env --for pulumi -- COMMAND"},
		"env --for pulumi --format yaml":                   {`no format "yaml": shell, dotenv and json`, "--format shell"},
		"env --for pulumi --json -- true":                  {"--json lists the environments", "--format json"},
		"env --for pulumi --watch --format shell":          {"--watch goes with a command", "--watch -- COMMAND"},
		"env --for pulumi --every 1s -- true":              {"--every goes with --watch", "--watch --every 1s"},
		"env --for pulumi --watch --every 1ms -- true":     {"too often", "--every 5s"},
		"env --for pulumi --watch --every often -- --json": {"invalid argument", "go run . env --help"},
	} {
		t.Run(line, func(t *testing.T) {
			o := call{}.run(t, strings.Fields(line)...)
			require.Equal(t, 2, o.code, o.stderr)
			message, next := o.message(t)
			require.Contains(t, message, want.says)
			require.Contains(t, strings.Join(next, "\n"), want.next)
			if !strings.Contains(line, "--json") || strings.HasSuffix(line, "-- --json") {
				require.Empty(t, o.stdout)
			}
		})
	}
}

func TestEnvironmentsAreListedAndCompleted(t *testing.T) {
	o := call{}.run(t, "env")
	require.Zero(t, o.code, o.stderr)
	require.Contains(t, o.stdout, "pulumi       AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY PULUMI_BACKEND_URL")
	o = call{}.run(t, "env", "--json")
	var doc struct {
		Environments []struct {
			Name      string
			Variables []string
		}
	}
	require.NoError(t, json.Unmarshal([]byte(o.stdout), &doc))
	require.Equal(t, "cloudflare", doc.Environments[0].Name)
	require.Contains(t, doc.Environments[0].Variables, "CF_TOKEN")
	o = call{}.run(t, "__complete", "env", "--for", "")
	require.Contains(t, o.stdout, "pulumi\tAWS_ACCESS_KEY_ID")
}

// hostile are values that quoting goes wrong with.
func hostile() []string {
	var every []byte
	for b := 1; b < 256; b++ {
		every = append(every, byte(b))
	}
	return []string{string(every), "", "plain", "'", `"`, "`", `it's "both"`, "$HOME `id` $(id) ${X}", `back\slash`, `end\`, `end'\`, `a\nb`, `a\nb'`,
		"# no comment", "a # b", " blanks ", "\ttab", "two\nlines\n", "!history!", "-n", "~", "*", "=", "a=b", "ü€😀", "\u2028", "</script>&", "\\u0041", "%s%d", "\x7f\x1b[31m", "'#", "#'"}
}

// TestShellFormatIsReadBack: by every shell of this machine that there is.
func TestShellFormatIsReadBack(t *testing.T) {
	for _, shell := range []string{"sh", "bash"} {
		for _, locale := range []string{"C", "C.UTF-8"} {
			for _, value := range hostile() {
				line, err := shellLine("V", value)
				require.NoError(t, err)
				cmd := exec.Command(shell, "-c", `eval "$1"; printf '%s.' "$V"; env -0 | grep -zc '^V=' >&2`, "sh", line)
				cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=" + locale}
				var stderr strings.Builder
				cmd.Stderr = &stderr
				out, err := cmd.Output()
				require.NoError(t, err, stderr.String())
				require.Equal(t, value+".", string(out), "%s %s %q", shell, locale, value)
				require.Equal(t, "1\n", stderr.String(), "it is exported")
			}
		}
	}
	_, err := shellLine("V", "a\x00b")
	require.ErrorContains(t, err, "NUL")
}

// dotenvParse is npm's dotenv 16.4, lib/main.js, function parse. The expression
// is its own but for the end of a line, which Go writes otherwise.
func dotenvParse(text string) map[string]string {
	out := map[string]string{}
	text = regexp.MustCompile(`\r\n?`).ReplaceAllString(text, "\n")
	line := regexp.MustCompile(`(?m)(?:^|^)\s*(?:export\s+)?([\w.-]+)(?:\s*=\s*?|:\s+?)(\s*'(?:\\'|[^'])*'|\s*"(?:\\"|[^"])*"|\s*` + "`(?:\\\\`|[^`])*`" + `|[^#\r\n]+)?\s*(?:#.*)?(?:$|$)`)
	for _, m := range line.FindAllStringSubmatch(text, -1) {
		value := strings.TrimSpace(m[2])
		double := strings.HasPrefix(value, `"`)
		if len(value) > 1 && strings.ContainsAny(value[:1], "'\"`") && value[0] == value[len(value)-1] {
			value = value[1 : len(value)-1]
		}
		if double {
			value = strings.NewReplacer(`\n`, "\n", `\r`, "\r").Replace(value)
		}
		out[m[1]] = value
	}
	return out
}

// composeParse is what compose-go's dotenv package makes of a quoted value: within
// apostrophes a backslash keeps the next one from closing, within " it also begins
// an escape, and $ is expanded.
func composeParse(line string) string {
	_, quoted, _ := strings.Cut(line, "=")
	quote, escaped := quoted[0], false
	var value []byte
	for _, c := range []byte(quoted[1:]) {
		switch {
		case c == quote && !escaped:
			if quote == '"' && strings.ContainsAny(string(value), `$\`) {
				return "expanded"
			}
			return string(value)
		case c != quote && escaped:
			value = append(value, '\\', c)
			escaped = false
		case c == '\\':
			escaped = true
		default:
			value, escaped = append(value, c), false
		}
	}
	return "not closed"
}

// TestDotenvFormatIsReadBack: each value between two others, for a quote that
// stays open would take the next line.
func TestDotenvFormatIsReadBack(t *testing.T) {
	before, err := dotenvLine("A", "#it's")
	require.NoError(t, err)
	after, err := dotenvLine("Z", "#z")
	require.NoError(t, err)
	written := 0
	for _, value := range hostile() {
		line, err := dotenvLine("V", value)
		if err != nil {
			require.True(t, strings.ContainsAny(value, "\n\r\x00'\"\\$"), "%q: %v", value, err)
			require.NotContains(t, err.Error(), value+" ", "the value is quoted")
			continue
		}
		written++
		require.Equal(t, map[string]string{"A": "#it's", "V": value, "Z": "#z"}, dotenvParse(before+"\n"+line+"\n"+after+"\n"), "%s", line)
		require.Equal(t, value, composeParse(line), "%s", line)
		require.NotContains(t, value, "$", "dotenv-expand, and so wrangler, expands it between apostrophes too")
		sourced, err := exec.Command("sh", "-c", line+"; printf %s \"$V\"").Output()
		require.NoError(t, err)
		require.Equal(t, value, string(sourced), "%s", line)
	}
	require.Greater(t, written, 15)
	for _, value := range []string{"a\nb", "a\rb", "a\x00b", "'\"`", "\xff", "pa$word", "pa${word}", "$", "it's \\ it"} {
		_, err := dotenvLine("V", value)
		require.Error(t, err, "%q", value)
	}
}

func TestJSONFormatIsReadBack(t *testing.T) {
	for _, value := range hostile() {
		member, err := jsonMember("V", value)
		if err != nil {
			require.ErrorContains(t, err, "not UTF-8")
			continue
		}
		var doc map[string]string
		require.NoError(t, json.Unmarshal([]byte("{"+member+"}"), &doc))
		require.Equal(t, value, doc["V"])
	}
	_, err := jsonMember("V", "\xff")
	require.Error(t, err)
}

func TestMergedReplacesTheCallersVariables(t *testing.T) {
	got := merged([]string{"A=1", "TOKEN=old", "B=2", "TOKEN=older", "TOKENS=3"}, map[string]secrets.Value{"TOKEN": secrets.NewValue([]byte("new"))})
	require.Equal(t, []string{"A=1", "B=2", "TOKENS=3", "TOKEN=new"}, got)
}
