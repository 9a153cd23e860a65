package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // git's name for content, no protection
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// Files of a write under way: hidden, so that neither pass nor List shows them.
const (
	ownPrefix     = ".rotation-"
	journalSuffix = ".journal" // under way: to be undone, unless committed
	doneSuffix    = ".done"    // a journal whose write counts
	newSuffix     = ".new"
	oldSuffix     = ".old"
)

// transaction is one Write. As a journal in the store's folder it survives the
// process, so that Recover can finish or undo what was begun. It holds names
// and hashes of encrypted files only.
type transaction struct {
	Work []*work  `json:"work"`
	Dirs []string `json:"dirs"` // folders to be made, outermost first

	store *Store
	root  *os.Root
	repo  *repository
	id    string
}

// work is one file of a transaction. Old and New are blob sums; empty: no file.
type work struct {
	File string `json:"file"`
	Old  string `json:"old"`
	New  string `json:"new"`

	entry    string
	old, new []byte
}

func newID() string { return strings.ToLower(rand.Text()) }

// blobSum is what git calls a blob with this content, as SHA-1 and SHA-256.
func blobSum(content []byte) string {
	sum := func(h hash.Hash) string {
		fmt.Fprintf(h, "blob %d\x00", len(content))
		h.Write(content)
		return hex.EncodeToString(h.Sum(nil))
	}
	return sum(sha1.New()) + " " + sum(sha256.New()) //nolint:gosec // see above
}

// isBlob reports whether the blob id is one of the two of sum.
func isBlob(sum, id string) bool { return id != "" && slices.Contains(strings.Fields(sum), id) }

func (t *transaction) journal() string { return ownPrefix + t.id + journalSuffix }

func (t *transaction) done() string { return ownPrefix + t.id + doneSuffix }

func (t *transaction) side(i int, kind string) string {
	return path.Join(path.Dir(t.Work[i].File), fmt.Sprintf("%s%s-%d%s", ownPrefix, t.id, i, kind))
}

// do carries the transaction out. Up to the commit (without git: up to the
// renaming of the journal) everything can be and on failure is undone.
func (t *transaction) do(ctx context.Context, message string) error {
	err := t.prepare()
	if err == nil {
		err = t.apply(ctx)
	}
	if err == nil && t.repo != nil {
		err = t.commit(ctx, message)
	}
	if err != nil {
		// Putting back must also work when ctx is what ended.
		if undone := t.rollback(context.WithoutCancel(ctx)); undone != nil {
			return errors.Join(err, undone)
		}
		return err
	}
	t.store.stage("committed")
	return t.finish()
}

// prepare writes the journal and the new files beside their places. A full disk
// shows here, before anything has changed.
func (t *transaction) prepare() error {
	for _, w := range t.Work {
		for _, dir := range missingFolders(t.root, path.Dir(w.File)) {
			if !slices.Contains(t.Dirs, dir) {
				t.Dirs = append(t.Dirs, dir)
			}
		}
	}
	text, err := json.Marshal(t)
	if err != nil {
		return fileError(opWrite, "", err)
	}
	// Written under a temporary name: a journal that is there is a whole one.
	if err := t.put(t.journal()+newSuffix, text, 0o600); err != nil {
		return fileError(opWrite, "", err)
	}
	if err := t.move(t.journal()+newSuffix, t.journal()); err != nil {
		return fileError(opWrite, "", err)
	}
	t.store.stage("journal")
	for _, dir := range t.Dirs {
		if err := t.root.Mkdir(dir, 0o777&^t.store.umask); err != nil && !errors.Is(err, fs.ErrExist) {
			return fileError(opWrite, "", err)
		}
	}
	for i, w := range t.Work {
		if err := t.stageFile(i, w); err != nil {
			return err
		}
	}
	t.store.stage("staged")
	return nil
}

// stageFile writes the new file and keeps the old one under a second name: a
// link needs no space, so putting it back works on a full disk too.
func (t *transaction) stageFile(i int, w *work) error {
	mode := 0o666 &^ t.store.umask
	if info, err := t.root.Lstat(w.File); err == nil {
		mode = info.Mode().Perm()
	}
	if w.New != "" {
		name := t.side(i, newSuffix)
		if err := t.put(name, w.new, mode); err != nil {
			return fileError(opWrite, w.entry, err)
		}
		if back, err := readFile(t.root, name); err != nil || !bytes.Equal(back, w.new) {
			return &Error{Kind: Disk, Path: w.entry, Op: opWrite, Err: err, Detail: "the disk gave back something else than was written"}
		}
	}
	if w.Old != "" {
		if err := t.root.Link(w.File, t.side(i, oldSuffix)); err != nil {
			// Not every file system has links.
			if err := t.put(t.side(i, oldSuffix), w.old, mode); err != nil {
				return fileError(opWrite, w.entry, err)
			}
		}
	}
	return nil
}

