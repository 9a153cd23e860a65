package engine_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
	"github.com/sanmarcsoft/secret-rotation/internal/vaulttest"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// kept is a lab whose stack prod has its secrets in the vault.
type kept struct {
	*lab
	vault *vaulttest.Vault
}

func newKept(t *testing.T) *kept {
	k := &kept{lab: newLab(t, realCLI(t)), vault: vaulttest.New(t)}
	k.variables = []string{"VAULT_ADDR=" + k.vault.URL, "VAULT_TOKEN=" + k.vault.Token}
	k.pulumi("", "stack", "init", "prod", "--secrets-provider", vaulttest.Provider)
	k.pulumi("first-token-value", "config", "set", "--secret", "token", "--stack", "prod")
	k.pulumi("", "config", "set", "--path", "--secret", "db.password", "first-db-password", "--stack", "prod")
	k.pulumi("", "config", "set", "size", "large", "--stack", "prod")
	raw, err := os.ReadFile(k.path())
	require.NoError(t, err)
	require.Contains(t, string(raw), "secretsprovider: "+vaulttest.Provider)
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
	return map[string]string{"VAULT_ADDR": k.vault.URL, "VAULT_TOKEN": k.vault.Token}
}

func TestSecretsOfAVaultAreReadAndWritten(t *testing.T) {
	ctx := t.Context()
	k := newKept(t)
	s := k.open(k.env())
	conf, err := s.Config(ctx)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"size": "large"}, conf.Plain)
	require.True(t, conf.Secrets["token"].Equal(val("first-token-value")))
	require.Equal(t, engine.Object, conf.Form("db"))
	require.Len(t, conf.Nested, 1)
	require.Equal(t, "db.password", conf.Nested[0].Path)
	require.True(t, conf.Nested[0].Value.Equal(val("first-db-password")))

	before, asked := k.file(s), k.vault.Decrypted()
	file, cleanup, err := s.StandIn(ctx, map[string]secrets.Value{"token": val("stand-in-value-00")})
	require.NoError(t, err)
	require.Contains(t, k.pulumi("", "config", "get", "token", "--stack", "prod", "--config-file", file), "stand-in-value-00")
	_, err = s.Preview(ctx, engine.PreviewOptions{ConfigFile: file})
	require.NoError(t, err)
	cleanup()
	require.Equal(t, before, k.file(s), "a preview writes nothing")

	fresh := "  second\r\nvalue\n"
	edit, err := s.WriteConfig(ctx, map[string]secrets.Value{"token": val(fresh), "new": val("secret now")})
	require.NoError(t, err)
	require.Equal(t, []string{"new", "token"}, edit.Changed)
	require.Greater(t, k.vault.Decrypted(), asked)
	after := k.file(s)
	require.Equal(t, withoutCiphertext(before), strings.Replace(withoutCiphertext(after), "  example:new:\n    secure: X\n", "", 1))
	require.Equal(t, fresh, decoded(t, k.pulumi("", "config", "get", "token", "--stack", "prod", "--json")))
	require.Equal(t, "secret now", decoded(t, k.pulumi("", "config", "get", "new", "--stack", "prod", "--json")))
	for _, key := range []string{"size", "db"} {
		_, err = s.WriteConfig(ctx, map[string]secrets.Value{key: val("secret now")})
		require.Error(t, err)
		require.Equal(t, after, k.file(s), "what is no secret is not replaced")
	}
	require.Contains(t, k.pulumi("", "config", "get", "--path", "db.password", "--stack", "prod"), "first-db-password")
	again, err := s.WriteConfig(ctx, map[string]secrets.Value{"token": val(fresh)})
	require.NoError(t, err)
	require.Empty(t, again.Changed)
	k.up(s)
	require.NoError(t, edit.Undo())
	require.Equal(t, before, k.file(s))
	require.Empty(t, k.vault.Unplanned())
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
	closed := vaulttest.New(t)
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
			_, err := s.Config(ctx)
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
