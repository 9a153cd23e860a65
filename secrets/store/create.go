package store

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// CreateOptions describes a store to be made from nothing. Dir, GNUPGHome and
// Remote are folders that do not exist yet or are empty.
type CreateOptions struct {
	Dir, GNUPGHome string
	// Name and Email are the key's user id and the author of the commits.
	Name, Email string
	// Remote, if given, becomes a bare repository that the store is pushed to.
	Remote string
	// Env is the environment to take PATH and HOME from; default os.Environ().
	Env []string
}

// Create makes a throwaway store with pass itself: a key without passphrase in
// a GNUPGHOME of its own, the store, its git repository on branch main, a bare
// remote and the first push. The repository's own configuration keeps the
// user's signing and hooks out. Stop it with StopAgent before its folders are
// removed.
func Create(ctx context.Context, o CreateOptions) (*Store, error) {
	if o.Env == nil {
		o.Env = os.Environ()
	}
	// PASSWORD_STORE_* are the user's own store, never a throwaway one.
	o.Env = slices.DeleteFunc(slices.Clone(o.Env), func(v string) bool { return strings.HasPrefix(v, "PASSWORD_STORE_") })
	c := creation{CreateOptions: o}
	for _, dir := range []*string{&c.Dir, &c.GNUPGHome, &c.Remote} {
		if *dir == "" {
			continue
		}
		abs, err := filepath.Abs(*dir)
		if err != nil {
			return nil, fileError(opCreate, "", err)
		}
		*dir = abs
	}
	if err := os.MkdirAll(c.GNUPGHome, 0o700); err != nil {
		return nil, fileError(opCreate, "", err)
	}
	if err := shortenSockets(c.GNUPGHome); err != nil {
		return nil, err
	}
	c.env = append(childEnv(o.Env, c.GNUPGHome, false), "PASSWORD_STORE_DIR="+c.Dir,
		"GIT_CEILING_DIRECTORIES="+filepath.Dir(c.Dir),
		"GIT_AUTHOR_NAME="+o.Name, "GIT_AUTHOR_EMAIL="+o.Email,
		"GIT_COMMITTER_NAME="+o.Name, "GIT_COMMITTER_EMAIL="+o.Email,
		// `pass git init` commits before the repository has a configuration.
		"GIT_CONFIG_COUNT=2", "GIT_CONFIG_KEY_0=commit.gpgSign", "GIT_CONFIG_VALUE_0=false",
		"GIT_CONFIG_KEY_1=core.hooksPath", "GIT_CONFIG_VALUE_1="+os.DevNull)
	if err := c.make(ctx); err != nil {
		return nil, err
	}
	return Open(ctx, Options{Dir: c.Dir, GNUPGHome: c.GNUPGHome, Env: o.Env})
}

const opCreate = "making a store"

type creation struct {
	CreateOptions
	env []string
}

func (c creation) make(ctx context.Context) error {
	// pass itself would fail half way, and blame a line of its script.
	for program, pkg := range map[string]string{"gpg": "gnupg", "pass": "pass", "git": "git"} {
		if _, found := find(c.Env, program); !found {
			return notInstalled(program, pkg)
		}
	}
	user := c.Name + " <" + c.Email + ">"
	// The empty passphrase is no secret: it says that there is none.
	if _, err := c.run(ctx, "gpg", "gnupg", "--batch", "--quiet", "--no-tty", "--pinentry-mode", "loopback", "--passphrase", "",
		"--quick-generate-key", user, "future-default", "default", "never"); err != nil {
		return err
	}
	keys, err := c.run(ctx, "gpg", "gnupg", "--batch", "--with-colons", "--list-keys")
	if err != nil {
		return err
	}
	made := parseKeys(keys)
	if len(made) == 0 {
		return &Error{Kind: Gpg, Op: opCreate, Detail: "gpg made no key"}
	}
	steps := [][]string{
		{"pass", "pass", "init", made[len(made)-1].Fingerprint},
		{"pass", "pass", "git", "init", "--quiet", "--initial-branch=main"},
		{"git", "git", "config", "user.name", c.Name},
		{"git", "git", "config", "user.email", c.Email},
		{"git", "git", "config", "commit.gpgSign", "false"},
		{"git", "git", "config", "core.hooksPath", ".git/hooks"},
	}
	if c.Remote != "" {
		steps = append(steps,
			[]string{"git", "git", "init", "--quiet", "--bare", "--initial-branch=main", c.Remote},
			[]string{"git", "git", "remote", "add", "origin", c.Remote},
			[]string{"git", "git", "push", "--quiet", "--set-upstream", "origin", "main"})
	}
	for _, step := range steps {
		if _, err := c.run(ctx, step[0], step[1], step[2:]...); err != nil {
			return err
		}
	}
	return nil
}

// run runs a program that comes from package pkg, in the store's folder once
// there is one.
func (c creation) run(ctx context.Context, program, pkg string, args ...string) (string, error) {
	file, found := find(c.Env, program)
	if !found {
		return "", notInstalled(program, pkg)
	}
	dir := c.Dir
	if _, err := os.Stat(dir); err != nil {
		dir = c.GNUPGHome
	}
	ctx, cancel := context.WithTimeout(ctx, interactiveTimeout)
	defer cancel()
	out, err := run(ctx, command{program: file, args: args, dir: dir, env: c.env})
	if err == nil && out.code == 0 {
		return string(out.stdout), nil
	}
	why := tail(out.stderr)
	if err != nil {
		why = cause(err)
	}
	return "", &Error{Kind: Gpg, Op: opCreate, Detail: program + " " + args[0] + ": " + why, Err: err}
}

// StopAgent ends the gpg-agent of the store's GNUPGHOME and removes the folder
// of its sockets if Create made one; Open makes it anew. It is for stores made
// by Create: a person's agent holds passphrases that were typed.
func (s *Store) StopAgent(ctx context.Context) error {
	file, found := find(s.env, "gpgconf")
	if !found {
		return notInstalled("gpgconf", "gnupg")
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	out, err := run(ctx, command{program: file, args: []string{"--kill", "gpg-agent"}, dir: s.dir, env: s.gpgEnv})
	if err != nil || out.code != 0 {
		return &Error{Kind: Gpg, Op: "stopping gpg's agent", Detail: tail(out.stderr), Err: err}
	}
	if dir := ownSockets(getenv(s.gpgEnv, "GNUPGHOME")); dir != "" {
		return os.RemoveAll(dir)
	}
	return nil
}
