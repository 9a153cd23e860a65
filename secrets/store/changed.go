package store

import (
	"context"
	"strconv"
	"strings"
	"time"
)

// reencrypted is how pass begins the message of a commit that encrypts entries
// to other keys (password-store.sh, cmd_init): their contents stay.
const reencrypted = "^Reencrypt password store"

// Changed is when the entry last got its content, by git's own dates and not
// after until (zero: now). Nothing is decrypted: a commit that only moved or
// rewrote the entry counts too, except pass's own for new keys. It is zero
// where git does not tell: no repository, or no such commit.
func (s *Store) Changed(ctx context.Context, path string, until time.Time) (time.Time, error) {
	return s.changed(ctx, path, until, reencrypted)
}

// Edited is when anything but a rotation last gave the entry its content, as
// Changed says it: a rotation's commits end in "(rotation ID)".
func (s *Store) Edited(ctx context.Context, path string) (time.Time, error) {
	return s.changed(ctx, path, time.Time{}, reencrypted, "(rotation [^ ]*)$")
}

func (s *Store) changed(ctx context.Context, path string, until time.Time, without ...string) (time.Time, error) {
	if err := CheckName(path); err != nil {
		return time.Time{}, err
	}
	repo, err := s.repository(ctx, opHistory)
	if err != nil || repo == nil || repo.head == "" {
		return time.Time{}, err
	}
	args := []string{"log", "-1", "--no-renames", "--no-color", "--diff-filter=AM", "--invert-grep", "--format=%ct"}
	for _, message := range without {
		args = append(args, "--grep="+message)
	}
	if !until.IsZero() {
		args = append(args, "--before="+until.UTC().Format(time.RFC3339))
	}
	text, err := s.gitOut(ctx, opHistory, append(args, "--", path+suffix)...)
	if err != nil || strings.TrimSpace(text) == "" {
		return time.Time{}, err
	}
	seconds, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return time.Time{}, &Error{Kind: Git, Path: path, Op: opHistory, Detail: "git printed no date", Next: "pass git log"}
	}
	return time.Unix(seconds, 0).UTC(), nil
}
