package engine_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// vault is the part of Vault's transit engine that Pulumi uses: one key, one
// token. Its ciphertext is base64 with Vault's prefix, which is enough to see
// that the right key was asked.
type vault struct {
	*httptest.Server
	token string

	mu        sync.Mutex
	decrypted int
	unplanned []string
}

func newVault(t *testing.T) *vault {
	v := &vault{token: "hvs.example-token-0123456789"}
	v.Server = httptest.NewServer(v)
	t.Cleanup(v.Close)
	return v
}

func (v *vault) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	var in map[string]string
	err := json.NewDecoder(r.Body).Decode(&in)
	answer := func(status int, body any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	}
	const prefix = "vault:v1:shop-key:"
	switch {
	case r.Header.Get("X-Vault-Token") != v.token:
		answer(http.StatusForbidden, map[string]any{"errors": []string{"permission denied"}})
	case err != nil || r.Method != http.MethodPut || r.URL.Path != "/v1/transit/encrypt/shop-key" && r.URL.Path != "/v1/transit/decrypt/shop-key":
		v.unplanned = append(v.unplanned, r.Method+" "+r.URL.Path)
		answer(http.StatusNotFound, map[string]any{"errors": []string{}})
	case strings.Contains(r.URL.Path, "/encrypt/"):
		answer(http.StatusOK, map[string]any{"data": map[string]string{"ciphertext": prefix + in["plaintext"]}})
	case !strings.HasPrefix(in["ciphertext"], prefix):
		answer(http.StatusBadRequest, map[string]any{"errors": []string{"invalid ciphertext: no prefix"}})
	default:
		v.decrypted++
		answer(http.StatusOK, map[string]any{"data": map[string]string{"plaintext": strings.TrimPrefix(in["ciphertext"], prefix)}})
	}
}

// kept is a lab whose stack prod has its secrets in the vault.
type kept struct {
	*lab
	vault *vault
}

func newKept(t *testing.T) *kept {
	k := &kept{lab: newLab(t, realCLI(t)), vault: newVault(t)}
	k.variables = []string{"VAULT_ADDR=" + k.vault.URL, "VAULT_TOKEN=" + k.vault.token}
	k.pulumi("", "stack", "init", "prod", "--secrets-provider", "hashivault://shop-key")
	k.pulumi("first-token-value", "config", "set", "--secret", "token", "--stack", "prod")
	k.pulumi("", "config", "set", "--path", "--secret", "db.password", "first-db-password", "--stack", "prod")
	k.pulumi("", "config", "set", "size", "large", "--stack", "prod")
	raw, err := os.ReadFile(k.path())
	require.NoError(t, err)
	require.Contains(t, string(raw), "secretsprovider: hashivault://shop-key")
	require.NoError(t, os.WriteFile(k.path(), []byte("# Ask Ann.\n"+string(raw)+"\n# end"), 0o600))
	return k
}

func (k *kept) path() string { return filepath.Join(k.dir, "Pulumi.prod.yaml") }

// open opens the stack with no passphrase anywhere.
func (k *kept) open(env map[string]string) *engine.Stack {
	k.t.Helper()
	values := map[string]secrets.Value{}
	for name, v := range env {
		values[name] = val(v)
	}
	s, err := k.newEngine("").Open(context.Background(), engine.StackSpec{Name: "shop", Dir: k.dir, Env: values})
	require.NoError(k.t, err)
	return s
}

func (k *kept) env() map[string]string {
	return map[string]string{"VAULT_ADDR": k.vault.URL, "VAULT_TOKEN": k.vault.token}
}

func TestSecretsOfAVaultAreReadAndWritten(t *testing.T) {
	ctx := t.Context()
	k := newKept(t)
	s := k.open(k.env())
	secret, plain, err := s.Config(ctx)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"size": "large"}, plain)
	require.True(t, secret["token"].Equal(val("first-token-value")))
	require.True(t, secret["db"].Equal(val(`{"password":"first-db-password"}`)))

	before, asked := k.file(s), k.vault.decrypted
	file, cleanup, err := s.StandIn(ctx, map[string]secrets.Value{"token": val("stand-in-value-00")})
	require.NoError(t, err)
	require.Contains(t, k.pulumi("", "config", "get", "token", "--stack", "prod", "--config-file", file), "stand-in-value-00")
	_, err = s.Preview(ctx, engine.PreviewOptions{ConfigFile: file})
	require.NoError(t, err)
	cleanup()
	require.Equal(t, before, k.file(s), "a preview writes nothing")

	fresh := "  second\r\nvalue\n"
	edit, err := s.WriteConfig(ctx, map[string]secrets.Value{"token": val(fresh), "size": val("secret now"), "db": secret["db"]})
	require.NoError(t, err)
	require.Equal(t, []string{"size", "token"}, edit.Changed)
	require.Greater(t, k.vault.decrypted, asked)
	after := k.file(s)
	require.Equal(t, withoutCiphertext(before), strings.Replace(withoutCiphertext(after), "example:size:\n    secure: X", "example:size: large", 1))
	require.Equal(t, fresh, decoded(t, k.pulumi("", "config", "get", "token", "--stack", "prod", "--json")))
	require.Equal(t, "secret now", decoded(t, k.pulumi("", "config", "get", "size", "--stack", "prod", "--json")))
	require.Contains(t, k.pulumi("", "config", "get", "--path", "db.password", "--stack", "prod"), "first-db-password")
	again, err := s.WriteConfig(ctx, map[string]secrets.Value{"token": val(fresh)})
	require.NoError(t, err)
	require.Empty(t, again.Changed)
	k.up(s)
	require.NoError(t, edit.Undo())
	require.Equal(t, before, k.file(s))
	require.Empty(t, k.vault.unplanned)
	left, err := filepath.Glob(filepath.Join(k.dir, ".*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

// withoutCiphertext is the file but for what a write has to change.
func withoutCiphertext(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if head, cipher, ok := strings.Cut(line, "secure: "); ok && strings.HasPrefix(cipher, "v1:") {
			lines[i] = head + "secure: X"
		}
	}
	return strings.Join(lines, "\n")
}

func TestAVaultThatDoesNotOpenTheStack(t *testing.T) {
	ctx := t.Context()
	k := newKept(t)
	before := k.file(k.open(k.env()))
	closed := newVault(t)
	closed.Close()
	for name, c := range map[string]struct {
		env        map[string]string
		says, next string
	}{
		"no variables": {nil, "VAULT_ADDR", "names none"},
		"wrong token":  {map[string]string{"VAULT_ADDR": k.vault.URL, "VAULT_TOKEN": "hvs.another-token-012345"}, "permission denied", "gives VAULT_ADDR, VAULT_TOKEN"},
		"nobody there": {map[string]string{"VAULT_ADDR": closed.URL, "VAULT_TOKEN": "x", "VAULT_MAX_RETRIES": "0"}, "connection refused", "VAULT_ADDR"},
	} {
		t.Run(name, func(t *testing.T) {
			s := k.open(c.env)
			_, _, err := s.Config(ctx)
			e := asError(t, err, engine.Failed)
			require.ErrorContains(t, e, "does not open this stack's secrets")
			require.ErrorContains(t, e, c.says)
			require.Contains(t, e.Next, c.next)
			require.NotContains(t, e.Error()+e.Next, "hvs.another")
			_, err = s.WriteConfig(ctx, map[string]secrets.Value{"token": val("second-token-value")})
			asError(t, err, engine.Failed)
			require.NotContains(t, err.Error(), "second-token-value")
			require.Equal(t, before, k.file(s))
		})
	}
}
