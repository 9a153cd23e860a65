package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"
	"time"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// Change is one entry to be written or removed.
type Change struct {
	Path string
	// Content is every byte of the entry (see Entry.With).
	Content secrets.Value
	// Delete removes the entry; Content is not looked at.
	Delete bool
	// New refuses to overwrite: the entry must not exist yet.
	New bool
	// Readers are the fingerprints of the keys that somebody has agreed to; if
	// given, the content is encrypted to no other, whatever .gpg-id says by now.
	Readers []string
}

// Write makes all changes in one commit, or none: each content is encrypted,
// read back and compared before anything is touched; on any failure, a refusing
// commit hook too, the old files are put back. It does not push. An empty
// message becomes the one that pass would write. A store without git gets the
// same without the commit. Kinds: Name, Symlink, Missing, Exists, Recipients,
// Expired, NoKey, Locked, Dirty (an entry was edited and not committed), Busy,
// Changed, Git, Disk, Timeout, Canceled.
func (s *Store) Write(ctx context.Context, message string, changes ...Change) error {
	if err := checkChanges(changes); err != nil {
		return err
	}
	unlock, err := s.lock(ctx, opWrite)
	if err != nil {
		return err
	}
	defer unlock()
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return fileError(opWrite, "", err)
	}
	defer root.Close()
	repo, err := s.writable(ctx, root, changes)
	if err != nil {
		return err
	}
	t := &transaction{store: s, root: root, repo: repo, id: newID()}
	for _, c := range changes {
		if err := t.add(ctx, c); err != nil {
			return err
		}
	}
	lists, err := mirrored(root, changes)
	if err != nil {
		return err
	}
	t.Work = append(t.Work, lists...)
	if message == "" {
		message = defaultMessage(changes)
	}
	return t.do(ctx, message)
}

// defaultMessage is pass's own wording.
func defaultMessage(changes []Change) string {
	switch c := changes[0]; {
	case len(changes) > 1:
		return fmt.Sprintf("Change %d passwords of the store.", len(changes))
	case c.Delete:
		return "Remove " + c.Path + " from store."
	default:
		return "Add given password for " + c.Path + " to store."
	}
}

func checkChanges(changes []Change) error {
	if len(changes) == 0 {
		return &Error{Kind: Format, Op: opWrite, Detail: "there is nothing to write"}
	}
	seen := map[string]bool{}
	for _, c := range changes {
		if err := CheckName(c.Path); err != nil {
			return err
		}
		if seen[c.Path] {
			return &Error{Kind: Format, Path: c.Path, Op: opWrite, Detail: "the entry is to be written twice"}
		}
		seen[c.Path] = true
		if !c.Delete && c.Content.IsZero() {
			return &Error{Kind: Format, Path: c.Path, Op: opWrite, Detail: "the new content is empty"}
		}
	}
	return nil
}

// lock keeps other writers out, those of other processes too. The lock is on
// the folder itself, so nothing is left behind when a process dies.
func (s *Store) lock(ctx context.Context, op string) (func(), error) {
	dir, err := os.Open(s.dir)
	if err != nil {
		return nil, fileError(op, "", err)
	}
	// Not the time that a person may take for a passphrase.
	ctx, cancel := context.WithTimeout(ctx, min(s.timeout, defaultTimeout))
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { dir.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			dir.Close()
			return nil, fileError(op, "", err)
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			detail := "another process writes to the store"
			if who := holder(dir); who != "" {
				detail += " (" + who + ")"
			}
			dir.Close()
			return nil, &Error{Kind: Busy, Op: op, Detail: detail, Err: ctx.Err(), Next: "fuser -v " + shellQuote(s.dir)}
		}
	}
}

// writable looks at everything that could make the write fail half-way.
func (s *Store) writable(ctx context.Context, root *os.Root, changes []Change) (*repository, error) {
	if left, err := fs.Glob(root.FS(), ownPrefix+"*"+journalSuffix); err == nil && len(left) > 0 {
		return nil, &Error{Kind: Interrupted, Op: opWrite, Detail: "an earlier write was cut off and waits to be undone",
			Next: "pass git status"}
	}
	repo, err := s.repository(ctx, opWrite)
	if err != nil {
		return nil, err
	}
	dirty := map[string]bool{}
	if repo != nil {
		if err := s.committable(repo, opWrite); err != nil {
			return nil, err
		}
		for _, file := range repo.dirty {
			dirty[file] = true
		}
	}
	for _, c := range changes {
		if err := s.placeable(root, c); err != nil {
			return nil, err
		}
		if dirty[c.Path+suffix] {
			return nil, &Error{Kind: Dirty, Path: c.Path, Op: opWrite, Detail: "it was changed and not committed",
				Next: "pass git status"}
		}
	}
	return repo, nil
}

// placeable refuses a place that is not what it seems: a link (a rename would
// replace it, and the recipients of its target are others) or the inside of
// another repository.
func (s *Store) placeable(root *os.Root, c Change) error {
	file := c.Path + suffix
	linked, err := hasLink(root, file)
	there := err == nil
	switch {
	case linked:
		return &Error{Kind: Symlink, Path: c.Path, Op: opWrite, Detail: "it is, or lies behind, a symbolic link",
			Next: "ls -l " + s.shellPath(file)}
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fileError(opWrite, c.Path, err)
	case !there && c.Delete:
		return s.notThere(root, c.Path, err)
	case there && c.New:
		return &Error{Kind: Exists, Path: c.Path, Op: opWrite, Detail: "it is not overwritten", Next: "pass ls " + shellQuote(c.Path)}
	}
	if info, err := root.Lstat(file); there && (err != nil || !info.Mode().IsRegular()) {
		return &Error{Kind: Damaged, Path: c.Path, Op: opWrite, Detail: "not a regular file", Next: "ls -ld " + s.shellPath(file)}
	}
	for dir := path.Dir(file); dir != "."; dir = path.Dir(dir) {
		if exists(filepath.Join(s.dir, dir, ".git")) {
			return &Error{Kind: Git, Path: c.Path, Op: opWrite, Detail: "the folder " + dir + " is a repository of its own",
				Next: "git -C " + s.shellPath(dir) + " status"}
		}
	}
	return nil
}

// add encrypts one change in memory. Nothing is written yet.
func (t *transaction) add(ctx context.Context, c Change) error {
	w := &work{entry: c.Path, File: c.Path + suffix}
	old, err := readFile(t.root, w.File)
	switch {
	case err == nil:
		w.old, w.Old = old, blobSum(old)
	case !errors.Is(err, fs.ErrNotExist):
		return fileError(opWrite, c.Path, err)
	}
	if !c.Delete {
		if w.new, err = t.store.encrypt(ctx, t.root, c); err != nil {
			return err
		}
		if bytes.Equal(w.new, w.old) {
			return &Error{Kind: Changed, Path: c.Path, Op: opWrite, Detail: "gpg gave the very bytes that stand there"}
		}
		w.New = blobSum(w.new)
	}
	t.Work = append(t.Work, w)
	return nil
}
