package store

import (
	"context"
	"errors"
	"os"
	"path"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

const opRehearse = "trying to write to the store"

// rehearsed is as long as a long credential.
const rehearsed = 4096

// Rehearse does all that Write would do for these entries short of changing the
// store: it encrypts a text to each entry's recipients, writes and syncs it beside
// the entries, reads it back, decrypts and compares it, and removes it. Kinds: those
// of Write.
func Rehearse(ctx context.Context, s *Store, entries ...string) error {
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return fileError(opRehearse, "", err)
	}
	defer root.Close()
	seen := map[string]bool{}
	for _, entry := range entries {
		if seen[path.Dir(entry)] {
			continue // the same folder has the same recipients
		}
		seen[path.Dir(entry)] = true
		if err := s.rehearse(ctx, root, entry); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) rehearse(ctx context.Context, root *os.Root, entry string) (err error) {
	text := make([]byte, rehearsed)
	for i := range text {
		text[i] = 'x'
	}
	content := secrets.NewValue(text)
	sealed, err := s.encrypt(ctx, root, entry, content)
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
	if err == nil && !opened.content.Equal(content) {
		err = &Error{Kind: Damaged, Path: entry, Op: opRehearse, Detail: "what was read back is not what was written"}
	}
	return err
}
