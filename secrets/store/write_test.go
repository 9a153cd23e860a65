package store_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets/store"
	"github.com/sanmarcsoft/secret-rotation/secrets/store/storetest"
)

func change(path, content string) store.Change {
	return store.Change{Path: path, Content: storetest.Value(content)}
}

func TestWriteIsOneCommitThatPassShows(t *testing.T) {
	f := pairFixture(t)
	before := f.Git("rev-parse", "HEAD")
	write(t, filepath.Join(f.Dir, "note.txt"), "staged by somebody else", 0o600)
	f.Git("add", "note.txt")
	changes := append(pairChanges("new"), change("bytes", "x\r\n\x00\xff no newline"))
	require.NoError(t, f.Store.Write(t.Context(), "Rotate the pair", changes...))

	for path, content := range newWorld() {
		require.Equal(t, content, f.Pass("", "show", path))
	}
	require.Equal(t, "x\r\n\x00\xff no newline", f.Pass("", "show", "bytes"))
	_, _, found := f.Try("", "pass", "show", "rotation/previous/key")
	require.False(t, found)
	require.NoDirExists(t, filepath.Join(f.Dir, "rotation/previous"))
	require.Equal(t, before, f.Git("rev-parse", "HEAD^"))
	require.Equal(t, "Rotate the pair", f.Git("log", "-1", "--format=%B"))
	require.Equal(t, "bytes.gpg\npair/key.gpg\npair/user.gpg\nrotation/pending/key.gpg\nrotation/previous/key.gpg",
		f.Git("show", "--format=", "--name-only", "--no-renames"))
	require.Equal(t, "A  note.txt", f.Git("status", "--porcelain"), "what others staged stays theirs")
	info, err := os.Stat(filepath.Join(f.Dir, "rotation/pending/key.gpg"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	noLeftovers(t, f)

	require.NoError(t, f.Store.Write(t.Context(), "", change("a", "1\n")))
	require.Equal(t, "Add given password for a to store.", f.Git("log", "-1", "--format=%B"))
	f.Pass("2\n", "insert", "-m", "-f", "a")
	require.Equal(t, "2\n", read(t, f.Store, "a"))
}

func TestWriteRefusesBeforeItTouchesAnything(t *testing.T) {
	f := pairFixture(t)
	f.Insert(map[string]string{"edited": "1\n"})
	f.Run("2\n", "gpg", "--batch", "--yes", "-r", storetest.Email, "-o", "edited.gpg", "-e")
	require.NoError(t, os.MkdirAll(filepath.Join(f.Dir, "inner"), 0o700))
	f.Git("init", "-q", "inner")
	status, head := f.Git("status", "--porcelain"), f.Git("rev-parse", "HEAD")
	good := change("pair/user", "hunter2\n")
	for name, c := range map[string]struct {
		change store.Change
		kind   store.Kind
	}{
		"empty":                   {change("pair/key", ""), store.Format},
		"twice":                   {change("pair/user", "x"), store.Format},
		"name":                    {change("../x", "x"), store.Name},
		"not new":                 {store.Change{Path: "pair/key", Content: storetest.Value("x"), New: true}, store.Exists},
		"delete what is not":      {store.Change{Path: "pair/kay", Delete: true}, store.Missing},
		"delete a folder":         {store.Change{Path: "pair", Delete: true}, store.Folder},
		"edited, uncommitted":     {change("edited", "x"), store.Dirty},
		"a repository of its own": {change("inner/x", "x"), store.Git},
	} {
		t.Run(name, func(t *testing.T) {
			want(t, f.Store.Write(t.Context(), "", good, c.change), c.kind)
			require.Equal(t, status, f.Git("status", "--porcelain"))
			require.Equal(t, head, f.Git("rev-parse", "HEAD"))
		})
	}
	want(t, f.Store.Write(t.Context(), ""), store.Format)
	require.Equal(t, "old-user\n", read(t, f.Store, "pair/user"))
}

// States of git in which a commit would fail or be lost, and commits that fail:
// the old content is there again, nothing is staged.
func TestGitRefuses(t *testing.T) {
	const hook = ".git/hooks/pre-commit"
	for name, c := range map[string]struct {
		script string
		mend   string
		kind   store.Kind
		text   string
	}{
		"hook refuses":   {"printf '#!/bin/sh\\necho no signature >&2; exit 1' > " + hook + "; chmod +x " + hook, "rm " + hook, store.Git, "no signature"},
		"hook hangs":     {"printf '#!/bin/sh\\nexec sleep 600' > " + hook + "; chmod +x " + hook, "rm " + hook, store.Timeout, "did not answer"},
		"index.lock":     {": > .git/index.lock", "rm .git/index.lock", store.Busy, "index.lock"},
		"detached":       {"git checkout -q --detach", "git checkout -q main", store.Git, "detached"},
		"merge":          {"git rev-parse HEAD > .git/MERGE_HEAD", "rm .git/MERGE_HEAD", store.Git, "merge"},
		"nobody":         {"git config user.name ''; git config user.email ''", "git config user.name X; git config user.email x@example.invalid", store.Git, "who commits"},
		"broken":         {"mv .git/objects .git/o; : > .git/objects", "rm .git/objects; mv .git/o .git/objects", store.Git, ""},
		"ignored":        {"echo '*.gpg' > .git/info/exclude", "rm .git/info/exclude", store.Git, "told to ignore"},
		"filter changes": {"git config filter.x.clean 'tr a-z A-Z'; echo 'rotation/pending/* filter=x' > .git/info/attributes", "rm .git/info/attributes", store.Git, "something else than was written"},
		"signing fails":  {"git config pass.signcommits true; git config user.signingkey nobody@example.invalid", "git config pass.signcommits false", store.Git, "sign"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := pairFixture(t)
			status := f.Git("status", "--porcelain")
			f.Run("", "sh", "-c", c.script)
			o := f.Options()
			if c.kind == store.Timeout {
				o.Timeout = 1e9
			}
			err := f.Open(o).Write(t.Context(), "", pairChanges("hunter2")...)
			e := want(t, err, c.kind)
			require.Contains(t, e.Detail, c.text)
			require.NotEmpty(t, e.Next)
			f.Run("", "sh", "-c", c.mend)
			require.Equal(t, oldWorld(), contents(t, f))
			require.Equal(t, status, f.Git("status", "--porcelain"))
			require.Equal(t, "0", f.Git("rev-list", "--count", "origin/main..HEAD"))
			noLeftovers(t, f)
			require.NoError(t, f.Store.Write(t.Context(), "", pairChanges("new")...))
			require.Equal(t, newWorld(), contents(t, f))
		})
	}
}

// A hook that changes what is committed is found out.
func TestHookCommitsSomethingElse(t *testing.T) {
	f := pairFixture(t)
	write(t, filepath.Join(f.Dir, ".git/hooks/pre-commit"), "#!/bin/sh\necho x > pair/key.gpg; git add pair/key.gpg\n", 0o755)
	err := f.Store.Write(t.Context(), "", pairChanges("hunter2")...)
	require.Contains(t, want(t, err, store.Git).Detail, "HEAD does not hold")
}

// A git that fails after it has committed (a hook that hangs) has committed.
func TestCommitThatOnlySeemsToFail(t *testing.T) {
	f := pairFixture(t)
	write(t, filepath.Join(f.Dir, ".git/hooks/post-commit"), "#!/bin/sh\nexec sleep 600\n", 0o755)
	o := f.Options()
	o.Timeout = 2e9
	require.NoError(t, f.Open(o).Write(t.Context(), "", pairChanges("new")...))
	require.Equal(t, newWorld(), contents(t, f))
	f.Clean()
	noLeftovers(t, f)
}

func TestSignedCommit(t *testing.T) {
	f := pairFixture(t)
	f.Git("config", "pass.signcommits", "true")
	require.NoError(t, f.Store.Write(t.Context(), "", pairChanges("new")...))
	require.Equal(t, "G", f.Git("log", "-1", "--format=%G?"))
}

func TestFirstCommitAndNoGit(t *testing.T) {
	f := storetest.New(t)
	require.NoError(t, os.RemoveAll(filepath.Join(f.Dir, ".git")))
	require.NoError(t, f.Store.Write(t.Context(), "", change("a/b", "1\n"), change("c", "2\n")))
	require.Equal(t, "1\n", f.Pass("", "show", "a/b"))
	require.NoError(t, f.Store.Write(t.Context(), "", store.Change{Path: "a/b", Delete: true}, change("c", "3\n")))
	require.Equal(t, map[string]string{"c": "3\n"}, contents(t, f))
	require.NoDirExists(t, filepath.Join(f.Dir, "a"))
	noLeftovers(t, f)
	y, err := f.Store.Sync(t.Context())
	require.NoError(t, err)
	require.Equal(t, store.Sync{}, y)
	require.NoError(t, f.Store.Push(t.Context()))

	f.Git("init", "-q", "-b", "main")
	f.Git("config", "user.name", "Me")
	f.Git("config", "user.email", "me@example.invalid")
	require.NoError(t, f.Store.Write(t.Context(), "", change("first", "1\n")))
	require.Equal(t, "first.gpg", f.Git("ls-files"))
	write(t, filepath.Join(f.Dir, ".git/hooks/pre-commit"), "#!/bin/sh\nexit 1\n", 0o755)
	want(t, f.Store.Write(t.Context(), "", change("second", "1\n")), store.Git)
	require.False(t, f.Store.Exists("second"))
}

// Many writers in this process and in others: each write is whole, none is lost.
func TestWritersWaitForEachOther(t *testing.T) {
	f := pairFixture(t)
	var group sync.WaitGroup
	errs := make([]error, 6)
	for i := range errs {
		group.Go(func() {
			s, err := store.Open(t.Context(), f.Options())
			if err == nil {
				err = s.Write(t.Context(), "", change("pair/user", fmt.Sprintln(i)), change("pair/key", fmt.Sprintln(i)))
			}
			errs[i] = err
		})
	}
	out, _ := runChild(t, f)
	group.Wait()
	require.Contains(t, out, survived)
	for _, err := range errs {
		require.NoError(t, err)
	}
	require.Equal(t, "7", f.Git("rev-list", "--count", "origin/main..HEAD"))
	f.Clean()
	now := contents(t, f)
	require.Equal(t, strings.TrimSuffix(now["pair/user"], "-user\n"), strings.TrimSuffix(now["pair/key"], "-key\n"))
}

// Values are in no argument and no environment of a child; hostile variables
// reach none.
func TestChildrenSeeNoSecret(t *testing.T) {
	f := storetest.New(t)
	log := filepath.Join(f.Home, "log")
	for _, program := range []string{"gpg", "git"} {
		real := strings.TrimSpace(f.Run("", "sh", "-c", "command -v "+program))
		write(t, filepath.Join(f.Home, "bin", program),
			"#!/bin/sh\n{ echo \"RUN "+program+" $*\"; env; } >>"+log+"\nexec "+real+" \"$@\"\n", 0o755)
	}
	o := f.Options()
	evil := filepath.Join(f.Home, "evil")
	o.Env = append(f.Env, "PATH="+f.Home+"/bin:"+os.Getenv("PATH"), "GIT_DIR="+evil, "GIT_INDEX_FILE="+evil, "GIT_CONFIG_COUNT=1",
		"GIT_CONFIG_KEY_0=core.hooksPath", "GIT_CONFIG_VALUE_0="+evil, "LD_PRELOAD="+evil, "GIT_EXEC_PATH="+evil, "GPG_TTY=/dev/tty9",
		"PASSWORD_STORE_GPG_OPTS=--encrypt-to hunter2 --output "+evil, "CLOUDFLARE_API_TOKEN=hunter2", "GIT_TRACE="+evil)
	s := f.Open(o)
	require.NoError(t, s.Write(t.Context(), "", change("a/b", "hunter2\nnote\n")))
	require.Equal(t, "hunter2\nnote\n", read(t, s, "a/b"))
	require.NoError(t, s.Push(t.Context()))
	text, err := os.ReadFile(log)
	require.NoError(t, err)
	require.Contains(t, string(text), "RUN gpg")
	require.Contains(t, string(text), "RUN git")
	require.NotContains(t, string(text), "hunter2")
	require.NotContains(t, string(text), "evil")
	require.NotContains(t, string(text), "GPG_TTY")
	require.NoFileExists(t, evil)
}

// pass takes no lock: what a person saves while we write is not overwritten.
func TestSomebodySavesMeanwhile(t *testing.T) {
	f := pairFixture(t)
	store.SetStage(f.Store, func(step string) {
		if step == "applied one" {
			store.SetStage(f.Store, func(string) {})
			f.Pass("theirs\n", "insert", "-m", "-f", "pair/key")
		}
	})
	want(t, f.Store.Write(t.Context(), "", pairChanges("hunter2")...), store.Changed)
	require.Equal(t, "theirs\n", f.Pass("", "show", "pair/key"))
	require.Equal(t, "old-user\n", f.Pass("", "show", "pair/user"))
	f.Clean()
	noLeftovers(t, f)
}
