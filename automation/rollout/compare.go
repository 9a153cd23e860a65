package rollout

import (
	"context"

	"github.com/sanmarcsoft/secret-rotation/secrets/store"
)

// ConfigFile is a stack's config file on disk.
type ConfigFile struct{ Stack, Path string }

// Remote says how much is asked about the branch that a checkout's branch follows.
type Remote int

// What is asked.
const (
	// NotAsked: nothing; only what is committed is looked at.
	NotAsked Remote = iota
	// Asked: the remote is, and nothing is fetched into the checkout.
	Asked
)

// Upstream is what the branch that a checkout's branch follows has of a file.
type Upstream string

// What there is.
const (
	// UpstreamUnknown: it was not asked, or did not answer.
	UpstreamUnknown Upstream = ""
	// UpstreamSame: the committed content; or there is no branch that would have to
	// have it.
	UpstreamSame Upstream = "same"
	// UpstreamOlder: another content, and no commit that this checkout lacks.
	UpstreamOlder Upstream = "older"
	// UpstreamOther: another content, with commits that this checkout lacks.
	UpstreamOther Upstream = "other"
)

// FileState is what others get of a config file.
type FileState struct {
	ConfigFile
	// Committed: a clone of this checkout would have the file as it stands.
	Committed bool
	// New: nothing was ever committed of it.
	New bool
	// Upstream is compared with what is committed, Branch is its name (origin/main).
	Upstream Upstream
	Branch   string
	// Err is why the remote could not be asked.
	Err error

	repository *Repository
	// path is below the repository.
	path string
}

// Command is a git command in the file's checkout, as a person types it.
func (f FileState) Command(args ...string) string { return f.repository.git.Command(args...) }

// InCheckout is the file's below its checkout, as git takes it.
func (f FileState) InCheckout() string { return f.path }

// Compare compares config files with what is committed and with the branch that
// theirs follows, as a rotation does before it lets an old value die. It changes
// nothing, .git included. Files in no checkout, and those that git is told to
// ignore, are left out.
func Compare(ctx context.Context, files []ConfigFile, environ []string, remote Remote) (out []FileState, err error) {
	var all []*Repository
	for _, f := range files {
		if err := locate(ctx, &all, configFile{ConfigFile: f}, environ); err != nil {
			return nil, err
		}
	}
	for _, r := range all {
		r.git = r.git.Look()
		states, err := r.compare(ctx, remote)
		if err != nil {
			return nil, err
		}
		out = append(out, states...)
	}
	return out, nil
}

func (r *Repository) compare(ctx context.Context, remote Remote) (out []FileState, err error) {
	var unasked error
	if remote == Asked {
		if r.sync, err = r.git.Compare(ctx); err != nil {
			unasked = r.failed(err)
		}
	}
	if remote == NotAsked || !r.sync.Git {
		if r.sync, err = r.git.Status(ctx); err != nil {
			return nil, r.failed(err)
		}
	}
	blobs := map[string]string{}
	if remote == Asked && unasked == nil && r.sync.Tip != "" {
		var paths []string
		for _, f := range r.files {
			paths = append(paths, f.path)
		}
		if blobs, err = r.git.Blobs(ctx, r.sync, paths...); err != nil {
			unasked = r.failed(err)
		}
	}
	for i := range r.files {
		f := &r.files[i]
		s := FileState{ConfigFile: f.ConfigFile, Branch: r.sync.Upstream, Err: unasked, repository: r, path: f.path}
		if s.Committed, err = r.committed(ctx, f); err != nil {
			return nil, err
		}
		here := r.blob(ctx, f)
		s.New = here == ""
		if remote == Asked && unasked == nil {
			s.Upstream = upstream(r.sync, here, blobs[f.path])
		}
		out = append(out, s)
	}
	return out, nil
}

// upstream compares the committed file with what the remote's branch has of it, both
// by their ids.
func upstream(y store.Sync, here, there string) Upstream {
	switch {
	case y.Remote == "", y.Tip == "" && y.Branch != "":
		return UpstreamSame // there is no branch that others would deploy from
	case y.Tip == "" && y.Ahead == 0:
		return UpstreamSame // HEAD is on no branch here and on one of the remote's
	case y.Tip != "" && here == there:
		return UpstreamSame
	case y.Behind > 0:
		return UpstreamOther
	}
	return UpstreamOlder
}

// blob is the id of the committed file, empty where there is none.
func (r *Repository) blob(ctx context.Context, f *configFile) string {
	tree, err := r.git.Tree(ctx, "HEAD", f.path)
	if err != nil {
		return ""
	}
	return tree[f.path]
}
