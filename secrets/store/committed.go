package store

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
)

// Committed decrypts an entry as HEAD has it, whatever stands in the work tree:
// what a killed process left there may be undone by Recover. A store without git
// has only its files. Kinds as for Read.
func Committed(ctx context.Context, s *Store, path string) (Entry, error) {
	if err := CheckName(path); err != nil {
		return Entry{}, err
	}
	if !exists(filepath.Join(s.dir, ".git")) {
		return s.Read(ctx, path)
	}
	missing := &Error{Kind: Missing, Path: path, Op: opRead, Detail: "no commit of the store holds it"}
	repo, err := s.repository(ctx, opRead)
	if err != nil {
		return Entry{}, err
	}
	if repo == nil {
		return s.Read(ctx, path)
	}
	if repo.head == "" {
		return Entry{}, missing
	}
	blobs, err := s.blobs(ctx, path+suffix)
	if err != nil {
		return Entry{}, err
	}
	if blobs[path+suffix] == "" {
		return Entry{}, missing
	}
	ciphertext, err := s.blob(ctx, blobs[path+suffix])
	if err != nil {
		return Entry{}, err
	}
	d, err := s.decrypt(ctx, opRead, path, ciphertext)
	if err != nil {
		return Entry{}, err
	}
	return Entry{Path: path, Commit: repo.head, content: d.content, readers: d.keys}, nil
}

// Shared reports whether the remote's branch, as last fetched or pushed, has the
// same bytes of an entry as HEAD; also where there is no remote.
func Shared(ctx context.Context, s *Store, path string) (bool, error) {
	y, err := s.status(ctx)
	if err != nil || !y.Git || y.Remote == "" || y.Head == "" {
		return err == nil, err
	}
	if y.Upstream == "" {
		return false, nil
	}
	out, err := s.runGit(ctx, "rev-parse", "--verify", "--quiet", y.Upstream+":"+path+suffix)
	if err != nil {
		return false, s.gitError(opRead, "git rev-parse", out, err)
	}
	blobs, err := s.blobs(ctx, path+suffix)
	return err == nil && out.code == 0 && blobs[path+suffix] == strings.TrimSpace(string(out.stdout)), err
}

// TakeTheirs resolves that this store and its remote have both added one entry,
// for the remote: where the newest commit is the only one that the remote lacks
// and holds nothing but that entry, and the remote has the entry too, the branch
// is set to the remote's. It reports whether it was; else nothing is changed.
func TakeTheirs(ctx context.Context, s *Store, path string) (bool, error) {
	const op = "taking in the remote's entry"
	y, err := s.Sync(ctx)
	if err != nil || y.Ahead != 1 || y.Behind == 0 || y.Upstream == "" {
		return false, err
	}
	unlock, err := s.lock(ctx, op)
	if err != nil {
		return false, err
	}
	defer unlock()
	y.Behind = 0
	if err := y.Ready(); err != nil {
		return false, err
	}
	touched, err := s.gitOut(ctx, op, "diff-tree", "--root", "--no-commit-id", "--name-only", "-r", "-z", y.Head)
	if err != nil || !slices.Equal(strings.Split(strings.Trim(touched, "\x00"), "\x00"), []string{path + suffix}) {
		return false, err
	}
	out, err := s.runGit(ctx, "cat-file", "-e", y.Upstream+":"+path+suffix)
	if err != nil || out.code != 0 {
		return false, err
	}
	// --keep refuses where it would lose a change that is not committed.
	_, err = s.gitOut(ctx, op, "reset", "--quiet", "--keep", y.Upstream)
	return err == nil, err
}
