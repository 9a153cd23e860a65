package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// serve keeps the world running in a child process and returns its exports.
func (w *sandboxed) serve() string {
	w.t.Helper()
	cmd := w.command(shared.binary, "sandbox", "serve", "--sandbox="+w.dir)
	var stderr bytes.Buffer // read after Wait only
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	require.NoError(w.t, err)
	require.NoError(w.t, cmd.Start())
	lines := bufio.NewReader(stdout)
	line, err := lines.ReadString('\n')
	w.t.Cleanup(func() {
		require.NoError(w.t, cmd.Process.Signal(syscall.SIGTERM))
		_, _ = io.Copy(io.Discard, lines)
		err := cmd.Wait()
		require.NoError(w.t, err, "serve ends well when it is told to\n%s", stderr.String())
	})
	require.NoError(w.t, err)
	require.Contains(w.t, line, filepath.Join(w.dir, "env"))
	return filepath.Join(w.dir, "env")
}

// sourced runs a script in a shell that has only the world's exports.
func (w *sandboxed) sourced(env, script string) result {
	w.t.Helper()
	return w.exec("", "bash", "-c", "set -euo pipefail\n. '"+env+"'\n"+script)
}

// The commands of the procedure that this program replaces, with nothing but
// the base address changed, and other clients' own.
func TestOtherClientsWorkAgainstTheWorld(t *testing.T) {
	t.Parallel()
	w := emptyWorld(t)
	env := w.serve()
	script := func(text string) string {
		t.Helper()
		r := w.sourced(env, text)
		require.Zero(t, r.code, "%s\n%s%s", text, r.stdout, r.stderr)
		return r.stdout
	}

	require.Equal(t, w.pass(stripeKey)+"\n", script("pass show verifieddit/stripe/secret-key"))

	// 1.3: test the token.
	success(t, script(`curl -s -H "Authorization: Bearer $(pass cloudflare/api-token)" "$CLOUDFLARE_API_BASE_URL/user/tokens/verify"`), true)
	success(t, script(`curl -s -H "Authorization: Bearer $(pass cloudflare/api-token)x" "$CLOUDFLARE_API_BASE_URL/user/tokens/verify"`), false)

	// 2.4: registry access, the docker way.
	tags := script(`
		challenge=$(curl -s -D - -o /dev/null "$SCW_REGISTRY_URL/v2/" | tr -d '\r' | sed -n 's/^[Ww]ww-[Aa]uthenticate: Bearer //p')
		realm=$(printf '%s' "$challenge" | sed -n 's/.*realm="\([^"]*\)".*/\1/p')
		service=$(printf '%s' "$challenge" | sed -n 's/.*service="\([^"]*\)".*/\1/p')
		token=$(curl -s -u "nologin:$(pass sanmarcsoft/scaleway/api-secret)" "$realm?service=$service&scope=repository:sanmarcsoft/verifieddit-www:pull" | sed -n 's/.*"token": *"\([^"]*\)".*/\1/p')
		curl -s -H "Authorization: Bearer $token" "$SCW_REGISTRY_URL/v2/sanmarcsoft/verifieddit-www/tags/list"`)
	require.Contains(t, tags, `"tags"`)

	// 3.3: one Worker secret.
	versions := len(w.truth().Workers[badges].Versions)
	success(t, script(`
		CF_TOKEN=$(pass cloudflare/api-token)
		ACCOUNT_ID=$(pass cloudflare/account-id)
		curl -s -X PUT \
		  "$CLOUDFLARE_API_BASE_URL/accounts/${ACCOUNT_ID}/workers/scripts/verifieddit-badges/secrets" \
		  -H "Authorization: Bearer ${CF_TOKEN}" \
		  -H "Content-Type: application/json" \
		  --data '{
		    "name": "CLERK_SECRET_KEY",
		    "text": "'"$(pass verifieddit/clerk/secret-key)"'",
		    "type": "secret_text"
		  }'`), true)
	require.Len(t, w.truth().Workers[badges].Versions, versions+1)

	// 5.3: the loop, word by word.
	rolled := w.roll("sightengine")
	w.insert(seUser, rolled["api-user"])
	w.insert(seSecret, rolled["api-secret"])
	script(`
		for SECRET in SIGHTENGINE_API_USER SIGHTENGINE_API_SECRET; do
		  PASS_KEY=$(echo $SECRET | tr '[:upper:]' '[:lower:]' | sed 's/_/-/g' | sed 's/sightengine-/sightengine\//')
		  curl -sf -X PUT \
		    "$CLOUDFLARE_API_BASE_URL/accounts/${ACCOUNT_ID}/workers/scripts/verifieddit-badges/secrets" \
		    -H "Authorization: Bearer ${CF_TOKEN}" \
		    -H "Content-Type: application/json" \
		    --data "{\"name\": \"${SECRET}\", \"text\": \"$(pass ${PASS_KEY})\", \"type\": \"secret_text\"}"
		done`)
	require.Equal(t, rolled["api-secret"], w.truth().Workers[badges].Versions[versions+2].Secrets["SIGHTENGINE_API_SECRET"])
	require.Len(t, w.truth().Workers[badges].Versions, versions+3, "by hand it is two versions, the first with half a pair")

	w.plainPulumi(script)
	for _, r := range w.requests() {
		require.False(t, r.Unplanned, "%s %s", r.Method, r.Path)
	}
	w.refusesTheShellOfASandbox(env)
}

