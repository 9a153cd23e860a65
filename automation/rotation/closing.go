package rotation

import (
	"context"
	"errors"

	"github.com/sanmarcsoft/secret-rotation/secrets/store"
)

// confirmPushed makes sure that pass's remote has every commit, also those that an
// earlier run made and could not push: a record that is closed without that would
// leave the truth on one disk, and nothing would ever push it.
func confirmPushed(ctx context.Context, s *store.Store) error {
	sync, err := s.Sync(ctx)
	if err != nil {
		return err
	}
	if sync.Pushed() == nil {
		return nil
	}
	return s.Push(ctx)
}

// notConfirmed notes that pass's remote has not confirmed the last commit, so that
// the rotation stays open and every surface shows why.
func (r *run) notConfirmed(ctx context.Context, j *job, err error) error {
	r.owe(j, notPushed)
	out := &Error{Reason: Failed, Secret: j.secret.Name, Step: "pushing pass", Err: err, Next: []string{"pass git push", resumeCommand(r, j).String()},
		Detail: "the " + j.unwanted() + " value no longer works, and the rotation stays open until pass's remote has every commit"}
	if fault := (*store.Error)(nil); errors.As(err, &fault) && fault.Kind == store.Unreachable {
		out.Reason = Untold
	}
	return errors.Join(out, r.record(context.WithoutCancel(ctx), j, r.standing(j, j.revoking(), "pass is not pushed")))
}
