package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/store"
	"github.com/sanmarcsoft/secret-rotation/secrets/store/storetest"
)

// nightOf is what doctor --nightly says of a host with this store.
func nightOf(t *testing.T, o store.Options, f *storetest.Fixture) (map[string]finding, bool) {
	var stdout, stderr bytes.Buffer
	a := &app{env: Env{Stdout: &stdout, Stderr: &stderr, Environ: f.Env, Dir: t.TempDir()}, nightly: true}
	s := a.bare()
	var err error
	s.catalog, err = secrets.Embedded()
	require.NoError(t, err)
	s.store = f.Open(o)
	all, decrypts := s.nightHost(t.Context())
	require.NoError(t, s.close())
	byName := map[string]finding{}
	for _, one := range all {
		name, _, _ := strings.Cut(one.Name, " ")
		byName[name] = one
		require.True(t, one.OK && !one.Note || one.Fix != "", "%s: nothing to type", one.Name)
	}
	return byName, decrypts
}

// TestNightlyHost: the recipe that doctor prints, done, is a host that it has
// nothing to say about; and each thing that is missing is told.
func TestNightlyHost(t *testing.T) {
	f := storetest.New(t)
	f.Insert(map[string]string{"cloudflare/api-token": "hunter2\n"})
	// The operator's own machine: the whole key, and a push.
	all, decrypts := nightOf(t, f.Options(), f)
	require.True(t, decrypts)
	require.True(t, all["key"].Note)
	require.Contains(t, all["key"].Detail, "secret part of its primary key is here")
	require.Contains(t, all["key"].Fix, "gpg --export-secret-subkeys")
	require.True(t, all["store"].Note)
	require.Contains(t, all["store"].Fix, "only reads")

	// The recipe, as printed, with a host that is a folder here.
	host := filepath.Join(f.Home, "host")
	require.NoError(t, os.Mkdir(host, 0o700))
	t.Cleanup(func() { f.Run("", "gpgconf", "--homedir", host, "--kill", "gpg-agent") })
	recipe, ok := strings.CutPrefix(nightKey, "on your own machine: ")
	require.True(t, ok)
	recipe = strings.Replace(recipe, "ssh HOST gpg", "gpg --homedir "+host, 1)
	require.NotContains(t, recipe, "ssh")
	f.Run("", "sh", "-ec", recipe)
	f.Git("config", "remote.origin.receivepack", "false")
	o := f.Options()
	o.GNUPGHome = host
	all, decrypts = nightOf(t, o, f)
	require.True(t, decrypts)
	require.Equal(t, "decrypts, without a passphrase, and can do nothing else", all["key"].Detail)
	require.True(t, all["key"].OK && !all["key"].Note)
	require.Contains(t, all["store"].Detail, "takes no push")
	require.Contains(t, all["decryption"].Detail, "without a question")

	// A remote that does not answer, and a store that is not encrypted to the host.
	back := f.HideRemote()
	all, _ = nightOf(t, o, f)
	require.False(t, all["store"].OK)
	back()
	o.GNUPGHome = filepath.Join(f.Home, "empty")
	require.NoError(t, os.Mkdir(o.GNUPGHome, 0o700))
	t.Cleanup(func() { f.Run("", "gpgconf", "--homedir", o.GNUPGHome, "--kill", "gpg-agent") })
	all, decrypts = nightOf(t, o, f)
	require.False(t, decrypts)
	require.Contains(t, all["decryption"].Fix, "--export-secret-subkeys")
}

// TestPower: a credential that may do more than the check needs is a note, and
// one that the service says nothing about is not called harmless.
func TestPower(t *testing.T) {
	s := &session{app: &app{}}
	value := func(text string) services.Credential {
		return services.Credential{"secret-key": secrets.NewValue([]byte(text))}
	}
	for _, c := range []struct {
		service string
		cred    services.Credential
		report  services.Report
		note    bool
		says    string
	}{
		{"cloudflare", nil, services.Report{Writes: []string{"DNS Write", "Workers Scripts Write"}}, true, "DNS Write, Workers Scripts Write"},
		{"cloudflare", nil, services.Report{}, true, "not known whether it may write"},
		{"scaleway", nil, services.Report{}, true, "is not asked"},
		{"stripe", value("sk_live_x"), services.Report{Mode: "live"}, true, "may do everything"},
		{"stripe", value("rk_live_x"), services.Report{Mode: "live"}, false, "live"},
		{"clerk", value("sk_live_x"), services.Report{}, true, "no lesser kind"},
		{"github", nil, services.Report{Detail: "as eva"}, false, "as eva"},
	} {
		f := s.power(secrets.Secret{Service: c.service, Name: "x"}, c.cred, c.report)
		require.True(t, f.OK)
		require.Equal(t, c.note, f.Note, c.service)
		require.Contains(t, f.Detail, c.says)
	}
}

func TestFilesThatOthersCanRead(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, ".config", "secret-rotation", "nightly.env")
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
	require.NoError(t, os.WriteFile(file, nil, 0o640))
	a := &app{env: Env{Environ: []string{"HOME=" + dir}, Dir: dir}}
	found := a.privateFiles()
	require.Len(t, found, 1)
	require.Equal(t, "chmod 600 "+file, found[0].Fix)
	require.NoError(t, os.Chmod(file, 0o600))
	require.Empty(t, a.privateFiles())
}
