package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sanmarcsoft/secret-rotation/automation/drift"
	"github.com/sanmarcsoft/secret-rotation/automation/engine"
	"github.com/sanmarcsoft/secret-rotation/automation/rotation"
	"github.com/sanmarcsoft/secret-rotation/internal/ui"
)

// fixing is what one `drift --fix` proposes and does.
type fixing struct {
	*session
	options driftOptions
	// tried are the repairs that were made or declined: what is still found after
	// that is not tried again.
	tried    []drift.Repair
	mendings []drift.Mending
	byHand   []drift.Finding
	// failed is the exit code of the first failure, waits: a person or a grace
	// period is waited for.
	failed  int
	waits   bool
	stopped bool
	// shown: the last report has been printed, and nothing was changed since.
	shown bool
}

// mend proposes what mends the findings, and does it after the same preview and
// question as the commands themselves. The report is that of the last check: after
// what was done, or the one given where nothing was.
func (f *fixing) mend(ctx context.Context, found drift.Report) (drift.Report, error) {
	seen := 0 // by a check after them
	for round := 1; ; round++ {
		var proposals []drift.Proposal
		proposals, f.byHand = drift.Propose(found.Findings, f.tried...)
		if len(proposals) == 0 {
			break
		}
		if !f.asks() && !f.app.opts.yes {
			f.waits = true
			for _, p := range proposals {
				f.mendings = append(f.mendings, f.mending(p))
			}
			break
		}
		if err := f.show(found, proposals, round); err != nil {
			return found, err
		}
		changed := f.each(ctx, proposals)
		f.shown = !changed
		if f.stopped {
			break
		}
		if changed {
			_ = f.progress.Pause(func() error { _, err := fmt.Fprintln(f.err, "\n"+f.app.style().Bold("Checking again")); return err })
			var err error
			if found, err = f.check(ctx, f.options); err != nil {
				return found, err
			}
			drift.Confirm(f.mendings, &found)
			seen = len(f.mendings)
		}
	}
	if f.stopped {
		drift.Confirm(f.mendings[seen:], nil)
	}
	found.Mendings = f.mendings
	return found, nil
}

// asks: somebody reads the preview and answers.
func (f *fixing) asks() bool { return f.app.interactive() }

func (f *fixing) mending(p drift.Proposal) drift.Mending {
	return drift.NewMending(p, f.app.inPlace(p.Command()))
}

// each makes the proposals one after the other. One that fails keeps no other from
// being tried; it reports whether any may have changed something.
func (f *fixing) each(ctx context.Context, proposals []drift.Proposal) (changed bool) {
	for i, p := range proposals {
		f.heading(p, i+1, len(proposals))
		f.tried = append(f.tried, p.Repairs()...)
		m := f.mending(p)
		err := f.make(ctx, p)
		f.judge(ctx, &m, err)
		f.mendings = append(f.mendings, m)
		changed = changed || m.Outcome != drift.Declined
		f.ended(m)
		if f.stopped {
			for _, left := range proposals[i+1:] {
				f.mendings = append(f.mendings, f.mending(left))
			}
			return changed
		}
	}
	return changed
}

// judge says what came of a proposal.
func (f *fixing) judge(ctx context.Context, m *drift.Mending, err error) {
	var declined *declinedError
	var rotated *rotation.Error
	code := exitCode(err)
	switch {
	case err == nil:
		m.Outcome = drift.Made
		return
	case ctx.Err() != nil, errors.Is(err, ui.ErrAborted), errors.As(err, &declined) && declined.aborted:
		m.Outcome, f.stopped, code = drift.Interrupted, true, exitInterrupted
	case errors.As(err, &declined):
		m.Outcome = drift.Declined
		return
	case code == exitWaiting, code == exitUsage:
		// The call is ours: what it lacks is a person's word.
		m.Outcome, f.waits = drift.Waiting, true
	case errors.As(err, &rotated) && rotated.Reason == rotation.Waiting:
		m.Outcome, f.waits = drift.Waiting, true
	default:
		m.Outcome = drift.Failed
	}
	m.Error, m.Next = err.Error(), f.app.nextOf(err)
	if m.Outcome != drift.Waiting && f.failed == exitOK {
		f.failed = code
	}
}

