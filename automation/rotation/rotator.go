// Package rotation carries a secret from its new value to the proven death of
// the old one: plan, ask, stage, pretest, deploy, verify, promote, wait, retire.
// Every effect on the outside is written to the journal before it happens, and
// every step can be repeated: after any kill the same command goes on.
package rotation

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/automation/proof"
	"github.com/sanmarcsoft/secret-rotation/automation/rollout"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/store"
)

// Watcher is told what goes on, for progress. Calls may come in parallel.
type Watcher interface {
	// Begin opens a line for name (a stack, a consumer, a secret).
	Begin(name, text string) Line
}

// Line is one thing being worked on.
type Line interface {
	Say(text string)
	Done(text string)
	Warn(text string)
	Fail(text string)
}

// Options are the choices of one call.
type Options struct {
	// New wants fresh values even where pass holds one not yet rolled out;
	// Pending wants only what pass holds and was never rolled out.
	New, Pending bool
	// Entry limits the change to one entry of the secret.
	Entry string
	// Typed are values given on standard input, by entry name.
	Typed services.Credential
	// PreviewOnly ends after the masked preview.
	PreviewOnly bool
	// Grace overrides the catalog's, where it is set.
	Grace *time.Duration
	// Unattended: nobody reads the plan before it is agreed to.
	Unattended bool
	// Hold keeps the old value alive until the hold is taken off.
	Hold bool
	// Due: only what has waited long enough is retired.
	Due bool
	// Unproven: the old value dies now, whoever breaks.
	Unproven bool
	// AllowOther lets an up make changes that are not the expected ones.
	AllowOther bool
	// Roll: an adoption brings pass's value to every consumer first.
	Roll bool
	// Anew: and looks at everything anew, also where the journal and every answer
	// say that nothing is to be done: what stands at the consumers and in the
	// stacks' resources after it is the known state.
	Anew bool
	// Commit commits and pushes changed config files of stacks.
	Commit bool
	// CreateKeys: config keys of the catalog that a stack does not have are new,
	// and are made.
	CreateKeys bool
}

// Rotator has all it takes to rotate.
type Rotator struct {
	Catalog *secrets.Catalog
	Store   *store.Store
	Journal *journal.Journal
	Fleet   *rollout.Fleet
	// Checker gives the client that tries a service's credentials.
	Checker func(service string) (services.Checker, bool)
	// Issuer gives the API that makes and deletes a service's credentials.
	Issuer func(service string) (services.Issuer, bool)
	// Hide keeps new values out of all output.
	Hide func(services.Credential)
	// Reauth goes over to the credentials that pass now holds, for the state
	// backend and the APIs that this program itself uses, and tries each.
	Reauth func(ctx context.Context, s secrets.Secret) error
	// Exclusive returns an error where the state backend cannot keep two
	// operators apart; nil means that it can.
	Exclusive func(ctx context.Context) error
	Asker     *proof.Asker
	Person    Person
	Watch     Watcher
	// Show prints the plan of a call that ends after the preview.
	Show func(p *Plan)
	// Key is the fingerprint key; a plan reads it anew from Keys, once pass is
	// recovered and compared with its remote. Where pass holds none it is the one
	// that the first rotation will store.
	Key    secrets.Value
	Keys   *PassKey
	Window proof.Window
	// Settle is how long and how often a new value is tried until its service
	// knows it.
	Settle proof.Window
	// Death is how long and how often the old value is tried after it was
	// retired; services are not instant (failures 64).
	Death proof.Window
	// NoGrace: without --grace the old value may be retired at once (sandbox).
	NoGrace bool
	// NoCommit: without --commit a config file that is not committed keeps no old
	// value alive (sandbox).
	NoCommit bool
	Now      func() time.Time
	// NewID makes the id of a new rotation.
	NewID func() string
}

// Rotate rotates the secrets of these names together: one preview, one
// question, one up per stack. The reports are in the order of names; they say
// how far each secret came also where there is an error.
func (r *Rotator) Rotate(ctx context.Context, names []string, o Options) ([]Report, error) {
	return r.carry(ctx, names, &run{Rotator: r, options: o})
}

// carry does one run and ends it well.
func (r *Rotator) carry(ctx context.Context, names []string, run *run) ([]Report, error) {
	defer run.release(ctx)
	err := run.rotate(ctx, names)
	if err != nil && ctx.Err() != nil {
		err = run.interrupted(names, err)
	}
	return run.reports(err), err
}

// run is one call of Rotate, Rollback or Revoke.
type run struct {
	*Rotator
	options Options
	verb    verb
	jobs    []*job
	targets []*rollout.Target
	plan    *Plan
	lease   *journal.Lease
	// offline is why pass could not be compared with its remote; only an
	// emergency goes on.
	offline error
	mu      sync.Mutex
	ups     upNotes
}

// verb is what a run is for.
type verb int

const (
	toRotate   verb = iota // goes on with what is unfinished, in either direction
	toRollBack             // back to the old value
	toRevoke               // only what waits for its old value's end
	toLook                 // changes nothing
	toAdopt                // takes over what was rolled out by hand
)

func (r *run) rotate(ctx context.Context, names []string) error {
	if err := r.prepare(ctx, names); err != nil {
		return err
	}
	if r.options.PreviewOnly && r.plan != nil {
		r.Show(r.plan)
	}
	if r.options.PreviewOnly || len(r.jobs) == 0 {
		return nil
	}
	rolling := r.rolling()
	if len(rolling) > 0 && r.verb != toRevoke {
		if err := askAgreement(ctx, r, rolling); err != nil {
			return err
		}
	}
	if err := r.acquire(ctx); err != nil {
		return err
	}
	switch {
	case len(rolling) == 0:
	case r.verb == toRevoke:
		if err := r.unproved(ctx); err != nil {
			return err
		}
	default:
		if err := r.bring(ctx, rolling); err != nil {
			return err
		}
	}
	if err := r.close(ctx); err != nil {
		return err
	}
	return r.ups.lockedError()
}

// bring takes the values that shall stay to every consumer and makes them
// current in pass.
func (r *run) bring(ctx context.Context, jobs []*job) error {
	for _, step := range []func(context.Context, []*job) error{r.begin, r.stage, r.pretest, r.deploy, r.verify, r.commitAll, r.promote} {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := step(ctx, jobs); err != nil {
			return err
		}
	}
	return nil
}

// interrupted says how to go on after Ctrl-C.
func (r *run) interrupted(names []string, err error) error {
	e := &Error{Reason: Failed, Detail: "stopped at a safe point", Err: err}
	for _, name := range names {
		done := slices.ContainsFunc(r.jobs, func(j *job) bool { return j.secret.Name == name && j.state.Finished() })
		if !done {
			e.Next = append(e.Next, resumeByName(r, name).String())
		}
	}
	return e
}

// rolling are the jobs whose value that stays is not everywhere yet.
func (r *run) rolling() []*job {
	var out []*job
	for _, j := range r.jobs {
		if j.redeploy || !j.rolled && !j.state.AtLeast(journal.Grace) && !j.state.Finished() {
			out = append(out, j)
		}
	}
	return out
}

// reports leaves out, after an error, the rotations that were planned and never
// begun: they do not exist, and their ids lead nowhere.
func (r *run) reports(err error) []Report {
	out := make([]Report, 0, len(r.jobs))
	for _, j := range r.jobs {
		if err != nil && j.log.Last().Rotation == j.id {
			j.report.State = j.log.Last().State // not what was only planned
		}
		if err == nil || j.log.Last().Rotation == j.id {
			out = append(out, j.report)
		}
	}
	return out
}
