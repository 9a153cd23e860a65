package store

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Checkout is a git work tree that is no store, such as a project's. git runs
// there as it does in the store: a short list of variables, a time limit, no
// prompt. Errors are *Error; where their Next names pass, Command gives what to
// type instead.
type Checkout struct{ s *Store }

// projectUmask is git's usual one: a project is read by more than its owner.
const projectUmask = 0o022

// OpenCheckout finds the work tree that the folder dir, without symbolic links,
// lies in; nil where it lies in none. env is what os.Environ gives; limit bounds
// every single git process, hooks and all.
func OpenCheckout(ctx context.Context, dir string, env []string, limit time.Duration) (*Checkout, error) {
	for !exists(filepath.Join(dir, ".git")) {
		if dir == filepath.Dir(dir) {
			return nil, nil
		}
		dir = filepath.Dir(dir)
	}
	s := &Store{dir: dir, timeout: limit, umask: projectUmask, stage: func(string) {}}
	s.git, _ = find(env, "git")
	s.env = append(childEnv(env, "", false), "GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=false", "GIT_EDITOR=true", "GIT_OPTIONAL_LOCKS=0")
	// A broken repository must not pass for none.
	if _, err := s.gitOut(ctx, "looking at the repository", "rev-parse", "--git-dir"); err != nil {
		return nil, err
	}
	return &Checkout{s}, ctx.Err()
}

// Dir is the work tree's folder.
func (c *Checkout) Dir() string { return c.s.dir }

// Git runs git and returns what it printed. One that ends with another code than
// 0 is an error, mostly of Kind Git.
func (c *Checkout) Git(ctx context.Context, args ...string) ([]byte, error) {
	text, err := c.s.gitOut(ctx, "working on the repository", args...)
	return []byte(text), err
}

// Sync is Store.Sync for the work tree.
func (c *Checkout) Sync(ctx context.Context) (Sync, error) { return c.s.Sync(ctx) }

// Compare is Store.Compare for the work tree: nothing of it is changed.
func (c *Checkout) Compare(ctx context.Context) (Sync, error) { return c.s.Compare(ctx) }

// Status is Sync without asking the remote.
func (c *Checkout) Status(ctx context.Context) (Sync, error) { return c.s.status(ctx) }

// Push is Store.Push for the work tree.
func (c *Checkout) Push(ctx context.Context) error { return c.s.Push(ctx) }

// Hooks are those of the named hooks that the repository runs.
func (c *Checkout) Hooks(ctx context.Context, names ...string) []string {
	out, err := c.Git(ctx, "rev-parse", "--git-path", "hooks")
	if err != nil {
		return nil
	}
	dir := strings.TrimSpace(string(out))
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(c.s.dir, dir)
	}
	var run []string
	for _, name := range names {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			run = append(run, name)
		}
	}
	return run
}

// Command is what a person types to run git in the work tree.
func (c *Checkout) Command(args ...string) string {
	words := []string{"git -C", shellQuote(c.s.dir)}
	for _, arg := range args {
		words = append(words, shellQuote(arg))
	}
	return strings.Join(words, " ")
}
