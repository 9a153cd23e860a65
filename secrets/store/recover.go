package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const opRecover = "recovering the store"

// Recovered says what Recover found and did; all are empty for a healthy store.
type Recovered struct {
	// Finished entries belong to a write that had been committed.
	Finished []string
	// Undone entries belong to a write that had not: they hold the old content.
	Undone []string
	// Restored entries were damaged and uncommitted; they hold HEAD's content.
	Restored []string
	// Removed counts hidden files of dead writes.
	Removed int
}

// Recover mends what a killed process left: a write of ours that was cut off is
// finished if its commit is there, else undone as a whole; an entry whose file
// cannot be decrypted and differs from HEAD's, which can, gets HEAD's (pass
// writes in place, so a kill leaves such a file). An entry that can be
// decrypted is never touched.
func (s *Store) Recover(ctx context.Context) (Recovered, error) {
	var r Recovered
	unlock, err := s.lock(ctx, opRecover)
	if err != nil {
		return r, err
	}
	defer unlock()
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return r, fileError(opRecover, "", err)
	}
	defer root.Close()
	repo, err := s.repository(ctx, opRecover)
	if err != nil {
		return r, err
	}
	own := ownFiles(root)
	if repo != nil && len(own) > 0 {
		// A git that outlived our process may be about to commit.
		if err := s.awaitIndex(ctx, repo); err != nil {
			return r, err
		}
	}
	for _, name := range own {
		ext := path.Ext(name)
		if path.Dir(name) == "." && (ext == journalSuffix || ext == doneSuffix) {
			if err := s.recoverWrite(ctx, root, repo, name, &r); err != nil {
				return r, err
			}
		}
	}
	for _, name := range ownFiles(root) {
		if err := root.Remove(name); err != nil {
			return r, fileError(opRecover, "", err)
		}
	}
	r.Removed = len(own)
	return r, s.restoreDamaged(ctx, root, &r)
}

// ownFiles lists our hidden files, journals first.
func ownFiles(root *os.Root) []string {
	var names []string
	_ = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil //nolint:nilerr // what cannot be read was not written by us
		case d.IsDir() && d.Name() == ".git":
			return fs.SkipDir
		case strings.HasPrefix(d.Name(), ownPrefix) && d.Type().IsRegular():
			names = append(names, name)
		}
		return nil
	})
	return names
}

// awaitIndex waits, within the limit, for git to give the index free.
func (s *Store) awaitIndex(ctx context.Context, repo *repository) error {
	lock := filepath.Join(repo.dir, "index.lock")
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for exists(lock) {
		select {
		case <-again.C:
		case <-ctx.Done():
			return indexLocked(opRecover, lock)
		}
	}
	return nil
}

// recoverWrite finishes or undoes one write.
func (s *Store) recoverWrite(ctx context.Context, root *os.Root, repo *repository, name string, r *Recovered) error {
	ext := path.Ext(name)
	t := &transaction{store: s, root: root, repo: repo, id: strings.TrimSuffix(strings.TrimPrefix(name, ownPrefix), ext)}
	text, err := readFile(root, name)
	if err == nil {
		err = json.Unmarshal(text, t)
	}
	if err == nil {
		err = t.check()
	}
	if err != nil {
		return &Error{Kind: Damaged, Op: opRecover, Detail: "the journal " + name + " of a write is unreadable", Err: err,
			Next: "rm " + s.shellPath(name)}
	}
	var entries []string
	for _, w := range t.Work {
		w.entry = strings.TrimSuffix(w.File, suffix)
		entries = append(entries, w.entry)
	}
	done := ext == doneSuffix
	if !done && repo != nil && repo.head != "" {
		if done, err = t.inHead(ctx); err != nil {
			return err
		}
	}
	if done {
		r.Finished = append(r.Finished, entries...)
		return t.finish()
	}
	r.Undone = append(r.Undone, entries...)
	return t.rollback(ctx)
}

// check refuses a journal that names anything but entries: it lies in a folder
// that others may be able to push to.
func (t *transaction) check() error {
	for _, w := range t.Work {
		if w != nil && mirrors(w.File) {
			continue
		}
		if w == nil || !strings.HasSuffix(w.File, suffix) {
			return errors.New("not an entry's file")
		}
		if err := CheckName(strings.TrimSuffix(w.File, suffix)); err != nil {
			return err
		}
	}
	for _, dir := range t.Dirs {
		if err := CheckName(dir); err != nil {
			return err
		}
	}
	return nil
}

// restoreDamaged gives damaged, uncommitted entries HEAD's content back.
func (s *Store) restoreDamaged(ctx context.Context, root *os.Root, r *Recovered) error {
	repo, err := s.repository(ctx, opRecover)
	if err != nil || repo == nil || repo.head == "" {
		return err
	}
	slices.Sort(repo.dirty)
	for _, file := range slices.Compact(repo.dirty) {
		entry, isEntry := strings.CutSuffix(file, suffix)
		if !isEntry || CheckName(entry) != nil {
			continue
		}
		restored, err := s.restore(ctx, root, repo, entry)
		if err != nil {
			return err
		}
		if restored {
			r.Restored = append(r.Restored, entry)
		}
	}
	return nil
}

func (s *Store) restore(ctx context.Context, root *os.Root, repo *repository, entry string) (bool, error) {
	now, err := s.file(entry)
	if err != nil {
		return false, nil //nolint:nilerr // deleted or replaced by something else: a person's doing
	}
	if _, err := s.decrypt(ctx, opRecover, entry, now); !errors.Is(err, Damaged) {
		return false, nil //nolint:nilerr // readable, or not known to be damaged
	}
	blobs, err := s.blobs(ctx, entry+suffix)
	if err != nil || blobs[entry+suffix] == "" {
		return false, err
	}
	old, err := s.blob(ctx, blobs[entry+suffix])
	if err != nil {
		return false, err
	}
	if _, err := s.decrypt(ctx, opRecover, entry, old); err != nil {
		return false, nil //nolint:nilerr // HEAD's is no better
	}
	t := &transaction{store: s, root: root, repo: repo, id: newID(),
		Work: []*work{{File: entry + suffix, entry: entry, old: now, new: old, Old: blobSum(now), New: blobSum(old)}}}
	if bytes.Equal(now, old) {
		return false, nil
	}
	if err := errors.Join(t.prepare(), t.apply(ctx)); err != nil {
		return false, errors.Join(err, t.rollback(context.WithoutCancel(ctx)))
	}
	if err := t.unstage(ctx); err != nil {
		return false, err
	}
	return true, t.finish()
}
