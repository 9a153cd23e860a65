package store_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets/store"
	"github.com/sanmarcsoft/secret-rotation/secrets/store/storetest"
)

// booby has the repository's own config name a program for everything that git
// takes one for; the returned function lists what ran.
func booby(t *testing.T, f *storetest.Fixture) (ran func() []string) {
	t.Helper()
	traps := filepath.Join(f.Home, "traps")
	require.NoError(t, os.Mkdir(traps, 0o700))
	trap := func(name string) string {
		program := filepath.Join(f.Home, "trap-"+name)
		write(t, program, "#!/bin/sh\n: > "+filepath.Join(traps, name)+"\ncat\n", 0o755)
		return program
	}
	for key, name := range map[string]string{"core.fsmonitor": "fsmonitor", "filter.bad.clean": "clean", "filter.bad.smudge": "smudge",
		"core.sshCommand": "ssh", "credential.helper": "credential", "remote.origin.uploadpack": "uploadpack", "gpg.program": "gpg",
		"diff.external": "external", "diff.bad.textconv": "textconv", "core.gitProxy": "proxy", "core.alternateRefsCommand": "alternates"} {
		f.Git("config", key, trap(name))
	}
	f.Git("config", "log.showSignature", "true")
	f.Git("config", "filter.bad.required", "true")
	f.Git("config", "filter.sly.process", trap("process"))
	for _, hook := range []string{"post-index-change", "reference-transaction", "fsmonitor-watchman"} {
		write(t, filepath.Join(f.Dir, ".git/hooks", hook), "#!/bin/sh\n: > "+filepath.Join(traps, "hook-"+hook)+"\n", 0o755)
	}
	write(t, filepath.Join(f.Dir, ".git/info/attributes"), "*.gpg filter=bad diff=bad\n*.yaml filter=bad\n*.txt filter=sly\n", 0o600)
	return func() []string {
		entries, err := os.ReadDir(traps)
		require.NoError(t, err)
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names
	}
}

// touched makes git look into the files and not at their times.
func touched(t *testing.T, f *storetest.Fixture, files ...string) {
	t.Helper()
	for _, file := range files {
		require.NoError(t, os.Chtimes(filepath.Join(f.Dir, file), time.Time{}, time.Now().Add(time.Hour)))
	}
}

// A look at a store runs no program that its config names, but those that lead to
// its remote.
func TestALookAtAStoreRunsNoProgramOfItsConfig(t *testing.T) {
	f := storetest.New(t)
	f.Insert(map[string]string{"a": "1\n"})
	ran := booby(t, f)
	f.Git("config", "--unset", "remote.origin.uploadpack")
	touched(t, f, "a.gpg", ".gpg-id")
	_, err := f.Store.Compare(t.Context())
	require.NoError(t, err)
	_, err = f.Store.History(t.Context(), "a", 0)
	require.NoError(t, err)
	_, err = f.Store.Changed(t.Context(), "a", time.Time{})
	require.NoError(t, err)
	f.Store.Added(t.Context(), ".", strings.TrimSpace(f.Run("", "cat", ".gpg-id")))
	require.Empty(t, ran())
	f.Git("status")
	require.NotEmpty(t, ran(), "the traps work")
}

// A look at a project runs none at all, and says what it cannot know without.
func TestALookAtAProjectRunsNoProgramOfItsConfig(t *testing.T) {
	f := storetest.New(t)
	write(t, filepath.Join(f.Dir, "Pulumi.prod.yaml"), "config: {}\n", 0o600)
	write(t, filepath.Join(f.Dir, "plain.md"), "x\n", 0o600)
	write(t, filepath.Join(f.Dir, "sly.txt"), "x\n", 0o600)
	f.Git("add", "-A")
	f.Git("commit", "-qm", "project")
	f.Git("push", "-q")
	ran := booby(t, f)
	touched(t, f, "Pulumi.prod.yaml", "plain.md", "sly.txt")
	opened, err := store.OpenCheckout(t.Context(), f.Dir, f.Env, 20*time.Second)
	require.NoError(t, err)
	c := opened.Look()
	y, err := c.Compare(t.Context())
	require.NoError(t, err)
	require.Equal(t, y.Head, y.Tip)
	require.Empty(t, y.Dirty)
	_, err = c.Blobs(t.Context(), y, "plain.md")
	require.NoError(t, err)
	for _, args := range [][]string{{"cat-file", "--filters", "HEAD:Pulumi.prod.yaml"}, {"hash-object", "--path=Pulumi.prod.yaml", "--", "Pulumi.prod.yaml"},
		{"hash-object", "--path=sly.txt", "--", "sly.txt"}, {"ls-files", "--others", "--ignored", "--exclude-standard", "--", "plain.md"}} {
		_, err = c.Git(t.Context(), args...)
		require.NoError(t, err)
	}
	require.True(t, c.Filtered(t.Context(), "Pulumi.prod.yaml"))
	require.False(t, c.Filtered(t.Context(), "plain.md"))
	require.Empty(t, ran())
	// A remote that is reached by ssh: the user's own command, not the project's.
	f.Git("config", "remote.origin.url", "nowhere.invalid:project")
	write(t, filepath.Join(f.Home, "own-ssh"), "#!/bin/sh\n: > "+filepath.Join(f.Home, "own-ran")+"\nexit 255\n", 0o755)
	f.Git("config", "--global", "core.sshCommand", filepath.Join(f.Home, "own-ssh"))
	_, err = c.Compare(t.Context())
	want(t, err, store.Unreachable)
	require.FileExists(t, filepath.Join(f.Home, "own-ran"))
	require.Empty(t, ran())
	f.Git("status")
	require.NotEmpty(t, ran(), "the traps work")
}