// apply renames the new files to their places.
func (t *transaction) apply(ctx context.Context) error {
	for i, w := range t.Work {
		if err := ctx.Err(); err != nil {
			return t.store.ended(opWrite, w.entry, "the write", "", err)
		}
		// pass knows no lock: a person may have saved the entry meanwhile.
		if t.sum(w.File) != w.Old {
			return &Error{Kind: Changed, Path: w.entry, Op: opWrite, Detail: "somebody else has just changed it", Next: "pass git status"}
		}
		var err error
		if w.New == "" {
			err = t.root.Remove(w.File)
		} else {
			err = t.move(t.side(i, newSuffix), w.File)
		}
		if err != nil {
			return fileError(opWrite, w.entry, err)
		}
		t.store.stage("applied one")
	}
	t.store.stage("applied")
	return nil
}

// rollback puts every file back that still holds what this write put there, and
// ends with the journal, so that a second try finds what the first left.
func (t *transaction) rollback(ctx context.Context) error {
	var errs []error
	for i, w := range t.Work {
		old, now := t.side(i, oldSuffix), t.sum(w.File)
		var err error
		switch {
		case now == w.Old || now != w.New:
			// Untouched, or a person's newer version: not ours to undo.
		case w.Old == "":
			err = t.root.Remove(w.File)
		default:
			err = t.move(old, w.File)
		}
		if err != nil {
			errs = append(errs, &Error{Kind: Disk, Path: w.entry, Op: opPutBack, Detail: cause(err), Err: err,
				Next: "mv " + t.store.shellPath(old) + " " + t.store.shellPath(w.File)})
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	t.store.stage("put back")
	t.clean()
	t.store.stage("cleaned")
	if err := t.unstage(ctx); err != nil {
		return err
	}
	for _, dir := range slices.Backward(t.Dirs) {
		_ = t.root.Remove(dir) // only an empty folder goes
	}
	return t.drop()
}

// finish forgets the write: it is done. Without git, the renamed journal is what
// says so.
func (t *transaction) finish() error {
	if err := t.move(t.journal(), t.done()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fileError(opWrite, "", err)
	}
	t.clean()
	t.store.stage("cleaned")
	for _, w := range t.Work {
		for dir := path.Dir(w.File); w.New == "" && dir != "."; dir = path.Dir(dir) {
			if t.root.Remove(dir) != nil {
				break // as `rmdir -p` in pass
			}
		}
	}
	return t.drop()
}

func (t *transaction) clean() {
	for i := range t.Work {
		_ = t.root.Remove(t.side(i, newSuffix))
		_ = t.root.Remove(t.side(i, oldSuffix))
	}
	_ = t.root.Remove(t.journal() + newSuffix)
}

// drop removes the journal.
func (t *transaction) drop() error {
	for _, name := range []string{t.journal(), t.done()} {
		if err := t.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fileError(opWrite, "", err)
		}
	}
	if err := syncDir(t.root, "."); err != nil {
		return fileError(opWrite, "", err)
	}
	return nil
}

// sum is the blob sum of what stands at file now; empty: nothing.
func (t *transaction) sum(file string) string {
	b, err := readFile(t.root, file)
	if err != nil {
		return ""
	}
	return blobSum(b)
}

// put writes a new file and brings it to the disk.
func (t *transaction) put(name string, content []byte, mode fs.FileMode) error {
	f, err := t.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	t.store.stage("opened")
	_, err = f.Write(content)
	t.store.stage("written")
	// The process's umask may be narrower or wider than the store's.
	return errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
}

// move renames a file within its folder and brings the rename to the disk.
func (t *transaction) move(from, to string) error {
	if err := t.root.Rename(from, to); err != nil {
		return err
	}
	t.store.stage("renamed")
	return syncDir(t.root, path.Dir(to))
}

func syncDir(root *os.Root, dir string) error {
	f, err := root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// missingFolders lists dir and those above it that are not there, outermost
// first.
func missingFolders(root *os.Root, dir string) []string {
	var missing []string
	for ; dir != "."; dir = path.Dir(dir) {
		if _, err := root.Lstat(dir); err == nil {
			break
		}
		missing = append([]string{dir}, missing...)
	}
	return missing
}
