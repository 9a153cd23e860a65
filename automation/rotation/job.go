package rotation

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// Where a job's new values come from, as the journal and the plan name it.
const (
	fromPass    = "pass"    // the operator edited the entry
	fromPending = "pending" // a value stored by an earlier run
	fromTyped   = "typed"   // standard input
	fromPerson  = "person"  // somebody makes it at the dashboard
)

// PendingPath is where a new value of an entry waits for its promotion.
func PendingPath(path string) string { return "rotation/pending/" + path }

// PreviousPath is where the old value stays until its death is proven.
func PreviousPath(path string) string { return "rotation/previous/" + path }

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
	report      Report
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
func (j *job) oldKnown() bool {
	for _, e := range j.secret.Entries {
		if j.old[e.Name()].IsZero() {
			return false
		}
	}
	return true
}

func (j *job) moves(name string) bool {
	return slices.ContainsFunc(j.moved, func(e secrets.Entry) bool { return e.Name() == name })
}

// standing is the event that carries everything known of the job.
func (r *run) standing(j *job, state journal.State, step string) journal.Event {
	last := j.log.Last()
	e := journal.Event{
		Rotation: j.id, State: state, Step: step, Source: j.source, OldDead: j.oldDead,
		Entries: map[string]journal.Move{}, Promoted: last.Promoted, PromotedAt: last.PromotedAt,
	}
	for _, m := range j.moved {
		move := r.move(j, m.Name())
		move.Pass = last.Entries[m.Name()].Pass
		if last.Rotation != j.id {
			move.Pass = j.current[m.Name()].Fingerprint(r.Key)
		}
		e.Entries[m.Name()] = move
	}
	if last.Rotation == j.id {
		e.Answers, e.GraceUntil, e.RevokedAt = last.Answers, last.GraceUntil, last.RevokedAt
		e.Evidence, e.Debts, e.Stated = last.Evidence, last.Debts, last.Stated
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
	if err := j.log.Append(ctx, e); err != nil {
		return err
	}
	j.state, j.report.State = e.State, e.State
	return nil
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

// release marks unfinished jobs as held by nobody, so that the next run, on any
// host, may go on at once. It is done also after Ctrl-C.
func (r *run) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
	defer cancel()
	for _, j := range r.jobs {
		last := j.log.Last()
		if last.Rotation != j.id || last.State.Finished() || last.Released {
			continue
		}
		e := r.standing(j, last.State, "released")
		e.Released = true
		// A failure costs the next run only patience: this holder is then
		// recognised as dead, or waited for.
		_ = j.log.Append(ctx, e)
	}
}

const releaseTime = 10 * time.Second

// freeAfter is how long the last event of a holder on another host, who cannot
// be proven dead, keeps others out. It outlasts the longest single step.
const freeAfter = 15 * time.Minute

// held refuses a secret whose rotation somebody else is carrying out now.
func (r *run) held(log *journal.Log) error {
	last := log.Last()
	if last.State.Finished() || last.Released || last.Holder == journal.Self() || last.Holder.Dead() {
		return nil
	}
	until := last.Time.Add(freeAfter)
	if last.Holder.Host != journal.Self().Host && r.Now().After(until) {
		return nil
	}
	return &Error{Reason: Held, Secret: last.Secret, Detail: fmt.Sprintf("%s is rotating it since %s (%s)", last.Holder, last.Time.Format(time.RFC3339), last.State),
		Next: []string{"wait for it to end, then: " + again(last.Secret)}}
}

// fill brings the job's values into its report.
func (r *run) fill(j *job) {
	j.report.Rotation, j.report.State = j.id, j.state
	j.report.Entries = j.report.Entries[:0]
	for _, e := range j.moved {
		m := r.move(j, e.Name())
		j.report.Entries = append(j.report.Entries, EntryReport{Name: e.Name(), Path: e.Path, From: m.From.Short(), To: m.To.Short()})
	}
	last := j.log.Last()
	if last.Rotation == j.id {
		j.report.Revoked = RevokedReport{ConfirmedAt: stamp(last.RevokedAt), Evidence: last.Evidence}
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
