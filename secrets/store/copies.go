package store

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
)

// A rotation keeps copies of an entry beside it: the new value until it is
// promoted, and the old one until it is revoked. A copy is encrypted to exactly
// the recipients of its entry, and not to those of the folder that it lies in:
// who may not read the entry may read neither the value it will have, nor the one
// it had.
const (
	copies         = "rotation/"
	pendingFolder  = copies + "pending"
	previousFolder = copies + "previous"
)

// PendingPath is where a new value of an entry waits for its promotion.
func PendingPath(entry string) string { return pendingFolder + "/" + entry }

// PreviousPath is where the old value stays until it is revoked.
func PreviousPath(entry string) string { return previousFolder + "/" + entry }

// CopyOf is the entry that the entry at path is a copy of, and the folder that
// copies of its kind lie in; ok is false where it is none.
func CopyOf(path string) (entry, folder string, ok bool) {
	for _, folder := range []string{pendingFolder, previousFolder} {
		if entry, ok := strings.CutPrefix(path, folder+"/"); ok {
			return entry, folder, true
		}
	}
	return "", "", false
}

// original is the entry whose recipients a value at path is encrypted to.
func original(path string) string {
	if entry, _, ok := CopyOf(path); ok {
		return entry
	}
	return path
}

// mirrored are the .gpg-id files of rotation's folders that have to change with
// these entries, so that pass itself, which knows nothing of copies and takes the
// nearest .gpg-id, encrypts a copy to the keys of its entry too: at `pass edit`, and
// when `pass init` encrypts all anew. There are none where the nearest says so
// already, as in a store with one .gpg-id. With the last copy in a folder its
// .gpg-id goes.
func mirrored(root *os.Root, changes []Change) ([]*work, error) {
	m := mirror{root: root, now: map[string][]byte{}, want: map[string][]byte{}}
	for _, c := range changes {
		entry, folder, ok := CopyOf(c.Path)
		if !ok || c.Delete {
			continue
		}
		if err := m.follow(entry, folder); err != nil {
			return nil, err
		}
	}
	m.forget(changes)
	var all []*work
	for _, file := range slices.Sorted(maps.Keys(m.want)) {
		w := &work{File: file, entry: file, old: m.now[file], new: m.want[file]}
		if bytes.Equal(w.old, w.new) && (w.old == nil) == (w.new == nil) {
			continue
		}
		if w.old != nil {
			w.Old = blobSum(w.old)
		}
		if w.new != nil {
			w.New = blobSum(w.new)
		}
		all = append(all, w)
	}
	return all, nil
}

// mirror is what the .gpg-id files below rotation hold, and shall hold; nil: no file.
type mirror struct {
	root      *os.Root
	now, want map[string][]byte
}

// follow has pass find for a copy in folder what it finds for the entry.
func (m mirror) follow(entry, folder string) error {
	source := gpgIDFolder(m.root, entry)
	ids, err := readFile(m.root, path.Join(source, gpgIDName))
	if err != nil {
		return nil //nolint:nilerr // PASSWORD_STORE_KEY names the keys, or encrypting says what is wrong
	}
	found := gpgIDFolder(m.root, path.Join(folder, entry))
	if have, err := readFile(m.root, path.Join(found, gpgIDName)); err == nil && bytes.Equal(have, ids) {
		return nil
	}
	at := path.Join(folder, source)
	for dir := path.Dir(path.Join(folder, entry)); dir != at; dir = path.Dir(dir) {
		for _, name := range gpgIDFiles {
			if err := m.set(path.Join(dir, name), nil); err != nil {
				return err
			}
		}
	}
	for _, name := range gpgIDFiles {
		content, err := readFile(m.root, path.Join(source, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fileError(opKeys, entry, err)
		}
		if err := m.set(path.Join(at, name), content); err != nil {
			return err
		}
	}
	return nil
}

// gpgIDFiles are a folder's list of keys and its signature.
var gpgIDFiles = [...]string{gpgIDName, gpgIDName + ".sig"}

// mirrors reports whether a file is one that mirrored may change.
func mirrors(file string) bool {
	dir := path.Dir(file)
	_, _, below := CopyOf(dir)
	return slices.Contains(gpgIDFiles[:], path.Base(file)) && CheckName(dir) == nil &&
		(below || dir == pendingFolder || dir == previousFolder)
}

func (m mirror) set(file string, content []byte) error {
	now, err := readFile(m.root, file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fileError(opKeys, file, err)
	}
	m.now[file], m.want[file] = now, content
	return nil
}

// forget takes the .gpg-id files away below which these changes leave no copy.
func (m mirror) forget(changes []Change) {
	stays := map[string]bool{}
	for _, p := range list(m.root) {
		stays[p] = true
	}
	for _, c := range changes {
		stays[c.Path] = !c.Delete
	}
	for _, c := range changes {
		_, folder, ok := CopyOf(c.Path)
		if !ok || !c.Delete {
			continue
		}
		for dir := path.Dir(c.Path); len(dir) > len(folder) && !anyBelow(stays, dir); dir = path.Dir(dir) {
			for _, name := range gpgIDFiles {
				if now, err := readFile(m.root, path.Join(dir, name)); err == nil {
					m.now[path.Join(dir, name)], m.want[path.Join(dir, name)] = now, nil
				}
			}
		}
	}
}

func anyBelow(stays map[string]bool, dir string) bool {
	for p, there := range stays {
		if there && strings.HasPrefix(p, dir+"/") {
			return true
		}
	}
	return false
}
