package toolchain

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// built is a CLI as a build leaves it: with the host of YAML alone.
func built(t *testing.T) *CLI {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{cliName, languageName} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o755))
	}
	return &CLI{Path: filepath.Join(dir, cliName), Version: Version(), LanguageDir: dir, Home: t.TempDir()}
}

func TestALanguageHostComesFromTheReleaseOnceAndOnlyWhenItIsNeeded(t *testing.T) {
	r := newRelease(t, Version())
	s, cli := Setup{Dir: t.TempDir(), Releases: r.URL}, built(t)
	dir, err := s.Language(t.Context(), cli, "yaml")
	require.NoError(t, err)
	require.Equal(t, cli.LanguageDir, dir)
	require.Zero(t, r.archives.Load())

	for range 2 {
		dir, err = s.Language(t.Context(), cli, "go")
		require.NoError(t, err)
		require.FileExists(t, filepath.Join(dir, "pulumi-language-go"))
		require.NoFileExists(t, filepath.Join(dir, cliName), "another CLI must not be found beside it")
	}
	_, err = s.Language(t.Context(), cli, "cobol")
	require.ErrorIs(t, err, ErrNoLanguage)
	require.EqualValues(t, 1, r.archives.Load())
	left, err := os.ReadDir(s.Dir)
	require.NoError(t, err)
	require.Len(t, left, 2, "the hosts and the lock")
}

func TestALanguageHostThatCannotBeHad(t *testing.T) {
	cli := built(t)
	for name, c := range map[string]struct {
		setup   Setup
		runtime string
		says    string
	}{
		"offline":      {Setup{Offline: true}, "go", "pulumi-language-go"},
		"no network":   {Setup{Releases: "http://127.0.0.1:1"}, "go", "cannot be downloaded"},
		"no such name": {Setup{}, "../../bin/sh", "no such runtime"},
	} {
		t.Run(name, func(t *testing.T) {
			c.setup.Dir = t.TempDir()
			_, err := c.setup.Language(t.Context(), cli, c.runtime)
			require.ErrorIs(t, err, ErrNoLanguage)
			require.ErrorContains(t, err, c.says)
		})
	}
	r := newRelease(t, Version())
	r.sum = "00"
	_, err := Setup{Dir: t.TempDir(), Releases: r.URL}.Language(t.Context(), cli, "go")
	require.ErrorContains(t, err, "SHA-256")
	require.NotErrorIs(t, err, ErrNoLanguage)
}
