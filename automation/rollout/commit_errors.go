package rollout

import (
	"errors"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/secrets/store"
)

// GitError says why config files were not committed and pushed, or could not be
// compared with what is.
type GitError struct {
	// Dir is the checkout; Kind is the failed git's, empty for a refusal.
	Dir    string
	Kind   store.Kind
	Detail string
	// Next is what to type.
	Next []string
	Err  error
}

// Error names the checkout and what is wrong there.
func (e *GitError) Error() string { return "the repository " + e.Dir + ": " + e.Detail }

// Unwrap gives the cause.
func (e *GitError) Unwrap() error { return e.Err }

// failed says what git said, in the words of a project.
func (r *Repository) failed(err error) *GitError {
	e := &GitError{Dir: r.git.Dir(), Kind: store.KindOf(err), Detail: detail(err), Next: nextOf(err, r.git.Command()), Err: err}
	if e.Kind == store.Behind {
		e.Next = []string{r.git.Command("pull", "--rebase", "--autostash")}
	}
	return e
}

// detail leaves out what the store's errors say of the store.
func detail(err error) string {
	var e *store.Error
	switch {
	case !errors.As(err, &e):
		return err.Error()
	case e.Kind == store.Busy:
		return "another git works there, or one that died left index.lock behind; remove it when none runs"
	case e.Kind == store.Behind:
		return "the remote has commits that this checkout lacks"
	}
	return string(e.Kind) + ": " + e.Detail
}

// nextOf turns what is to be typed in a store into what is in a project.
func nextOf(err error, git string) []string {
	var e *store.Error
	if !errors.As(err, &e) || e.Next == "" {
		return nil
	}
	return []string{strings.Replace(e.Next, "pass git", git, 1)}
}
