package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
	"github.com/sanmarcsoft/secret-rotation/secrets/store"
)

// person is somebody with a clone of the world's store and its key, who uses
// pass, git and gpg by hand.
type person struct {
	layout
	// dir is the clone.
	dir string
}

// operator is the person whose clone the program reads.
func (s *Sandbox) operator(ctx context.Context) (person, error) {
	// Opening it makes the agent's socket anew where the world is a copy.
	if _, err := store.Open(ctx, s.StoreOptions()); err != nil {
		return person{}, err
	}
	return person{s.layout, s.store()}, nil
}

// run runs a program as the person; what it prints is not shown to anybody,
// only its complaint is.
func (p person) run(ctx context.Context, stdin []byte, program string, args ...string) ([]byte, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = p.dir, bytes.NewReader(stdin), &stdout, &stderr
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "LANG=C.UTF-8", "GIT_TERMINAL_PROMPT=0",
		"SECRET_ROTATION_SANDBOX=" + p.layout.dir, "PASSWORD_STORE_DIR=" + p.dir, "GNUPGHOME=" + p.gnupg()}
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", program, args[0], err, strings.TrimSpace(stderr.String()))
	}
	return stdout.Bytes(), nil
}

// edit changes the first line of an entry and keeps the others.
func (p person) edit(ctx context.Context, entry, value string) error {
	was, err := p.run(ctx, nil, "pass", "show", entry)
	if err != nil {
		return err
	}
	_, others, _ := bytes.Cut(was, []byte("\n"))
	_, err = p.run(ctx, append([]byte(value+"\n"), others...), "pass", "insert", "--multiline", "--force", entry)
	return err
}

func (p person) push(ctx context.Context) error {
	_, err := p.run(ctx, nil, "git", "push", "--quiet", "origin", "main")
	return err
}

func (p person) has(entry string) bool {
	_, err := os.Stat(filepath.Join(p.dir, filepath.FromSlash(entry)+".gpg"))
	return err == nil
}

func (s *Sandbox) editUnpushed(ctx context.Context, a []string) (string, error) {
	p, err := s.operator(ctx)
	if err != nil {
		return "", err
	}
	return "", p.edit(ctx, a[0], a[1])
}

func (s *Sandbox) editEntry(ctx context.Context, a []string) (string, error) {
	if _, err := s.editUnpushed(ctx, a); err != nil {
		return "", err
	}
	return "", person{s.layout, s.store()}.push(ctx)
}

// editElsewhere works in a clone of the remote, which goes afterwards.
func (s *Sandbox) editElsewhere(ctx context.Context, a []string) (_ string, err error) {
	if _, err := s.operator(ctx); err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(s.dir, "elsewhere-")
	if err != nil {
		return "", fmt.Errorf("making another machine's clone: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	p := person{s.layout, dir}
	if _, err := p.run(ctx, nil, "git", "clone", "--quiet", "--config", "user.name=Colleague", "--config", "user.email=colleague@example.com",
		"--config", "commit.gpgSign=false", "--config", "core.hooksPath="+os.DevNull, s.path("store.git"), "."); err != nil {
		return "", err
	}
	if err := p.edit(ctx, a[0], a[1]); err != nil {
		return "", err
	}
	return "", p.push(ctx)
}

func (s *Sandbox) addEntry(ctx context.Context, a []string) (string, error) {
	p, err := s.operator(ctx)
	if err != nil {
		return "", err
	}
	if p.has(a[0]) {
		return "", fmt.Errorf("entry %s is there already", a[0])
	}
	if _, err := p.run(ctx, []byte(a[1]+"\n"), "pass", "insert", "--multiline", a[0]); err != nil {
		return "", err
	}
	return "", p.push(ctx)
}

func (s *Sandbox) removeEntry(ctx context.Context, a []string) (string, error) {
	p, err := s.operator(ctx)
	if err != nil {
		return "", err
	}
	if _, err := p.run(ctx, nil, "pass", "rm", "--force", a[0]); err != nil {
		return "", err
	}
	return "", p.push(ctx)
}

// expireKey sets the date of the store's key and of its encryption subkey.
func (s *Sandbox) expireKey(ctx context.Context, a []string) (string, error) {
	after, err := world.Span(a[0])
	if err != nil {
		return "", err
	}
	p, err := s.operator(ctx)
	if err != nil {
		return "", err
	}
	id, err := os.ReadFile(filepath.Join(s.store(), ".gpg-id"))
	if err != nil {
		return "", fmt.Errorf("reading whose key it is: %w", err)
	}
	by := fmt.Sprintf("seconds=%d", int64(after.Seconds()))
	for _, keys := range [][]string{nil, {"*"}} {
		args := append([]string{"--batch", "--quiet", "--quick-set-expire", strings.TrimSpace(string(id)), by}, keys...)
		if _, err := p.run(ctx, nil, "gpg", args...); err != nil {
			return "", err
		}
	}
	// Whichever gpg comes next would write it down otherwise.
	_, err = p.run(ctx, nil, "gpg", "--batch", "--quiet", "--check-trustdb")
	return "", err
}
