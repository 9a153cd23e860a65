package toolchain

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGivenCLI(t *testing.T) {
	cases := map[string]struct{ answer, refused, warned string }{
		"the same":          {answer: "v" + Version()},
		"newer":             {answer: "v3.300.1", warned: "warning: using Pulumi CLI 3.300.1"},
		"oldest":            {answer: "v3.258.0", warned: "warning: using Pulumi CLI 3.258.0"},
		"too old":           {answer: "v3.257.9", refused: "3.258.0 or newer is needed"},
		"release to come":   {answer: "v3.258.0-alpha.1", refused: "3.258.0 or newer is needed"},
		"no version":        {answer: "hello", refused: "not a version"},
		"program that dies": {answer: "v3.300.1; exit 1", refused: "asking"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "pulumi")
			require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\necho "+c.answer+"\n"), 0o755))
			var said string
			cli, err := Setup{Dir: t.TempDir(), Path: path, Progress: func(l string) { said += l }}.Find(context.Background())
			if c.refused != "" {
				require.ErrorContains(t, err, c.refused)
				return
			}
			require.NoError(t, err)
			require.Equal(t, path, cli.Path)
			require.Contains(t, said, c.warned)
			require.Equal(t, c.warned == "", said == "")
		})
	}
}

func TestGivenCLIThatIsNotThere(t *testing.T) {
	_, err := Setup{Dir: t.TempDir(), Path: filepath.Join(t.TempDir(), "pulumi")}.Ensure(context.Background())
	require.ErrorIs(t, err, ErrNotInstalled)
}

func TestGivenCLITakesTheLanguagePluginBesideIt(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{cliName, languageName} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\necho v"+Version()+"\n"), 0o755))
	}
	cli, err := Setup{Dir: t.TempDir(), Path: filepath.Join(dir, cliName)}.Find(context.Background())
	require.NoError(t, err)
	require.Equal(t, dir, cli.LanguageDir)
}

func TestEmbeddedModulesAreThoseOfTools(t *testing.T) {
	for name, embedded := range map[string][]byte{"go.mod": goMod, "go.sum": goSum} {
		want, err := os.ReadFile(filepath.Join("..", "..", "..", "tools", name))
		require.NoError(t, err)
		require.Equal(t, string(want), string(embedded), "run: cp tools/%s automation/engine/toolchain/modules/%s.txt", name, name)
	}
	cli, err := pinned(goMod, "github.com/pulumi/pulumi/pkg/v3")
	require.NoError(t, err)
	require.Equal(t, "v"+Version(), cli, "tools/go.mod must pin the SDK's version")
	_, err = pinned(goMod, yamlModule)
	require.NoError(t, err)
}

func TestBuildProgress(t *testing.T) {
	p := &buildProgress{what: "it", about: 3, programs: []string{cliName, languageName}}
	require.Contains(t, p.line(), "0 of at most")
	p.add("go: downloading github.com/pulumi/pulumi/pkg/v3 v3.259.0")
	require.Contains(t, p.line(), "fetching modules, 1 so far")
	p.add("internal/abi")
	require.Contains(t, p.line(), "1 of at most")
	p.add("github.com/pulumi/pulumi/pkg/v3/cmd/pulumi")
	p.add("github.com/pulumi/pulumi-yaml/cmd/pulumi-language-yaml")
	require.Contains(t, p.line(), "linking")
	p.add("x.go:1:2: undefined: y")
	require.Equal(t, "x.go:1:2: undefined: y", p.tail())
}

// One that is there and may not be run is not said to be missing.
func TestAGivenCLIThatMayNotBeRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pulumi")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"), 0o600))
	_, err := Setup{Path: path, Dir: t.TempDir()}.Find(t.Context())
	require.ErrorIs(t, err, fs.ErrPermission)
	require.NotErrorIs(t, err, ErrNotInstalled)
}
