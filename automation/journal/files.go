package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
)

// files keeps objects as files. gocloud's fileblob is not used here: its
// IfNotExist holds within one process only. Folders and files are taken as they
// are: a link could lead out of the state, and a pipe would be waited for.
type files struct{ root string }

// folder is the path of a journal folder, none of whose parts below the state's
// own folder is a link. It is a fs.ErrNotExist where it is not there.
func (f files) folder(dir string) (string, error) {
	at := f.root
	for part := range strings.SplitSeq(dir, "/") {
		at = filepath.Join(at, part)
		info, err := os.Lstat(at)
		if err != nil {
			return at, err
		}
		if !info.IsDir() && part == Root {
			// Not one secret's record is at fault: none of them can be read.
			return at, fmt.Errorf("%s, where the journal is kept, is no folder but %s", at, kindOf(info.Mode()))
		}
		if !info.IsDir() {
			return at, &unusableError{at + " is no folder but " + kindOf(info.Mode()), info.ModTime()}
		}
	}
	return at, nil
}

func kindOf(m fs.FileMode) string {
	switch {
	case m&fs.ModeSymlink != 0:
		return "a symbolic link"
	case m&fs.ModeNamedPipe != 0:
		return "a pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	case m.IsDir():
		return "a folder"
	case m.IsRegular():
		return "a file"
	}
	return "a device"
}

func (f files) list(_ context.Context, dir string) ([]string, error) {
	at, err := f.folder(dir)
	var found []fs.DirEntry
	if err == nil {
		found, err = os.ReadDir(at)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing journal folder: %w", err)
	}
	var keys []string
	for _, e := range found {
		if !strings.HasPrefix(e.Name(), ".") {
			keys = append(keys, path.Join(dir, e.Name()))
		}
	}
	return keys, nil
}

func (f files) read(_ context.Context, key string) (object, error) {
	dir, err := f.folder(path.Dir(key))
	if err != nil {
		return object{}, err
	}
	name := filepath.Join(dir, path.Base(key))
	info, err := os.Lstat(name)
	if err != nil {
		return object{}, err
	}
	if !info.Mode().IsRegular() {
		return object{}, &unusableError{"it is no file but " + kindOf(info.Mode()), info.ModTime()}
	}
	// It may be exchanged between the look and the opening.
	file, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return object{}, err
	}
	defer file.Close()
	if info, err = file.Stat(); err == nil && !info.Mode().IsRegular() {
		err = &unusableError{"it is no file but " + kindOf(info.Mode()), info.ModTime()}
	}
	if err != nil {
		return object{}, err
	}
	data, err := io.ReadAll(io.LimitReader(file, longestObject+1))
	if err == nil && len(data) > longestObject {
		err = &unusableError{errTooLong.Error(), info.ModTime()}
	}
	return object{data, info.ModTime()}, err
}

// create writes a hidden temporary file and gives it its name by link(2), which
// fails if the name is taken: atomic between processes, also over NFS.
func (f files) create(_ context.Context, key string, data []byte) (err error) {
	name := filepath.Join(f.root, filepath.FromSlash(key))
	// What is there already is looked at first: MkdirAll goes through links.
	if _, err := f.folder(path.Dir(key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("writing journal event: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return fmt.Errorf("making journal folder: %w", err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(name), ".event-*")
	if err != nil {
		return fmt.Errorf("creating journal event: %w", err)
	}
	defer func() { err = errors.Join(err, os.Remove(tmp.Name())) }()
	_, err = tmp.Write(data)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return fmt.Errorf("writing journal event: %w", err)
	}
	if err := os.Link(tmp.Name(), name); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return errExists
		}
		return fmt.Errorf("placing journal event: %w", err)
	}
	return syncDir(filepath.Dir(name))
}

func (f files) remove(_ context.Context, key string) error {
	err := os.Remove(filepath.Join(f.root, filepath.FromSlash(key)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("opening journal folder: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}
