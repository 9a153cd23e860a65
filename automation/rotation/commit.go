package rotation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/automation/rollout"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/store"
)

func notCommitted(stack string) string { return "config of stack " + stack + " is not committed" }

// committed keeps the old value alive until every stack's config file is
// committed and pushed: an up from another checkout would bring the value back.
// Where it is dead, or has to die, that is a debt.
func (r *run) committed(ctx context.Context, j *job) error {
	loose, next, err := r.looseConfig(ctx, j)
	if len(loose) == 0 {
		return nil
	}
	if j.oldDead && !j.back || r.options.Unproven {
		for _, stack := range loose {
			r.owe(j, notCommitted(stack))
		}
		return nil
	}
	e := &Error{Reason: Waiting, Secret: j.secret.Name, Err: err, Next: next,
		Detail: fmt.Sprintf("the config of %s is not committed and pushed, so the %s value was left alive: an up from another checkout would bring it back", strings.Join(loose, ", "), j.unwanted())}
	var git *rollout.GitError
	switch {
	case err == nil:
	case !errors.As(err, &git):
		e.Reason = Failed
	case git.Kind == store.Unreachable || git.Kind == store.Timeout:
		e.Reason = Untold
	case git.Kind != "" && git.Kind != store.Behind && git.Kind != store.Unpushed:
		e.Reason = Failed
	}
	return e
}

// commitAll commits right after the consumers proved the value that stays. What
// cannot be committed stops nothing but the retirement, later.
func (r *run) commitAll(ctx context.Context, jobs []*job) error {
	if !r.options.Commit || len(r.targets) == 0 {
		return nil
	}
	repositories, err := rollout.Repositories(ctx, r.targets)
	if err == nil {
		err = r.commit(ctx, jobs, repositories)
	}
	if git := (*rollout.GitError)(nil); errors.As(err, &git) {
		r.Watch.Begin("git", "").Warn(git.Error() + "; until that is mended the " + jobs[0].unwanted() + " value stays alive")
		return ctx.Err()
	}
	return err
}

// looseConfig are the stacks of the job whose config is not committed and pushed
// after this call, which commits if it is to, and what to type about them. Debts
// of the others are settled.
func (r *run) looseConfig(ctx context.Context, j *job) (loose, next []string, err error) {
	targets := r.targetsOf(j)
	if len(targets) == 0 || r.NoCommit && !r.options.Commit {
		return nil, nil, nil
	}
	repositories, err := rollout.Repositories(ctx, targets)
	if err == nil && r.options.Commit {
		err = r.commit(ctx, []*job{j}, repositories)
	}
	for _, one := range repositories {
		loose = append(loose, one.Stacks...)
		if one.Done() && one.Alone != "" {
			r.Watch.Begin("git", "").Done("the config is committed and nothing was pushed: " + one.Alone)
		} else if !one.Done() && !r.options.Commit {
			next = append(next, one.Commands(commitMessage([]*job{j}))...)
		}
	}
	if err != nil && len(loose) == 0 {
		for _, t := range targets {
			loose = append(loose, t.Name)
		}
	}
	if git := (*rollout.GitError)(nil); errors.As(err, &git) {
		next = git.Next
	}
	for _, t := range targets {
		if !slices.Contains(loose, t.Name) {
			r.settle(j, notCommitted(t.Name))
		}
	}
	return loose, append(slices.Clone(next), withCommit(r, j)), err
}

// commit writes to the journal, then commits and pushes what is not yet.
func (r *run) commit(ctx context.Context, jobs []*job, repositories []*rollout.Repository) error {
	for _, one := range repositories {
		if one.Done() {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		stacks := strings.Join(one.Stacks, ", ")
		for _, j := range jobs {
			if err := r.record(ctx, j, r.standing(j, j.state, "committing the config of "+stacks)); err != nil {
				return err
			}
		}
		line := r.Watch.Begin("git", "committing the config of "+stacks)
		if err := one.Commit(context.WithoutCancel(ctx), commitMessage(jobs)); err != nil {
			line.Fail("the config of " + stacks + " is not committed and pushed")
			return err
		}
		line.Done("the config of " + stacks + " is committed" + map[bool]string{true: " and pushed"}[one.Alone == ""])
	}
	return nil
}

// repay settles what is owed for want of a commit, as far as it can be.
func (r *run) repay(ctx context.Context, j *job) (next []string) {
	if !slices.ContainsFunc(r.targetsOf(j), func(t *rollout.Target) bool { return j.owes(notCommitted(t.Name)) }) {
		return nil
	}
	// What fails here stays owed.
	loose, next, _ := r.looseConfig(ctx, j)
	if len(loose) == 0 {
		return nil
	}
	return next
}

// targetsOf are the stacks that the job's secret is deployed to.
func (r *run) targetsOf(j *job) (out []*rollout.Target) {
	for _, t := range r.targets {
		if slices.ContainsFunc(j.secret.Consumers, func(c secrets.Consumer) bool { return c.Stack == t.Entry.Name }) {
			out = append(out, t)
		}
	}
	return out
}

// withCommit is the command that goes on and commits.
func withCommit(r *run, j *job) string {
	if r.verb == toRevoke && !j.back {
		return rotateCommand(r, j.secret.Name).With("--commit").String()
	}
	return resumeCommand(r, j).With("--commit").String()
}

// commitMessage names the rotations, for whoever reads the project's history.
func commitMessage(jobs []*job) string {
	var parts []string
	for _, j := range jobs {
		does := "Rotate"
		if j.back {
			does = "Roll back"
		}
		parts = append(parts, fmt.Sprintf("%s %s (rotation %s)", does, j.secret.Name, j.id))
	}
	return strings.Join(parts, ", ")
}
