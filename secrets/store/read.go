package store

import (
	"context"
	"errors"
	"io"
	"os"
	"runtime"
	"sync"
)

const (
	// atOnce caps the parallel gpg processes: one agent serves them all, and its
	// locked memory is small.
	atOnce = 8
	// longestFile is the biggest file taken for an entry, in bytes.
	longestFile = 16 << 20
)

// Read decrypts one entry. Where both NAME.gpg and the folder NAME exist, NAME
// is the entry, as for pass. Kinds: Missing (with entries of a similar name),
// Folder, Name, Symlink, NoKey, Locked, Damaged, Timeout, Canceled, Gpg, Disk.
func (s *Store) Read(ctx context.Context, path string) (Entry, error) {
	if s.still != nil {
		return s.still.read(path, func() (Entry, error) { return s.open(ctx, path) })
	}
	return s.open(ctx, path)
}

func (s *Store) open(ctx context.Context, path string) (Entry, error) {
	ciphertext, err := s.file(path)
	if err != nil {
		return Entry{}, err
	}
	d, err := s.decrypt(ctx, opRead, path, ciphertext)
	if err != nil {
		return Entry{}, err
	}
	return Entry{Path: path, content: d.content, readers: d.keys}, nil
}

// file reads an entry's encrypted bytes.
func (s *Store) file(path string) ([]byte, error) {
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return nil, fileError(opRead, path, err)
	}
	defer root.Close()
	name, err := s.locate(root, path)
	if err != nil {
		return nil, err
	}
	b, err := readFile(root, name)
	if err != nil {
		return nil, fileError(opRead, path, err)
	}
	return b, nil
}

func readFile(root *os.Root, name string) ([]byte, error) {
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, longestFile+1))
	if err == nil && len(b) > longestFile {
		err = errors.New("the file is too large for an entry")
	}
	return b, err
}

// ReadAll decrypts the entries, as many at a time as there are processors (8 at
// most). The map holds those that were read, by path; the error joins those of
// all others, in the order of paths.
func (s *Store) ReadAll(ctx context.Context, paths []string) (map[string]Entry, error) {
	entries, errs := make([]Entry, len(paths)), make([]error, len(paths))
	var group sync.WaitGroup
	free := make(chan struct{}, min(runtime.NumCPU(), atOnce))
	for i, path := range paths {
		free <- struct{}{}
		group.Go(func() {
			defer func() { <-free }()
			entries[i], errs[i] = s.Read(ctx, path)
		})
	}
	group.Wait()
	read := make(map[string]Entry, len(paths))
	for i, path := range paths {
		if errors.Is(errs[i], Gpg) && ctx.Err() == nil {
			// Too many at once for the agent: alone it may work.
			entries[i], errs[i] = s.Read(ctx, path)
		}
		if errs[i] == nil {
			read[path] = entries[i]
		}
	}
	return read, errors.Join(errs...)
}
