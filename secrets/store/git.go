package store

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// repository is the state of the store's git repository.
type repository struct {
	dir      string // .git
	head     string // commit id; empty: no commit yet
	branch   string // empty: detached
	upstream string // origin/main
	tracked  bool   // the upstream's ref is known here
	ahead    int
	behind   int
	dirty    []string // changed or untracked files, ours aside
	busy     string   // what is half done: merge, rebase, …
}

// runGit runs git in the store. It goes through sh for the umask, which pass
// sets too: a pull must not leave entries that others can read.
func (s *Store) runGit(ctx context.Context, args ...string) (outcome, error) {
	if s.git == "" {
		return outcome{}, notInstalled("git", "git")
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	all := []string{"-c", fmt.Sprintf(`umask %03o && exec "$0" "$@"`, s.umask), s.git,
		// No background process of ours outlives us, and a name is a name.
		"-c", "gc.auto=0", "-c", "maintenance.auto=false", "-c", "core.fsmonitor=false",
		"-c", "advice.detachedHead=false", "--no-pager", "--literal-pathspecs"}
	all = append(all, s.withoutPrograms(ctx, args)...)
	return run(ctx, command{program: "/bin/sh", args: append(all, args...), dir: s.dir, env: s.env})
}

// gitOut is runGit for a command that has to succeed.
func (s *Store) gitOut(ctx context.Context, op string, args ...string) (string, error) {
	out, err := s.runGit(ctx, args...)
	if err != nil || out.code != 0 {
		return "", s.gitError(op, "git "+args[0], out, err)
	}
	return string(out.stdout), nil
}

// config reads one setting; one that is not set is empty.
func (s *Store) config(ctx context.Context, args ...string) string {
	out, err := s.runGit(ctx, append([]string{"config", "--get"}, args...)...)
	if err != nil || out.code != 0 {
		return ""
	}
	return strings.TrimSpace(string(out.stdout))
}

// repository looks at the store's repository; nil where it has none.
func (s *Store) repository(ctx context.Context, op string) (*repository, error) {
	if s.still != nil {
		return s.still.repository(func() (*repository, error) { return s.look(ctx, op) })
	}
	return s.look(ctx, op)
}

func (s *Store) look(ctx context.Context, op string) (*repository, error) {
	// git's own "not a git repository" is also what it says of a broken one.
	if !exists(filepath.Join(s.dir, ".git")) {
		return nil, nil
	}
	out, err := s.runGit(ctx, "rev-parse", "--is-inside-work-tree", "--absolute-git-dir")
	if err != nil || out.code != 0 {
		return nil, s.gitError(op, "git rev-parse", out, err)
	}
	inside, dir, _ := strings.Cut(strings.TrimSpace(string(out.stdout)), "\n")
	if inside != "true" {
		return nil, nil // as pass: a bare repository is not the store's
	}
	text, err := s.gitOut(ctx, op, "status", "--porcelain=v2", "--ignore-submodules=dirty", "--branch", "--untracked-files=all", "-z")
	if err != nil {
		return nil, err
	}
	r := parseStatusV2(text)
	r.dir, r.busy = dir, unfinished(dir)
	return r, nil
}

// parseStatusV2 reads `git status --porcelain=v2 --branch -z`.
func parseStatusV2(text string) *repository {
	r := &repository{}
	records := strings.Split(text, "\x00")
	for i := 0; i < len(records); i++ {
		kind, rest, _ := strings.Cut(records[i], " ")
		switch kind {
		case "#":
			r.header(rest)
		case "1", "2", "u":
			// The path is the last of 8, 9 or 10 fields and may hold blanks.
			r.change(lastField(rest, map[string]int{"1": 8, "2": 9, "u": 10}[kind]))
			if kind == "2" {
				i++
				r.change(records[i])
			}
		case "?":
			r.change(rest)
		}
	}
	return r
}

func (r *repository) header(text string) {
	name, value, _ := strings.Cut(text, " ")
	switch name {
	case "branch.oid":
		if value != "(initial)" {
			r.head = value
		}
	case "branch.head":
		if value != "(detached)" {
			r.branch = value
		}
	case "branch.upstream":
		r.upstream = value
	case "branch.ab":
		ahead, behind, _ := strings.Cut(value, " ")
		r.ahead, _ = strconv.Atoi(strings.TrimPrefix(ahead, "+"))
		r.behind, _ = strconv.Atoi(strings.TrimPrefix(behind, "-"))
		r.tracked = true
	}
}

func (r *repository) change(file string) {
	if !strings.HasPrefix(path.Base(file), ownPrefix) {
		r.dirty = append(r.dirty, file)
	}
}

func lastField(text string, n int) string {
	fields := strings.SplitN(text, " ", n)
	return fields[len(fields)-1]
}

// unfinished names an operation that waits for the person to go on with it.
func unfinished(gitDir string) string {
	for file, name := range map[string]string{"MERGE_HEAD": "merge", "rebase-merge": "rebase", "rebase-apply": "rebase",
		"CHERRY_PICK_HEAD": "cherry-pick", "REVERT_HEAD": "revert", "BISECT_LOG": "bisect"} {
		if _, err := os.Lstat(filepath.Join(gitDir, file)); err == nil {
			return name
		}
	}
	return ""
}

// committable refuses a state in which a commit would fail or get lost.
func (s *Store) committable(r *repository, op string) error {
	switch {
	case r.busy != "":
		return &Error{Kind: Git, Op: op, Detail: "a " + r.busy + " is unfinished in the store", Next: "pass git status"}
	case r.branch == "":
		return &Error{Kind: Git, Op: op, Detail: "HEAD is detached, a commit would be on no branch", Next: "pass git switch main"}
	}
	if lock := filepath.Join(r.dir, "index.lock"); exists(lock) {
		return indexLocked(op, lock)
	}
	return nil
}

// noRoom: git does not always say why it could not write.
func (s *Store) noRoom() bool {
	const little = 64 << 10
	var fs syscall.Statfs_t
	return syscall.Statfs(s.dir, &fs) == nil && uint64(fs.Bavail)*uint64(fs.Bsize) < little
}

func exists(file string) bool {
	_, err := os.Lstat(file)
	return err == nil
}

func indexLocked(op, lock string) error {
	return &Error{Kind: Busy, Op: op, Next: "rm " + shellQuote(lock),
		Detail: "another git works in the store, or one that died left index.lock behind; remove it when none runs"}
}

// gitError classifies what git (or a hook, or ssh) said.
func (s *Store) gitError(op, what string, out outcome, err error) error {
	if already, ok := err.(*Error); ok {
		return already
	}
	if err != nil {
		return s.ended(op, "", "git", "pass git status", err)
	}
	e := &Error{Kind: Git, Op: op, Detail: what + ": " + tail(out.stderr), Next: "pass git status"}
	has := func(texts ...string) bool {
		for _, text := range texts {
			if strings.Contains(out.stderr, text) {
				return true
			}
		}
		return false
	}
	switch {
	case has("index.lock': File exists"):
		return indexLocked(op, filepath.Join(s.dir, ".git", "index.lock"))
	case out.diskFull() || s.noRoom():
		e.Kind, e.Next = Disk, "df -h"
	case has("Please tell me who you are", "unable to auto-detect email", "empty ident name"):
		e.Detail, e.Next = "git does not know who commits", "pass git config user.email YOU@EXAMPLE.COM"
	case has("gpg failed to sign"):
		e.Detail = "git cannot sign the commit: there is no signing key, or its passphrase is not at hand"
		e.Next = "pass git config --get user.signingkey"
	case has("ignored by one of your .gitignore"):
		e.Detail, e.Next = "git is told to ignore the entry's file", "pass git check-ignore --verbose -- '*.gpg'"
	case has("dubious ownership"):
		e.Detail, e.Next = "the store belongs to another user", "git config --global --add safe.directory "+shellQuote(s.dir)
	}
	return e
}