// plainPulumi uses the CLI on the copies of the projects, as a person does.
func (w *sandboxed) plainPulumi(script func(string) string) {
	w.t.Helper()
	for dir, key := range map[string]string{"infra": "scaleway-secret-key", "services/stripe-backend/infra": "stripe-secret-key"} {
		in := "cd '" + filepath.Join(w.dir, "projects", dir) + "'\n"
		require.Contains(w.t, script(in+"pulumi stack ls"), "prod")
		config := script(in + "pulumi config")
		require.Contains(w.t, config, key)
		require.Contains(w.t, config, "[secret]")
		script(in + "pulumi preview --expect-no-changes --non-interactive")
	}
	in := "cd '" + filepath.Join(w.dir, "projects", "infra") + "'\n"
	require.Equal(w.t, w.pass(scwSecret), strings.TrimSpace(script(in+"pulumi config get scaleway-secret-key")))
	// 2.3: the procedure's own line, and what it leads to.
	script(in + `pulumi config set --secret scaleway-secret-key "$(pass sanmarcsoft/scaleway/api-secret)"`)
	script(in + "pulumi preview --expect-no-changes --non-interactive")
}

// refusesTheShellOfASandbox: a real run must not mistake one world for the other.
func (w *sandboxed) refusesTheShellOfASandbox(env string) {
	w.t.Helper()
	before := w.truth()
	r := w.sourced(env, "'"+shared.binary+"' rotate --secret stripe --yes")
	require.Equal(w.t, 2, r.code, r.stderr)
	unset := r.stderr[strings.Index(r.stderr, "unset "):]
	for _, name := range []string{"PASSWORD_STORE_DIR", "GNUPGHOME", "CLOUDFLARE_API_BASE_URL", "PULUMI_BACKEND_URL", "SSL_CERT_FILE", "STRIPE_API_BASE", "SECRET_ROTATION_SANDBOX"} {
		require.Contains(w.t, unset, name)
	}
	line, _, _ := strings.Cut(unset, "\n")
	again := w.sourced(env, line+"\n'"+shared.binary+"' catalog list && '"+shared.binary+"' rotate --secret stripe --yes")
	require.NotContains(w.t, again.stderr, "still points at a sandbox", "what it says to type helps")
	require.Equal(w.t, before, w.truth())
}

func success(t *testing.T, answer string, want bool) {
	t.Helper()
	var document struct {
		Success *bool `json:"success"`
	}
	require.NoError(t, json.Unmarshal([]byte(answer), &document), answer)
	require.NotNil(t, document.Success)
	require.Equal(t, want, *document.Success, answer)
}
