package stackfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// Edit is a write that was made and can be taken back.
type Edit struct {
	// Changed lists the keys whose values changed, sorted.
	Changed []string

	file     File
	old, new []byte
	existed  bool
}

// Update encrypts the values that differ from what the file holds and writes
// them. open gives the crypter of the file's salt; with create, a file without
// a salt gets a new one from it ("" is passed). Nothing is written if nothing
// changes. Writers of one folder wait for each other.
func (f File) Update(ctx context.Context, values map[string]secrets.Value, create bool,
	open func(salt string) (string, Crypter, error),
) (*Edit, error) {
	unlock, err := lockFolder(ctx, f.Path)
	if err != nil {
		return nil, err
	}
	defer unlock()
	old, err := f.Load()
	if err != nil {
		return nil, err
	}
	if !old.Exists && !create {
		return nil, fmt.Errorf("writing %s: %w", f.name(), os.ErrNotExist)
	}
	out, changed, err := f.Render(ctx, old, values, open)
	if err != nil || len(changed) == 0 {
		return &Edit{file: f}, err
	}
	if err := f.write(out); err != nil {
		return nil, err
	}
	return &Edit{Changed: changed, file: f, old: old.Raw, new: out, existed: old.Exists}, nil
}

// Render returns the file's text with the values in it, encrypted, and the
// keys that changed, sorted.
func (f File) Render(ctx context.Context, old Content, values map[string]secrets.Value,
	open func(salt string) (string, Crypter, error),
) ([]byte, []string, error) {
	if old.Provider != "" {
		return f.renderKept(ctx, old, values)
	}
	salt, crypt, err := open(old.Salt)
	if err != nil {
		return nil, nil, err
	}
	have, err := f.Decrypt(ctx, old, crypt)
	if err != nil {
		return nil, nil, err
	}
	if err := f.replaceable(have, values); err != nil {
		return nil, nil, err
	}
	cipher := map[string]string{}
	var changed []string
	for key, value := range values {
		if is, ok := have.Secrets[f.shown(key)]; ok && is.Equal(value) {
			continue
		}
		if cipher[key], err = crypt.Encrypt(ctx, value); err != nil {
			return nil, nil, fmt.Errorf("encrypting %s of %s: %w", key, f.name(), err)
		}
		changed = append(changed, key)
	}
	if salt == old.Salt {
		salt = ""
	}
	slices.Sort(changed)
	out, err := f.rewrite(old.Raw, salt, cipher)
	return out, changed, err
}

// replaceable refuses keys that hold something else than a secret: what is inside
// an object would be lost, and a value that is not encrypted, or not by this
// stack, is somebody else's.
func (f File) replaceable(have Opened, values map[string]secrets.Value) error {
	for _, key := range slices.Sorted(maps.Keys(values)) {
		what := ""
		switch have.Form(f.shown(key)) {
		case Object:
			what = "an object or a list"
		case Plain:
			what = "a value that is not encrypted"
		case Unreadable:
			what = "a value encrypted with another passphrase or salt"
		default:
			continue
		}
		return fmt.Errorf("writing %s of %s: it holds %s: %w", key, f.name(), what, ErrTaken)
	}
	return nil
}

// shown is a given key in the form of Key.
func (f File) shown(key string) string {
	return strings.TrimPrefix(key, f.Project.Name.String()+":")
}

// Undo puts the old bytes back, if the file is still what was written.
func (e *Edit) Undo() error {
	if len(e.Changed) == 0 {
		return nil
	}
	unlock, err := lockFolder(context.Background(), e.file.Path)
	if err != nil {
		return err
	}
	defer unlock()
	now, err := os.ReadFile(e.file.Path)
	if err != nil || !bytes.Equal(now, e.new) {
		return fmt.Errorf("restoring %s: %w", e.file.name(), ErrChanged)
	}
	if !e.existed {
		if err := os.Remove(e.file.Path); err != nil {
			return fmt.Errorf("restoring %s: %w", e.file.name(), err)
		}
		return nil
	}
	return e.file.write(e.old)
}

// write replaces the file at once and for good: a kill leaves the old one or
// the new one. A symbolic link stays one; mode and owner are kept.
func (f File) write(content []byte) error {
	path, err := target(f.Path)
	if err != nil {
		return fmt.Errorf("writing %s: %w", f.name(), err)
	}
	dir, pattern := filepath.Dir(path), "."+filepath.Base(path)+".tmp-*"
	if stale, err := filepath.Glob(filepath.Join(dir, pattern)); err == nil {
		for _, s := range stale {
			_ = os.Remove(s)
		}
	}
	tmp, err := os.CreateTemp(dir, pattern)
	if err != nil {
		return fmt.Errorf("writing %s: %w", f.name(), err)
	}
	defer os.Remove(tmp.Name())
	if err := fillTemp(tmp, path, content); err != nil {
		_ = tmp.Close()
		return fmt.Errorf("writing %s: %w", f.name(), err)
	}
	if err := tmp.Close(); err != nil {
		return fmt.Errorf("writing %s: %w", f.name(), err)
	}
	if f.beforeRename != nil {
		f.beforeRename()
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return fmt.Errorf("writing %s: %w", f.name(), err)
	}
	return syncFolder(dir)
}

func fillTemp(tmp *os.File, path string, content []byte) error {
	mode := os.FileMode(0o644)
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			// Only root may give a file away; for others it is theirs already.
			_ = tmp.Chown(int(st.Uid), int(st.Gid))
		}
	}
	if err := tmp.Chmod(mode); err != nil {
		return err
	}
	if _, err := tmp.Write(content); err != nil {
		return err
	}
	return tmp.Sync()
}

// target follows symbolic links, also to a file that does not exist yet.
func target(path string) (string, error) {
	for range 40 {
		to, err := os.Readlink(path)
		if err != nil {
			return path, nil
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(path), to)
		}
		path = to
	}
	return "", errors.New("too many symbolic links")
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("syncing a folder: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) {
		return fmt.Errorf("syncing a folder: %w", err)
	}
	return nil
}

// lockFolder takes the lock of the file's real folder, which survives renames
// and leaves no file behind.
func lockFolder(ctx context.Context, path string) (func(), error) {
	path, err := target(path)
	if err != nil {
		return nil, fmt.Errorf("locking the stack file: %w", err)
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("locking the stack file: %w", err)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = d.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			_ = d.Close()
			return nil, fmt.Errorf("locking the stack file: %w", err)
		}
		select {
		case <-ctx.Done():
			_ = d.Close()
			return nil, fmt.Errorf("waiting for another writer of the stack file: %w", ctx.Err())
		case <-tick.C:
		}
	}
}
