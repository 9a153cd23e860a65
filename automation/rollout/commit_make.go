package rollout

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/secrets/store"
)

// Commands are what a person types to commit and push the files.
func (r *Repository) Commands(message string) (out []string) {
	if len(r.Uncommitted) > 0 {
		out = append(out, r.git.Command(append([]string{"add", "--"}, r.Uncommitted...)...),
			r.git.Command(append([]string{"commit", "-m", message, "--"}, r.Uncommitted...)...))
	}
	if r.Alone == "" {
		out = append(out, r.git.Command("push"))
	}
	return out
}

// Commit commits these files, and nothing else that is changed or staged, and
// pushes the branch. It refuses (*GitError) what a person has to sort out first:
// HEAD on no branch, something half done, commits that the remote has and this
// checkout has not, and changes of a file that are not its stack's secrets.
func (r *Repository) Commit(ctx context.Context, message string) error {
	if r.Done() {
		return nil
	}
	if err := r.ready(); err != nil {
		return err
	}
	if len(r.Uncommitted) > 0 {
		if err := r.ours(ctx); err != nil {
			return err
		}
		if err := r.commit(ctx, message); err != nil {
			return err
		}
	}
	if r.Alone == "" {
		if err := r.git.Push(ctx); err != nil {
			return r.failed(err)
		}
	}
	if err := r.look(ctx); err != nil {
		return err
	}
	if !r.Done() {
		return &GitError{Dir: r.git.Dir(), Detail: "git reported success, but what is committed and pushed is not what stands in " + strings.Join(append(r.Uncommitted, r.Unpushed...), ", "),
			Next: []string{r.git.Command("status")}}
	}
	return nil
}

func (r *Repository) ready() error {
	refuse := func(why string, next ...string) error {
		return &GitError{Dir: r.git.Dir(), Detail: why, Next: next}
	}
	switch {
	case r.sync.InProgress != "":
		return refuse("a "+r.sync.InProgress+" is unfinished there", r.git.Command("status"))
	case r.sync.Branch == "":
		return refuse("HEAD is detached: a commit would be on no branch", r.git.Command("switch", "BRANCH"))
	case r.sync.Behind > 0 && r.Alone == "":
		return refuse(fmt.Sprintf("%s has %d commit(s) that this checkout lacks", r.sync.Upstream, r.sync.Behind), r.git.Command("pull", "--rebase", "--autostash"))
	}
	return nil
}

// ours refuses a file in which somebody else has changed something too: that is
// for him to commit, or not.
func (r *Repository) ours(ctx context.Context) error {
	for _, f := range r.files {
		if !slices.Contains(r.Uncommitted, f.path) {
			continue
		}
		before, err := r.head(ctx, &f)
		if err != nil {
			return err
		}
		only, err := f.target.stack.OnlySecretsChanged(before, slices.Sorted(maps.Keys(f.target.Refs)))
		if err != nil {
			return err
		}
		if !only {
			return &GitError{Dir: r.git.Dir(), Detail: "in " + f.path + " more is changed than the secrets of stack " + f.target.Name + ", which is not this program's to commit",
				Next: []string{r.git.Command("diff", "HEAD", "--", f.path), r.git.Command("commit", "--", f.path)}}
		}
	}
	return nil
}

// commit makes one commit of the files. git knows only files that were added
// once; those that it refuses to commit are no more added than before.
func (r *Repository) commit(ctx context.Context, message string) error {
	var added []string
	for _, path := range r.Uncommitted {
		if _, err := r.git.Git(ctx, "ls-files", "--error-unmatch", "--", path); err != nil {
			added = append(added, path)
		}
	}
	if len(added) > 0 {
		if _, err := r.git.Git(ctx, append([]string{"add", "--"}, added...)...); err != nil {
			return r.failed(err)
		}
	}
	_, err := r.git.Git(ctx, append([]string{"commit", "--quiet", "--message", message, "--"}, r.Uncommitted...)...)
	if err == nil {
		return nil
	}
	failure := r.failed(err)
	if hooks := r.git.Hooks(ctx, "pre-commit", "prepare-commit-msg", "commit-msg"); len(hooks) > 0 && store.KindOf(err) == store.Git {
		failure.Detail = "it was not committed, which hook " + strings.Join(hooks, " or ") + " may have refused: " + detail(err)
		failure.Next = r.Commands(message)
	}
	if len(added) > 0 {
		_, undone := r.git.Git(context.WithoutCancel(ctx), append([]string{"rm", "--quiet", "--cached", "--"}, added...)...)
		failure.Err = errors.Join(err, undone)
	}
	return failure
}
