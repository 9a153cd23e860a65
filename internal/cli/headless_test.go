package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets/store/storetest"
)

// TestNothingAsksWithoutATerminal: the store's key has a passphrase that gpg's
// agent does not have, and a pinentry that would wait for ever. Each command ends
// by itself, says why, and what to type; nobody was asked.
func TestNothingAsksWithoutATerminal(t *testing.T) {
	f := storetest.New(t)
	key := f.Key("Locked <locked@example.invalid>", "correct horse", "never")
	f.Run("", "sh", "-c", "printf '%s\\n' "+key+" >.gpg-id && git add -A && git commit -qm ids")
	for _, path := range []string{"cloudflare/api-token", "cloudflare/account-id", "verifieddit/clerk/secret-key", "verifieddit/clerk/publishable-key"} {
		f.Pass("hunter2\n", "insert", "-m", "-f", path)
	}
	f.Git("push", "--quiet")
	asked := filepath.Join(f.Home, "asked")
	hang := filepath.Join(f.Home, "hang")
	pinentry := filepath.Join(f.Home, "pinentry")
	require.NoError(t, os.WriteFile(pinentry, []byte("#!/bin/sh\ntouch "+asked+"\n[ -e "+hang+" ] && exec sleep 100000\nexit 1\n"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(f.GNUPGHome, "gpg-agent.conf"), []byte("pinentry-program "+pinentry+"\n"), 0o600))
	f.Run("", "gpgconf", "--kill", "gpg-agent")
	// It is the one that gpg asks, and from now on it waits.
	_, _, ok := f.Try("", "gpg", "--batch", "--decrypt", "cloudflare/account-id.gpg")
	require.False(t, ok)
	require.FileExists(t, asked)
	require.NoError(t, os.Remove(asked))
	require.NoError(t, os.WriteFile(hang, nil, 0o600))
	f.Run("", "gpgconf", "--kill", "gpg-agent")

	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	state := t.TempDir()
	text, err := os.ReadFile("../../secrets/catalog.yaml")
	require.NoError(t, err)
	lines := strings.Split(string(text), "\n")
	for i, line := range lines {
		switch {
		case strings.HasPrefix(line, "  url: s3://"):
			lines[i] = "  url: file://" + state
		case strings.HasPrefix(line, "  accessKey: sanmarcsoft"), strings.HasPrefix(line, "  secretKey: sanmarcsoft"):
			lines[i] = ""
		case strings.HasPrefix(line, "      - name: state-backend"):
			lines[i], lines[i+1], lines[i+2] = "", "", ""
		}
	}
	catalog := filepath.Join(t.TempDir(), "catalog.yaml")
	require.NoError(t, os.WriteFile(catalog, []byte(strings.Join(lines, "\n")), 0o600))
	env := append([]string{"XDG_CACHE_HOME=" + cache, "GPG_TTY=/dev/tty", "DISPLAY=:0"}, f.Env...)
	for _, c := range []struct {
		line string
		code int
		says []string
	}{
		{"verify", 1, []string{"key is locked", "needs its passphrase and there is no terminal to ask on", "next: gpg --decrypt "}},
		{"drift", 4, []string{"no terminal to ask on"}},
		{"rotate --secret clerk --yes", 1, []string{"key is locked", "no terminal to ask on"}},
		{"revoke --due --yes", 1, []string{"key is locked", "no terminal to ask on"}},
		{"status", 0, nil}, // it decrypts nothing
		{"doctor --nightly", 1, []string{"it has a passphrase, and nobody is here to type it", "--quick-generate-key 'nightly HOST'", "not checked: the key first"}},
		{"doctor --nightly --json", 1, []string{"nobody is here to type it"}},
	} {
		o := call{env: env}.run(t, append(strings.Fields(c.line), "--catalog", catalog)...)
		require.Equal(t, c.code, o.code, "%s: %s%s", c.line, o.stdout, o.stderr)
		for _, text := range c.says {
			require.Contains(t, o.stdout+o.stderr, text, c.line)
		}
		require.NoFileExists(t, asked, "%s asked for the passphrase", c.line)
	}
}
