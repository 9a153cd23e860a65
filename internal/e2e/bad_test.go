package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

// stripeFolder is the existing project that most refusals are about.
const stripeFolder = "projects/services/stripe-backend/infra"

// standing is all that a refused command must leave as it was.
type standing struct {
	// Head and Dirty are pass's repository, Remote the repository behind it.
	Head, Dirty, Remote string
	// Files are hashes of the state, the journal and the projects, by path.
	Files map[string]string
	// Truth is the sandbox's own record of every credential and consumer.
	Truth world.Truth
}

// stands takes the world's measure.
func (w *sandboxed) stands() standing {
	w.t.Helper()
	git := func(repository string, args ...string) string {
		r := w.exec("", "git", append([]string{"-C", filepath.Join(w.dir, repository)}, args...)...)
		require.Zero(w.t, r.code, r.stderr)
		return strings.TrimSpace(r.stdout)
	}
	s := standing{Head: git("store", "rev-parse", "HEAD"), Dirty: git("store", "status", "--porcelain"), Files: map[string]string{}, Truth: w.truth()}
	if _, err := os.Stat(filepath.Join(w.dir, "store.git")); err == nil {
		s.Remote = git("store.git", "rev-parse", "HEAD")
	}
	for _, part := range []string{"state", "projects"} {
		require.NoError(w.t, filepath.WalkDir(filepath.Join(w.dir, part), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() && d.Name() == ".git" {
				return skipGit(d, err)
			}
			if d.IsDir() {
				return nil
			}
			raw, err := os.ReadFile(path)
			sum := sha256.Sum256(raw)
			s.Files[strings.TrimPrefix(path, w.dir)] = hex.EncodeToString(sum[:])
			return err
		}))
	}
	return s
}

func skipGit(d fs.DirEntry, err error) error {
	if err == nil && d.Name() == ".git" {
		return fs.SkipDir
	}
	return err
}

// refusal is what the operator must see.
type refusal struct {
	code int
	// says are parts of the one message, next of the commands to type.
	says []string
	next string
}

// shows asserts exit code, one message and a next command.
func (want refusal) shows(t *testing.T, r result) {
	t.Helper()
	require.Equal(t, want.code, r.code, "%s", tail(r.stderr, 12))
	var messages, next []string
	for line := range strings.Lines(r.stderr) {
		if text, ok := strings.CutPrefix(line, "error: "); ok {
			messages = append(messages, strings.TrimSpace(text))
		} else if text, ok := strings.CutPrefix(line, "next: "); ok {
			next = append(next, strings.TrimSpace(text))
		} else {
			require.Empty(t, messages, "a line follows the message: %q", line)
		}
	}
	require.Len(t, messages, 1, "one message: %s", tail(r.stderr, 12))
	for _, part := range want.says {
		require.Contains(t, messages[0], part)
	}
	require.NotEmpty(t, next, "what to type next is missing: %s", messages[0])
	require.Contains(t, strings.Join(next, "\n"), want.next)
	require.NotContains(t, r.stderr, "panic")
}

// refused runs the command, which must be refused and change nothing.
func (w *sandboxed) refused(want refusal, stdin string, args ...string) result {
	w.t.Helper()
	before := w.stands()
	r := w.feed(stdin, args...)
	want.shows(w.t, r)
	require.Equal(w.t, before, w.stands(), "something was changed")
	require.Empty(w.t, strings.TrimSpace(r.stdout), "there is no result to print")
	return r
}

// abandoned is a rotation that had begun: its journal, its leases, given up, and
// the key of its fingerprints stay, and all else is as before.
func (w *sandboxed) abandoned(before standing, secret string) {
	w.t.Helper()
	after := w.stands()
	for path := range after.Files {
		if strings.Contains(path, "/.rotation/"+secret+"/") || strings.Contains(path, "/.rotation/.leases/") {
			delete(after.Files, path)
		}
	}
	require.Equal(w.t, before.Files, after.Files)
	require.Empty(w.t, after.Dirty)
	require.Equal(w.t, after.Head, after.Remote, "pass is not pushed")
	require.Equal(w.t, before.Truth.Consumers, after.Truth.Consumers)
	require.Equal(w.t, before.Truth.Workers, after.Truth.Workers)
	require.Equal(w.t, before.Truth.Containers, after.Truth.Containers)
	require.NoDirExists(w.t, filepath.Join(w.dir, "store", "rotation", "pending"))
}

// shell runs a script in the world: pass, gpg and git see its store.
func (w *sandboxed) shell(script string) {
	w.t.Helper()
	s := *w
	s.env = append(append([]string{}, w.env...),
		"PASSWORD_STORE_DIR="+filepath.Join(w.dir, "store"), "GNUPGHOME="+filepath.Join(w.dir, "gnupg"), "W="+w.dir)
	r := s.exec("", "sh", "-e", "-c", script)
	require.Zero(w.t, r.code, "%s\n%s", script, r.stderr)
}

// disturb runs a command of the sandbox that changes something behind
// everybody's back.
func (w *sandboxed) disturb(command string, args ...string) {
	w.t.Helper()
	r := w.bare("", append([]string{"sandbox", command, "--sandbox=" + w.dir, "--"}, args...)...)
	require.Zero(w.t, r.code, r.stderr)
}

// document is the one JSON document on stdout.
func document(t *testing.T, stdout string) map[string]any {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(stdout))
	var doc map[string]any
	require.NoError(t, decoder.Decode(&doc), "%q", stdout)
	require.False(t, decoder.More(), "more than one document: %q", stdout)
	return doc
}

// value is a credential's value in the world, alive and of that entry.
func (w *sandboxed) value(service, entry string) world.TrueCredential {
	w.t.Helper()
	for _, c := range w.truth().Credentials {
		if c.Service == service && c.Entry == entry && c.Alive && c.ID != "forged" {
			return c
		}
	}
	require.Fail(w.t, "no such credential", "%s %s", service, entry)
	return world.TrueCredential{}
}

// without is a PATH that has every program but the named ones.
func (w *sandboxed) without(programs ...string) string {
	w.t.Helper()
	dir := filepath.Join(w.root, "bin-without-"+strings.Join(programs, "-"))
	require.NoError(w.t, os.Mkdir(dir, 0o700))
	for _, from := range filepath.SplitList(os.Getenv("PATH")) {
		entries, _ := os.ReadDir(from)
		for _, e := range entries {
			// The first of a name is the one that counts, as in a shell.
			_ = os.Symlink(filepath.Join(from, e.Name()), filepath.Join(dir, e.Name()))
		}
	}
	for _, p := range programs {
		_ = os.Remove(filepath.Join(dir, p))
	}
	return dir
}

// with sets variables of the shell, over those that are there.
func (w *sandboxed) with(variables ...string) *sandboxed {
	s := *w
	s.env = append(append([]string{}, w.env...), variables...)
	return &s
}