// code is the exit code: a failure's, else the last check's, else that somebody is
// waited for.
func (f *fixing) code(found drift.Report) int {
	switch answered := driftCode(found.Answer); {
	case f.failed != exitOK:
		return f.failed
	case f.waits && slices.ContainsFunc(f.mendings, func(m drift.Mending) bool { return m.Outcome == drift.Proposed }):
		return exitWaiting // for somebody to agree
	case answered == exitOK && f.waits:
		return exitWaiting
	default:
		return answered
	}
}

// make goes the way of the command that the proposal stands for.
func (f *fixing) make(ctx context.Context, p drift.Proposal) error {
	switch p.Verb {
	case drift.Pull:
		return f.pull(ctx)
	case drift.Push:
		return f.push(ctx)
	case drift.Unlock:
		return f.unlock(ctx, p.Names[0])
	case drift.Readopt, drift.Roll, drift.Anew:
		o := rotation.Options{Roll: p.Verb != drift.Readopt, Anew: p.Verb == drift.Anew, Unattended: f.app.unattended()}
		reports, err := f.rotator().Adopt(ctx, p.Names, o)
		f.print(reports, err)
		return err
	}
	o, err := f.app.rotateOptions(f.catalog, p.Names, rotateFlags{names: p.Names, pending: p.Verb == drift.Pending, fresh: p.Verb == drift.Renew})
	if err != nil {
		return err
	}
	reports, err := f.rotator().Rotate(ctx, p.Names, o)
	f.print(reports, err)
	return err
}

// unattended: nobody reads the plan before it is agreed to.
func (a *app) unattended() bool { return a.opts.yes || !a.interactive() }

// print shows each secret's result, on the side of the dialogue: the result of the
// whole is the report.
func (f *fixing) print(reports []rotation.Report, err error) {
	if declined := (*declinedError)(nil); errors.As(err, &declined) {
		return // it has been in the preview
	}
	_ = f.progress.Pause(func() error {
		for _, r := range reports {
			for i, next := range r.Next {
				r.Next[i] = f.app.inPlace(next)
			}
			printReport(f.err, f.app.style(), ui.Columns(f.app.env.Err), r)
		}
		return nil
	})
}

func (f *fixing) pull(ctx context.Context) error {
	if err := f.agree("Take in the remote's commits of pass?", "Yes, pull"); err != nil {
		return err
	}
	line := f.progress.Start("pass", "pulling")
	if err := f.store.Pull(ctx); err != nil {
		line.Fail("nothing was taken in")
		return err
	}
	line.Done("has what its remote has")
	// Identifiers, and the key of fingerprints, may have come with it.
	return f.openStore(ctx)
}

func (f *fixing) push(ctx context.Context) error {
	if err := f.agree("Push the commits of pass to its remote?", "Yes, push"); err != nil {
		return err
	}
	line := f.progress.Start("pass", "pushing")
	if err := f.store.Push(ctx); err != nil {
		line.Fail("not pushed")
		return err
	}
	line.Done("is pushed: its remote has every commit")
	return nil
}

// unlock takes locks away as `unlock` does. There --yes is a person's word for this
// very lock; here it is none: only the locks of the dead are taken away then.
func (f *fixing) unlock(ctx context.Context, stack string) error {
	locks, err := f.locks(ctx, stack)
	if err != nil {
		return err
	}
	living := slices.ContainsFunc(locks, func(h *held) bool { return h.holder != "dead" })
	switch {
	case living && f.app.opts.yes:
		first := locks[slices.IndexFunc(locks, func(h *held) bool { return h.holder != "dead" })]
		return &rotation.Error{Reason: rotation.Waiting, Step: "unlocking stack " + stack,
			Err:  &engine.Error{Kind: engine.Locked, Stack: stack, Step: "unlocking", Holder: who(first.lock), Err: errors.New("its holder is not proven dead: the lock is left where it is")},
			Next: []string{"go run . unlock --stack " + stack}}
	case !living && len(locks) > 0:
		if err := f.agree("Take the lock away from stack "+stack+"? Its holder has ended.", "Yes, unlock"); err != nil {
			return err
		}
	}
	return f.takeAway(ctx, stack, locks, f.err)
}

// agree asks before what has no preview.
func (f *fixing) agree(question, yes string) error {
	if f.app.opts.yes {
		return nil
	}
	return f.progress.Pause(func() error {
		ok, err := ui.Terminal{In: f.app.env.In, Out: f.live}.Confirm(question, yes, "No")
		if errors.Is(err, ui.ErrAborted) || err == nil && !ok {
			return &declinedError{&rotation.Error{Reason: rotation.Failed, Detail: "not agreed to; nothing was changed"}, err != nil}
		}
		return err
	})
}
