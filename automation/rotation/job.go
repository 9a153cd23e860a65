package rotation

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/store"
)

// Where a job's new values come from, as the journal and the plan name it.
const (
	fromPass    = "pass"    // the operator edited the entry
	fromPending = "pending" // a value stored by an earlier run
	fromTyped   = "typed"   // standard input
	fromPerson  = "person"  // somebody makes it at the dashboard
	fromIssuer  = "issuer"  // the service's API makes it
)

// PendingPath is where a new value of an entry waits for its promotion.
func PendingPath(path string) string { return store.PendingPath(path) }

// PreviousPath is where the old value stays until its death is proven.
func PreviousPath(path string) string { return store.PreviousPath(path) }

// job is one secret's rotation within a run.
type job struct {
	secret secrets.Secret
	log    *journal.Log
	id     string
	state  journal.State
	source string
	// moved are the entries that change, in the catalog's order.
	moved []secrets.Entry
	// current is what pass's entries hold; next is the whole credential after
	// the rotation, with moved entries absent until they are known; old is the
	// whole credential before it, with unknown values absent.
	current, next, old services.Credential
	oldDead            bool
	// before is what the service said about old at plan time.
	before services.Report
	// continued: an unfinished rotation goes on.
	continued bool
	// askedBefore: the run before this one may have been given new values that
	// it could not store any more.
	askedBefore bool
	// back: every consumer is taken back to the old value, and the new one is
	// retired.
	back bool
	// rolled: every consumer and pass have the value that stays.
	rolled bool
	// condemned: the present value is killed although there is no new one.
	condemned bool
	// agreed: the name was typed for a death without proof.
	agreed bool
	// restarted: the rotation takes another new value, which its next event says.
	restarted bool
	// redeploy: a consumer that had the new value has lost it since.
	redeploy bool
	// rolls: an adoption brings the present value to every consumer.
	rolls bool
	// newID and oldID are what the service calls the two credentials.
	newID, oldID string
	// stale are the consumers that were caught with old and new instances side by
	// side.
	stale []string
	hold  *journal.Hold
	// keys are the config keys that the plan found settable (settable).
	keys  []string
	debts []string
	// readers are the keys that pass encrypts its entries to.
	readers Readers
	report  Report
}

// goal is the credential that every consumer shall run with; leaving is the one
// that is retired.
func (j *job) goal() services.Credential {
	if j.back {
		return j.old
	}
	return j.next
}

func (j *job) leaving() services.Credential {
	if j.back {
		return j.next
	}
	return j.old
}

func (j *job) leavingID() string {
	if j.back {
		return j.newID
	}
	return j.oldID
}

// revoking is the state in which the credential that leaves is killed. A
// rollback has no other, and without a new value the rotation has yet to begin.
func (j *job) revoking() journal.State {
	switch {
	case j.back:
		return journal.RollingBack
	case j.condemned:
		return journal.Planned
	}
	return journal.Revoking
}

// allKnown reports whether a credential's values are all at hand.
func (j *job) allKnown(c services.Credential) bool {
	return !slices.ContainsFunc(j.secret.Entries, func(e secrets.Entry) bool { return c[e.Name()].IsZero() })
}

// known reports whether every new value is at hand.
func (j *job) known() bool {
	for _, e := range j.moved {
		if j.next[e.Name()].IsZero() {
			return false
		}
	}
	return true
}

// oldKnown reports whether every old value is at hand.
func (j *job) oldKnown() bool { return j.allKnown(j.old) }

func (j *job) moves(name string) bool {
	return slices.ContainsFunc(j.moved, func(e secrets.Entry) bool { return e.Name() == name })
}

