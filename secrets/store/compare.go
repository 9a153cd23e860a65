package store

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Compare is Sync that changes not one byte of the store, .git included: it
// asks the remote for its branches and compares them with what is known here. A
// commit at the remote that is not known here makes Behind 1, though there may be
// more, and Ahead then counts from what was fetched last. Where the remote cannot
// be reached the error's Kind is Unreachable and the Sync says what was known
// before.
func (s *Store) Compare(ctx context.Context) (Sync, error) {
	const op = "comparing the store with its remote"
	// A clone that left objects at the remote would fetch them to answer.
	still := *s
	still.env = append(slices.Clone(s.env), "GIT_NO_LAZY_FETCH=1")
	y, err := still.status(ctx)
	if err != nil || !y.Git || y.Remote == "" {
		return y, err
	}
	out, err := still.heads(ctx, op, y.Remote)
	if err != nil {
		return y, err
	}
	heads := map[string]string{}
	for line := range strings.Lines(string(out.stdout)) {
		if id, ref, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok {
			heads[ref] = id
		}
	}
	if y.Tip = heads[still.follows(ctx, y)]; y.Tip != "" {
		err = still.against(ctx, op, &y, y.Tip)
	} else {
		err = still.nowhere(ctx, op, &y, heads)
	}
	y.Fetched = err == nil
	return y, err
}

// follows is the ref at the remote that the branch follows, empty for none.
func (s *Store) follows(ctx context.Context, y Sync) string {
	if y.Branch == "" || y.Upstream == "" {
		return ""
	}
	return s.config(ctx, "branch."+y.Branch+".merge")
}

// against counts commits from HEAD to the commit that the remote's branch has.
func (s *Store) against(ctx context.Context, op string, y *Sync, there string) error {
	switch {
	case there == y.Head:
		y.Ahead, y.Behind = 0, 0
		return nil
	case y.Head == "" || !s.knows(ctx, there):
		y.Behind = max(1, y.Behind)
		return nil
	}
	text, err := s.gitOut(ctx, op, "rev-list", "--left-right", "--count", y.Head+"..."+there)
	if err != nil {
		return err
	}
	ahead, behind, _ := strings.Cut(strings.TrimSpace(text), "\t")
	y.Ahead, _ = strconv.Atoi(ahead)
	y.Behind, _ = strconv.Atoi(behind)
	return nil
}

// nowhere counts the commits on no branch of the remote, which lacks the one
// that this branch follows, if it follows any.
func (s *Store) nowhere(ctx context.Context, op string, y *Sync, heads map[string]string) error {
	y.Upstream, y.Ahead, y.Behind = "", 0, 0
	if y.Head == "" {
		return nil
	}
	args := []string{"rev-list", "--count", y.Head, "--not"}
	for _, id := range heads {
		if s.knows(ctx, id) {
			args = append(args, id)
		}
	}
	text, err := s.gitOut(ctx, op, args...)
	y.Ahead, _ = strconv.Atoi(strings.TrimSpace(text))
	return err
}

func (s *Store) knows(ctx context.Context, commit string) bool {
	out, err := s.runGit(ctx, "cat-file", "-e", commit+"^{commit}")
	return err == nil && out.code == 0
}

// ofRotation is how a rotation's commit ends, and the id in it.
var ofRotation = regexp.MustCompile(`\(rotation ([^ ()]+)\)$`)

// RotationIDs are the rotations whose commits gave the entry its content or took
// it away, newest first, as the commits' subjects say it. There are none where
// there is no git.
func (s *Store) RotationIDs(ctx context.Context, path string) ([]string, error) {
	if err := CheckName(path); err != nil {
		return nil, err
	}
	repo, err := s.repository(ctx, opHistory)
	if err != nil || repo == nil || repo.head == "" {
		return nil, err
	}
	text, err := s.gitOut(ctx, opHistory, "log", "--no-renames", "--no-color", "--format=%s", "--", path+suffix)
	if err != nil {
		return nil, err
	}
	var ids []string
	for subject := range strings.Lines(text) {
		if m := ofRotation.FindStringSubmatch(strings.TrimSpace(subject)); m != nil && !slices.Contains(ids, m[1]) {
			ids = append(ids, m[1])
		}
	}
	return ids, nil
}
