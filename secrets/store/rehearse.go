package store

import (
	"bytes"
	"context"
	"errors"
	"os"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

const opRehearse = "trying to write to the store"

// rehearsed is as long as a long credential.
const rehearsed = 4096

// Rehearse does all that Write would do for these changes short of changing the
// store, with a text in the place of each content: it encrypts that to the entry's
// recipients, writes and syncs it beside the entries, reads it back, decrypts and
// compares it, and removes it. Kinds: those of Write.
func Rehearse(ctx context.Context, s *Store, changes ...Change) error {
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return fileError(opRehearse, "", err)
	}
	defer root.Close()
	for _, c := range changes {
		c.Content = secrets.NewValue(bytes.Repeat([]byte("x"), rehearsed))
		if err := s.rehearse(ctx, root, c); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) rehearse(ctx context.Context, root *os.Root, c Change) (err error) {
	entry := c.Path
	sealed, err := s.encrypt(ctx, root, c)
	if err != nil {
		return err
	}
	name := ownPrefix + "trial-" + newID()
	file, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fileError(opRehearse, entry, err)
	}
	defer func() { err = errors.Join(err, root.Remove(name)) }()
	_, err = file.Write(sealed)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fileError(opRehearse, entry, err)
	}
	back, err := root.ReadFile(name)
	if err != nil {
		return fileError(opRehearse, entry, err)
	}
	opened, err := s.decrypt(ctx, opRehearse, entry, back)
	if err == nil && !opened.content.Equal(c.Content) {
		err = &Error{Kind: Damaged, Path: entry, Op: opRehearse, Detail: "what was read back is not what was written"}
	}
	return err
}
