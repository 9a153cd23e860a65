package store

import (
	"context"
	"strings"
)

func (t *transaction) files() []string {
	var files []string
	for _, w := range t.Work {
		files = append(files, w.File)
	}
	return files
}

// commit commits these files and nothing else. What counts is not git's exit
// code but what HEAD holds afterwards: a hook or a filter may have changed the
// content, and a git that was killed may have committed.
func (t *transaction) commit(ctx context.Context, message string) error {
	s := t.store
	if _, err := s.gitOut(ctx, opWrite, append([]string{"add", "--all", "--"}, t.files()...)...); err != nil {
		return err
	}
	if err := t.added(ctx); err != nil {
		return err
	}
	s.stage("added")
	args := []string{"commit", "--quiet", "--message", message}
	// As pass does: signed if pass.signcommits says so; git's own commit.gpgSign
	// holds too. Without a terminal a locked signing key fails within the limit.
	if s.config(ctx, "--bool", "pass.signcommits") == "true" {
		args = append(args, "--gpg-sign")
	}
	asked := s.mayAsk() // a signing key has a passphrase, too
	out, err := s.runGit(ctx, append(append(args, "--"), t.files()...)...)
	asked()
	done, checkErr := t.committed(context.WithoutCancel(ctx))
	switch {
	case done:
		return nil
	case err != nil || out.code != 0:
		return s.gitError(opWrite, "git commit refused", out, err)
	case checkErr != nil:
		return checkErr
	}
	return &Error{Kind: Git, Op: opWrite, Next: "pass git log -1 --stat",
		Detail: "git reported a commit, but HEAD does not hold what was written (a hook changed it?)"}
}

// added makes sure that git took the files as they are: a filter or an end-of-line
// rule of .gitattributes would make the commit unreadable.
func (t *transaction) added(ctx context.Context) error {
	text, err := t.store.gitOut(ctx, opWrite, append([]string{"ls-files", "--stage", "-z", "--"}, t.files()...)...)
	if err != nil {
		return err
	}
	index := map[string]string{}
	for record := range strings.SplitSeq(text, "\x00") {
		meta, file, _ := strings.Cut(record, "\t")
		if fields := strings.Fields(meta); len(fields) == 3 {
			index[file] = fields[1]
		}
	}
	for _, w := range t.Work {
		if w.New != "" && !isBlob(w.New, index[w.File]) || w.New == "" && index[w.File] != "" {
			return &Error{Kind: Git, Path: w.entry, Op: opWrite, Next: "pass git check-attr --all -- " + w.File,
				Detail: "git would store something else than was written: a filter or .gitattributes changes it"}
		}
	}
	return nil
}

// committed reports whether HEAD is another commit than before and holds
// exactly the new files, and nothing of them is left uncommitted.
func (t *transaction) committed(ctx context.Context) (bool, error) {
	now, err := t.store.repository(ctx, opWrite)
	if err != nil {
		return false, err
	}
	if now == nil || now.head == "" || now.head == t.repo.head {
		return false, nil
	}
	for _, file := range now.dirty {
		for _, w := range t.Work {
			if file == w.File {
				return false, nil
			}
		}
	}
	return t.inHead(ctx)
}

// inHead reports whether HEAD's tree has the new version of every file.
func (t *transaction) inHead(ctx context.Context) (bool, error) {
	blobs, err := t.store.blobs(ctx, t.files()...)
	if err != nil {
		return false, err
	}
	for _, w := range t.Work {
		if blobs[w.File] != "" && w.New == "" || w.New != "" && !isBlob(w.New, blobs[w.File]) {
			return false, nil
		}
	}
	return true, nil
}

// blobs gives the ids that HEAD's tree has for the files.
func (s *Store) blobs(ctx context.Context, files ...string) (map[string]string, error) {
	text, err := s.gitOut(ctx, "reading the store's history", append([]string{"ls-tree", "-z", "HEAD", "--"}, files...)...)
	if err != nil {
		return nil, err
	}
	blobs := map[string]string{}
	for record := range strings.SplitSeq(text, "\x00") {
		meta, file, _ := strings.Cut(record, "\t")
		if fields := strings.Fields(meta); len(fields) == 3 {
			blobs[file] = fields[2]
		}
	}
	return blobs, nil
}

// unstage takes the files out of git's index again, so that the next commit of
// somebody else does not carry them. It writes only if it must: the disk may be
// full.
func (t *transaction) unstage(ctx context.Context) error {
	if t.repo == nil {
		return nil
	}
	if t.repo.head == "" {
		_, err := t.store.gitOut(ctx, opPutBack, append([]string{"rm", "--quiet", "--cached", "--force", "--ignore-unmatch", "--"}, t.files()...)...)
		return err
	}
	staged, err := t.store.runGit(ctx, append([]string{"diff-index", "--cached", "--quiet", "HEAD", "--"}, t.files()...)...)
	if err == nil && staged.code == 0 {
		return nil
	}
	_, err = t.store.gitOut(ctx, opPutBack, append([]string{"reset", "--quiet", "--"}, t.files()...)...)
	return err
}
