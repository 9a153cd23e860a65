package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Tree gives the ids of the files that a commit has at these paths, below the work
// tree; one that it does not have is absent.
func (c *Checkout) Tree(ctx context.Context, commit string, paths ...string) (map[string]string, error) {
	return c.s.tree(ctx, nil, commit, paths)
}

// Blobs is Tree for the commit that Compare was told of. One that is not known
// here is fetched into a temporary repository: nothing of the checkout is changed.
func (c *Checkout) Blobs(ctx context.Context, y Sync, paths ...string) (ids map[string]string, err error) {
	if c.s.knows(ctx, y.Tip) {
		return c.s.tree(ctx, nil, y.Tip, paths)
	}
	const op = "looking at the remote's branch"
	address, err := c.s.gitOut(ctx, op, "remote", "get-url", "--", y.Remote)
	if err != nil {
		return nil, err
	}
	// Named like the folders that are swept after a kill.
	dir, err := os.MkdirTemp("", "secret-rotation-"+strconv.Itoa(os.Getpid())+"-git")
	if err != nil {
		return nil, &Error{Kind: Disk, Op: op, Detail: "no temporary folder can be made", Next: "df -h", Err: err}
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if _, err = c.s.gitOut(ctx, op, "init", "--quiet", "--bare", "--", dir); err != nil {
		return nil, err
	}
	at := []string{"--git-dir=" + dir}
	// The work tree is where a relative address starts from.
	if _, err = c.s.remoteGit(ctx, op, append(at, "fetch", "--quiet", "--depth=1", "--no-tags", "--", strings.TrimSpace(address), c.s.follows(ctx, y))...); err != nil {
		return nil, err
	}
	// Somebody may have pushed since: what is there now decides.
	return c.s.tree(ctx, at, "FETCH_HEAD", paths)
}

// tree lists files of a commit; in says which repository has it.
func (s *Store) tree(ctx context.Context, in []string, commit string, paths []string) (map[string]string, error) {
	args := append(append([]string{}, in...), "ls-tree", "-z", "--full-tree", commit, "--")
	for _, p := range paths {
		args = append(args, filepath.ToSlash(p))
	}
	text, err := s.gitOut(ctx, "reading a commit", args...)
	if err != nil {
		return nil, err
	}
	ids := map[string]string{}
	for record := range strings.SplitSeq(text, "\x00") {
		about, path, ok := strings.Cut(record, "\t")
		if fields := strings.Fields(about); ok && len(fields) == 3 {
			ids[path] = fields[2]
		}
	}
	return ids, nil
}
