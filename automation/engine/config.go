package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/sanmarcsoft/secret-rotation/automation/engine/process"
	"github.com/sanmarcsoft/secret-rotation/automation/engine/stackfile"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// Config opens the stack's config.
func (s *Stack) Config(ctx context.Context) (Config, error) {
	const step = "reading the config"
	content, err := s.file.Load()
	if err != nil {
		return Config{}, s.wrap(step, err)
	}
	if !content.Exists && s.spec.Program == nil {
		return Config{}, s.missing(step)
	}
	out := Config{}
	if content.Provider != "" {
		out, err = s.file.Kept(ctx, content)
		for _, n := range out.Nested {
			if n.Secret {
				s.engine.opts.Redactor.Add(n.Value)
			}
		}
	} else {
		var crypt stackfile.Crypter
		if content.Config.HasSecureValue() {
			if crypt, err = stackfile.Open(s.phrase, content.Salt); err != nil {
				return Config{}, s.wrap(step, err)
			}
		}
		out, err = s.file.Decrypt(ctx, content, crypt)
	}
	if err != nil {
		return Config{}, s.wrap(step, err)
	}
	return out, ctx.Err()
}

// WriteConfig encrypts the values that differ from the stack's and writes
// them, at once and without touching anything else in the file. Only a
// declared stack gets a new file.
func (s *Stack) WriteConfig(ctx context.Context, values map[string]secrets.Value) (*Edit, error) {
	edit, err := s.file.Update(ctx, values, s.spec.Program != nil, s.open(ctx))
	if errors.Is(err, os.ErrNotExist) {
		return nil, s.missing("writing the config")
	}
	if err != nil {
		return nil, s.wrap("writing the config", err)
	}
	return edit, nil
}

// missing says that an existing project's stack has lost its file: Pulumi makes
// it with the stack, for the salt of its secrets.
func (s *Stack) missing(step string) *Error {
	return &Error{Kind: Failed, Stack: s.spec.Name, Step: step, Err: fmt.Errorf("%s is missing", s.file.Path),
		Next: "check out the commit that holds it, or correct the stack's dir in the catalog"}
}

// StandIn writes a copy of the stack's file that holds these values, encrypted
// like all the others, for a preview. cleanup removes it.
func (s *Stack) StandIn(ctx context.Context, values map[string]secrets.Value) (file string, cleanup func(), err error) {
	const step = "preparing the preview"
	content, err := s.file.Load()
	if err != nil {
		return "", nil, s.wrap(step, err)
	}
	text, _, err := s.file.Render(ctx, content, values, s.open(ctx))
	if err != nil {
		return "", nil, s.wrap(step, err)
	}
	dir, err := process.TempDir()
	if err != nil {
		return "", nil, s.wrap(step, err)
	}
	file = filepath.Join(dir, filepath.Base(s.file.Path))
	if err := os.WriteFile(file, text, 0o600); err != nil {
		_ = os.RemoveAll(dir)
		return "", nil, s.wrap(step, err)
	}
	return file, func() { _ = os.RemoveAll(dir) }, nil
}

// open gives the crypter of a salt line; without one it makes a new salt.
func (s *Stack) open(ctx context.Context) func(string) (string, stackfile.Crypter, error) {
	return func(salt string) (string, stackfile.Crypter, error) {
		if salt == "" {
			return stackfile.NewSalt(ctx, s.phrase)
		}
		c, err := stackfile.Open(s.phrase, salt)
		return salt, c, err
	}
}
