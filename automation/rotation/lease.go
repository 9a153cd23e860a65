package rotation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// leased are the names that a rotation of these secrets holds: the secrets, and
// the stacks that they share with others.
func leased(chosen []secrets.Secret) []string {
	var out []string
	for _, s := range chosen {
		out = append(out, s.Name)
		for _, c := range s.Consumers {
			if c.Stack != "" {
				out = append(out, journal.StackLease(c.Stack))
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// unheld refuses at plan time what somebody else is working on. It only looks.
func (r *run) unheld(ctx context.Context, chosen []secrets.Secret) error {
	return r.barred(chosen[0].Name, r.Journal.Holding(ctx, leased(chosen)...))
}

// acquire takes the lease before the first effect, and refuses to act on a plan
// that somebody has overtaken since it was made.
func (r *run) acquire(ctx context.Context) error {
	chosen := make([]secrets.Secret, 0, len(r.jobs))
	for _, j := range r.jobs {
		chosen = append(chosen, j.secret)
	}
	if r.Exclusive != nil {
		if err := r.Exclusive(ctx); err != nil {
			return &Error{Reason: Failed, Step: "taking the lease", Detail: "the state backend cannot keep two operators apart, so nothing was changed", Err: err, Next: []string{"go run . doctor"}}
		}
	}
	lease, err := r.Journal.Acquire(ctx, leased(chosen)...)
	if err != nil {
		return r.barred(chosen[0].Name, err)
	}
	r.lease = lease
	for _, j := range r.jobs {
		now, err := r.Journal.Open(ctx, j.secret.Name)
		if err != nil {
			return err
		}
		if last := now.Last(); last.Number != j.log.Last().Number {
			return &Error{Reason: Held, Secret: j.secret.Name, Next: []string{resumeCommand(r, j).String()},
				Detail: fmt.Sprintf("%s worked on it since this plan was made (%s at %s)", last.Holder, last.State, last.Time.Format(time.RFC3339))}
		}
	}
	return r.keepKey(ctx)
}

// release gives the lease up, also after Ctrl-C.
func (r *run) release(ctx context.Context) {
	if r.lease == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
	defer cancel()
	// A failure costs the next run only patience.
	_ = r.lease.Release(ctx)
	r.lease = nil
}

const releaseTime = 10 * time.Second

// mine returns an error if somebody else may hold the lease by now.
func (r *run) mine(j *job) error {
	if r.lease == nil {
		return nil
	}
	return r.barred(j.secret.Name, r.lease.Check())
}

// barred says who works on it and what to type.
func (r *run) barred(secret string, err error) error {
	var held *journal.HeldError
	switch {
	case errors.Is(err, journal.ErrExpired):
		return &Error{Reason: Held, Secret: secret, Err: err, Next: []string{resumeByName(r, secret).String()}}
	case errors.As(err, &held):
		next := []string{"wait for it to end, then: " + resumeByName(r, secret).String()}
		if held.Holder.Host != journal.Self().Host {
			next = append(next, "if that process is dead, its lease is over at "+held.Free.Local().Format("2006-01-02 15:04:05 MST")+", or at once: go run . journal release --secret "+secret)
		}
		return &Error{Reason: Held, Secret: secret, Err: err, Next: next}
	}
	return err
}

// Leases are those on a secret and its stacks that somebody holds, who is not proven
// dead.
func Leases(ctx context.Context, j *journal.Journal, s secrets.Secret) ([]*journal.HeldError, error) {
	var out []*journal.HeldError
	for _, name := range leased([]secrets.Secret{s}) {
		err := j.Holding(ctx, name)
		if held := (*journal.HeldError)(nil); errors.As(err, &held) {
			out = append(out, held)
		} else if err != nil {
			return nil, err
		}
	}
	return out, nil
}
