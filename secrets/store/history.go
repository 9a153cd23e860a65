package store

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

const opHistory = "reading the history of"

// blob reads one object of the store's repository.
func (s *Store) blob(ctx context.Context, id string) ([]byte, error) {
	text, err := s.gitOut(ctx, "reading the store's history", "cat-file", "blob", id)
	return []byte(text), err
}

// version is one commit's blob of an entry.
type version struct {
	commit, blob string
	time         time.Time
}

// History returns up to n older contents of the entry (0: all) from git, newest
// first: those that differ from the present content and from the next newer
// one. An entry that is gone has only older ones; a store without git has none.
// Versions that cannot be decrypted (an old key) are joined into the error
// beside those that can.
func (s *Store) History(ctx context.Context, path string, n int) ([]Entry, error) {
	if err := CheckName(path); err != nil {
		return nil, err
	}
	newer := secrets.Value{}
	switch now, err := s.Read(ctx, path); {
	case err == nil:
		newer = now.content
	case !errors.Is(err, Missing) && !errors.Is(err, Damaged) && !errors.Is(err, Folder):
		return nil, err
	}
	versions, err := s.versions(ctx, path)
	if err != nil {
		return nil, err
	}
	var entries []Entry
	var errs []error
	for _, v := range versions {
		if n > 0 && len(entries) == n {
			break
		}
		content, err := s.decryptBlob(ctx, path, v)
		if ctx.Err() != nil {
			return entries, s.ended(opHistory, path, "git", "", ctx.Err())
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if !content.Equal(newer) {
			entries = append(entries, Entry{Path: path, Commit: v.commit, Time: v.time, content: content})
			newer = content
		}
	}
	return entries, errors.Join(errs...)
}

func (s *Store) decryptBlob(ctx context.Context, path string, v version) (secrets.Value, error) {
	ciphertext, err := s.blob(ctx, v.blob)
	if err != nil {
		return secrets.Value{}, err
	}
	d, err := s.decrypt(ctx, opHistory, path, ciphertext)
	if e, ok := errors.AsType[*Error](err); ok {
		e.Detail += " (commit " + v.commit[:min(len(v.commit), 12)] + ")"
		e.Next = "pass git show " + v.commit
	}
	return d.content, err
}

// versions lists the blobs that commits gave the entry, newest first.
func (s *Store) versions(ctx context.Context, path string) ([]version, error) {
	repo, err := s.repository(ctx, opHistory)
	if err != nil || repo == nil || repo.head == "" {
		return nil, err
	}
	// %x01 tells a commit's line from those of its files; -m: merges too.
	text, err := s.gitOut(ctx, opHistory, "log", "-m", "--raw", "--no-abbrev", "--no-renames", "--no-color", "--no-ext-diff",
		"--format=%x01%H %ct", "--", path+suffix)
	if err != nil {
		return nil, err
	}
	var all []version
	var current version
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if header, ok := strings.CutPrefix(line, "\x01"); ok {
			commit, seconds, _ := strings.Cut(header, " ")
			n, _ := strconv.ParseInt(seconds, 10, 64)
			current = version{commit: commit, time: time.Unix(n, 0).UTC()}
			continue
		}
		// :100644 100644 OLD NEW M<tab>path
		if f := strings.Fields(line); len(f) > 4 && strings.HasPrefix(f[0], ":") && strings.Trim(f[3], "0") != "" {
			current.blob = f[3]
			all = append(all, current)
		}
	}
	return all, nil
}