// standing is the event that carries everything known of the job.
func (r *run) standing(j *job, state journal.State, step string) journal.Event {
	last := j.log.Last()
	e := journal.Event{
		Rotation: j.id, State: state, Step: step, Source: j.source, OldDead: j.oldDead,
		Entries: map[string]journal.Move{}, Promoted: last.Promoted, PromotedAt: last.PromotedAt,
		NewID: r.recordedID(j, j.newID), OldID: r.recordedID(j, j.oldID), Hold: j.hold, Debts: slices.Clone(j.debts), Keys: r.keysOf(j), Recipients: last.Recipients, Stale: slices.Clone(j.stale),
	}
	if len(j.readers.Fingerprints) > 0 {
		e.Recipients = j.readers.Fingerprints
	}
	for _, m := range j.moved {
		move := r.move(j, m.Name())
		move.Pass = last.Entries[m.Name()].Pass
		if last.Rotation != j.id || j.restarted {
			move.Pass = j.current[m.Name()].Fingerprint(r.Key)
		}
		e.Entries[m.Name()] = move
	}
	if last.Rotation == j.id && !j.restarted {
		e.GraceUntil, e.RevokedAt, e.Evidence = last.GraceUntil, last.RevokedAt, last.Evidence
	}
	// What was proven and said of one direction is nothing for the other.
	if last.Rotation == j.id && !j.restarted && (last.State == journal.RollingBack) == j.back {
		e.Answers, e.Stated, e.StatedBy, e.StatedEntries = last.Answers, last.Stated, last.StatedBy, last.StatedEntries
	}
	return e
}

func (r *run) move(j *job, name string) journal.Move {
	var m journal.Move
	if v := j.old[name]; !v.IsZero() {
		m.From = v.Fingerprint(r.Key)
	}
	if v := j.next[name]; !v.IsZero() {
		m.To = v.Fingerprint(r.Key)
	}
	return m
}

// record appends an event and moves the job on. It is the one place through
// which every effect goes: nothing outside changes before its event is durable.
func (r *run) record(ctx context.Context, j *job, e journal.Event) error {
	if err := r.mine(j); err != nil {
		return err
	}
	if r.keptAlive(j, e) {
		return r.held(j)
	}
	err := j.log.Append(ctx, e)
	if taken := (*journal.TakenError)(nil); errors.As(err, &taken) {
		err = r.takeUp(ctx, j, e, err)
	}
	if err != nil {
		return err
	}
	j.state, j.report.State, j.restarted = e.State, e.State, false
	return nil
}

// takeUp goes on over a hold that somebody has set or taken off meanwhile: it is
// in force from here on, and nothing else has changed.
func (r *run) takeUp(ctx context.Context, j *job, e journal.Event, taken error) error {
	only, err := j.log.Held(ctx)
	if err != nil || !only {
		return errors.Join(taken, err)
	}
	j.hold = j.log.Last().Hold
	if e.Hold = j.hold; r.keptAlive(j, e) {
		return r.held(j)
	}
	return j.log.Append(ctx, e)
}

// keptAlive: the event would begin the end of an old value that is on hold.
func (r *run) keptAlive(j *job, e journal.Event) bool {
	return j.hold != nil && e.State == journal.Revoking && !j.state.AtLeast(journal.Revoking) && !r.options.Unproven
}

// effect journals the step, then does it. A step that has begun is finished
// also when the run was interrupted: half a step helps nobody.
func (r *run) effect(ctx context.Context, j *job, state journal.State, step string, do func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := r.record(ctx, j, r.standing(j, state, step)); err != nil {
		return err
	}
	return do(context.WithoutCancel(ctx))
}

// fill brings the job's values into its report.
func (r *run) fill(j *job) {
	j.report.Rotation, j.report.State = j.id, j.state
	j.report.Entries = j.report.Entries[:0]
	for _, e := range j.moved {
		m := r.move(j, e.Name())
		if j.back {
			m.From, m.To = m.To, m.From
		}
		j.report.Entries = append(j.report.Entries, EntryReport{Name: e.Name(), Path: e.Path, From: m.From.Short(), To: m.To.Short()})
	}
	last := j.log.Last()
	if last.Rotation == j.id {
		j.report.Revoked = RevocationOf(last)
		j.report.Debts = append([]string{}, last.Debts...)
	}
}

// names joins entry names for a sentence.
func names(entries []secrets.Entry) string {
	out := make([]string, 0, len(entries))
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return strings.Join(out, " and ")
}

func clone(c services.Credential) services.Credential {
	if c == nil {
		return services.Credential{}
	}
	return maps.Clone(c)
}
