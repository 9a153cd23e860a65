package rollout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/sanmarcsoft/secret-rotation/secrets/store"
)

// gitLimit bounds every single git process, the repository's hooks included.
const gitLimit = time.Minute

// Repository is a git checkout and those config files in it that a fresh clone
// would not give as they stand here: an up from there would bring old values
// back.
type Repository struct {
	// Uncommitted and Unpushed are paths below the checkout's folder. What is
	// committed has to be pushed only where the branch follows one of a remote.
	Uncommitted, Unpushed []string
	// Stacks are the stacks of these files.
	Stacks []string
	// Alone says why nothing is pushed; empty where something has to be.
	Alone string

	git   *store.Checkout
	sync  store.Sync
	files []configFile
}

// configFile is one stack's, at path below the checkout. target is what it is
// committed for, nil where it is only looked at.
type configFile struct {
	ConfigFile
	target *Target
	path   string
	now    []byte
}

// Repositories compares the config files of these stacks with what is committed
// and, after a fetch, with the branch that theirs follows. Files in no checkout,
// and those that git is told to ignore, are not asked for.
func Repositories(ctx context.Context, targets []*Target) ([]*Repository, error) {
	var all []*Repository
	for _, t := range targets {
		environ := make([]string, 0, len(t.fleet.Environ))
		for name, value := range t.fleet.Environ {
			environ = append(environ, name+"="+value)
		}
		file := configFile{ConfigFile: ConfigFile{Stack: t.Name, Path: t.stack.File()}, target: t}
		if err := locate(ctx, &all, file, environ); err != nil {
			return nil, err
		}
	}
	for _, r := range all {
		if err := r.look(ctx); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// locate puts a config file to its repository.
func locate(ctx context.Context, all *[]*Repository, f configFile, environ []string) error {
	// A link may lead into another repository; git would commit the link.
	file, err := filepath.EvalSymlinks(f.Path)
	if errors.Is(err, os.ErrNotExist) {
		return nil // a declared stack that was never deployed
	}
	if err != nil {
		return fmt.Errorf("looking for the config file of stack %s: %w", f.Stack, err)
	}
	git, err := store.OpenCheckout(ctx, filepath.Dir(file), environ, gitLimit)
	if err != nil {
		return &GitError{Dir: filepath.Dir(file), Kind: store.KindOf(err), Detail: detail(err), Next: nextOf(err, "git -C "+filepath.Dir(file)), Err: err}
	}
	if git == nil {
		return nil
	}
	if f.path, err = filepath.Rel(git.Dir(), file); err != nil {
		return fmt.Errorf("looking for the config file of stack %s: %w", f.Stack, err)
	}
	// check-ignore would take the path for a pattern.
	if ignored, err := git.Git(ctx, "ls-files", "--others", "--ignored", "--exclude-standard", "--", f.path); err == nil && len(ignored) > 0 {
		return nil
	}
	at := slices.IndexFunc(*all, func(r *Repository) bool { return r.git.Dir() == git.Dir() })
	if at < 0 {
		at, *all = len(*all), append(*all, &Repository{git: git})
	}
	r := (*all)[at]
	if !slices.ContainsFunc(r.files, func(o configFile) bool { return o.path == f.path }) {
		r.files = append(r.files, f)
	}
	return nil
}

// look compares every file, after a fetch.
func (r *Repository) look(ctx context.Context) (err error) {
	if r.sync, err = r.git.Sync(ctx); err != nil {
		return r.failed(err)
	}
	r.Uncommitted, r.Unpushed, r.Stacks, r.Alone = nil, nil, nil, ""
	switch {
	case r.sync.Remote == "":
		r.Alone = "its repository has no remote"
	case r.sync.Upstream == "" && r.sync.Branch != "":
		r.Alone = "branch " + r.sync.Branch + " follows none of the remote's"
	}
	for i := range r.files {
		f := &r.files[i]
		committed, err := r.committed(ctx, f)
		if err != nil {
			return err
		}
		switch {
		case !committed:
			r.Uncommitted = append(r.Uncommitted, f.path)
		case r.Alone == "" && !r.pushed(ctx, f):
			r.Unpushed = append(r.Unpushed, f.path)
		default:
			continue
		}
		r.Stacks = append(r.Stacks, f.Stack)
	}
	return nil
}

// committed compares the file itself, not git's record of it: git can be told
// to overlook changes of a file.
func (r *Repository) committed(ctx context.Context, f *configFile) (bool, error) {
	var err error
	if f.now, err = os.ReadFile(filepath.Join(r.git.Dir(), f.path)); err != nil {
		return false, fmt.Errorf("reading the config file of stack %s: %w", f.Stack, err)
	}
	was, err := r.head(ctx, f)
	if err != nil || was == nil {
		return false, err
	}
	if bytes.Equal(was, f.now) {
		return true, nil
	}
	// Line ends may differ between a file and what git makes of it.
	blob, err := r.git.Git(ctx, "rev-parse", "HEAD:"+f.path)
	if err != nil {
		return false, r.failed(err)
	}
	hash, err := r.git.Git(ctx, "hash-object", "--path="+f.path, "--", f.path)
	if err != nil {
		return false, r.failed(err)
	}
	if !bytes.Equal(blob, hash) && r.git.Filtered(ctx, f.path) {
		return false, &GitError{Dir: r.git.Dir(), Kind: store.Git, Next: []string{r.git.Command("status", "--", f.path)},
			Detail: "whether " + f.path + " is committed is known to a filter of the repository's own config alone, which a look does not run"}
	}
	return bytes.Equal(blob, hash), nil
}

// head is the file as HEAD would check it out; nil where HEAD has none.
func (r *Repository) head(ctx context.Context, f *configFile) ([]byte, error) {
	if r.sync.Head == "" {
		return nil, nil
	}
	if _, err := r.git.Git(ctx, "rev-parse", "--verify", "--quiet", "HEAD:"+f.path); err != nil {
		return nil, ctx.Err()
	}
	text, err := r.git.Git(ctx, "cat-file", "--filters", "HEAD:"+f.path)
	if err != nil {
		return nil, r.failed(err)
	}
	return text, nil
}

// pushed: the branch that ours follows has the same content.
func (r *Repository) pushed(ctx context.Context, f *configFile) bool {
	here, err := r.git.Git(ctx, "rev-parse", "HEAD:"+f.path)
	if err != nil {
		return false
	}
	there, err := r.git.Git(ctx, "rev-parse", "--verify", "--quiet", "@{upstream}:"+f.path)
	return err == nil && bytes.Equal(here, there)
}

// Done reports whether nothing is left to commit or to push.
func (r *Repository) Done() bool { return len(r.Uncommitted) == 0 && len(r.Unpushed) == 0 }
