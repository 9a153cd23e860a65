package rotation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/automation/proof"
	"github.com/sanmarcsoft/secret-rotation/automation/rollout"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/store"
)

// Plan is what a person is asked to agree to. It holds names and fingerprints.
type Plan struct {
	Secrets []SecretPlan
	Stacks  []StackPlan
	// Changed: this plan was agreed to, but a later preview differs from it.
	Changed bool
}

// SecretPlan is one secret's part.
type SecretPlan struct {
	Name, Title, Source string
	// State is where an unfinished rotation goes on; empty for a new one.
	State   journal.State
	Entries []EntryReport
	// Consumers are their answers about the present value.
	Consumers []ConsumerReport
	// OldDead: the service refuses the present value already.
	OldDead bool
	// Back: consumers go back to the old value.
	Back bool
	// NoGrace: the sandbox knows no grace but one that is asked for.
	NoGrace bool
	// ByHand are the consumers at which a person has something to do.
	ByHand []ManualPlan
	// KillsOld: issuing the new value kills the old one at once.
	KillsOld bool
	Grace    time.Duration
	// Readers are the keys that pass encrypts the entries to.
	Readers []store.Recipient
	// Proofs are the consumers that may be several instances; Works those that prove
	// no value, only that something works.
	Proofs []ProofPlan
	Works  []string
	// Adopts: the present value is taken over; Rolls: and rolled out as it is.
	Adopts, Rolls bool
}

// StackPlan is one Pulumi stack's part.
type StackPlan struct {
	Name    string
	Changes []engine.Change
	// Keys are the config secrets that will be set.
	Keys    []KeyPlan
	Seconds float64
}

// KeyPlan is one config secret: fingerprints, To empty where the new value is
// not known yet. Stale marks one that is not being rotated, but does not hold
// the value last promoted.
type KeyPlan struct {
	Key, From, To string
	Stale         bool
}

// prepare does everything that can fail before anything is issued or written.
func (r *run) prepare(ctx context.Context, names []string) error {
	line := r.Watch.Begin("plan", "reading pass and the journal")
	err := r.look(ctx, names)
	if err != nil {
		line.Fail("stopped: nothing was changed")
		return err
	}
	if r.verb == toRotate {
		r.relapsed(ctx)
	}
	if r.verb != toRevoke {
		if err := requireKnownReaders(ctx, r, r.rolling()); err != nil {
			line.Fail("stopped: nothing was changed")
			return err
		}
	}
	if len(r.rolling()) > 0 && r.verb != toRevoke {
		line.Say("asking services and consumers about the present values")
		if err := r.inspect(ctx); err != nil {
			line.Fail("stopped: nothing was changed")
			return err
		}
	}
	line.Done(r.summary())
	if len(r.rolling()) == 0 || r.verb == toRevoke {
		return nil
	}
	return r.preview(ctx)
}

// relapsed finds consumers that had the new value and have another one now:
// somebody deployed over it, so it is deployed once more before the old value
// may go.
func (r *run) relapsed(ctx context.Context) {
	for _, j := range r.closing() {
		// While the old value is out of force, it is that which a consumer lacks.
		if j.back || strings.HasPrefix(j.log.Last().Step, stepDisabling) {
			continue
		}
		for _, res := range askOnce(ctx, r, r.redeployable(j)) {
			// A Worker that lost its secrets to somebody's deploy proves nothing.
			lost := res.Answer == proof.Unknown && (res.Kind.Held() || j.owes(notProven(res.Consumer)))
			if res.Answer == proof.Differs || lost {
				j.redeploy = true
				r.again(j, res.Consumer)
				r.Watch.Begin(res.Consumer, "").Warn("it has lost the new " + j.secret.Name + ", so it is rolled out again: " + res.Detail)
			}
		}
	}
}

// again has a holder's secrets written although the stack's state has them.
func (r *run) again(j *job, consumer string) {
	for _, c := range j.secret.Consumers {
		for _, t := range r.targetsOf(j) {
			if c.Name != consumer || !c.Kind.Held() || t.Entry.Name != c.Stack {
				continue
			}
			for name := range c.Values {
				t.Again = append(t.Again, c.ConfigKey(name))
			}
		}
	}
}

func (r *run) summary() string {
	var parts []string
	for _, j := range r.jobs {
		switch {
		case j.condemned:
			parts = append(parts, j.secret.Name+": its present value is to die")
		case j.back:
			parts = append(parts, j.secret.Name+" goes back to its old "+names(j.moved))
		case j.continued:
			parts = append(parts, fmt.Sprintf("%s goes on at %s", j.secret.Name, j.state))
		default:
			parts = append(parts, fmt.Sprintf("%s: new %s", j.secret.Name, names(j.moved)))
		}
	}
	if len(parts) == 0 {
		return "nothing is to be done"
	}
	return strings.Join(parts, "; ")
}

// look reads pass, journal and stacks, and finds out what is to be done.
func (r *run) look(ctx context.Context, names []string) error {
	if err := r.mended(ctx); err != nil {
		return err
	}
	if err := r.synced(ctx); err != nil {
		return err
	}
	var chosen []secrets.Secret
	for _, name := range names {
		s, ok := r.Catalog.Secret(name)
		if !ok {
			return fmt.Errorf("secret %s is not in the catalog", name)
		}
		chosen = append(chosen, s)
	}
	if err := r.unheld(ctx, chosen); err != nil {
		return err
	}
	jobs := make([]*job, 0, len(chosen))
	for _, s := range chosen {
		j, err := r.open(ctx, s)
		if err != nil {
			return err
		}
		jobs = append(jobs, j)
	}
	if err := r.openTargets(ctx, jobs); err != nil {
		return err
	}
	for _, j := range jobs {
		err := r.choose(ctx, j)
		if quiet := (*nothingError)(nil); errors.As(err, &quiet) {
			r.Watch.Begin(j.secret.Name, "").Done(quiet.text)
			continue
		}
		if err != nil {
			return err
		}
		// Where the grace is over, or to be cut short, it is ended first.
		if j.continued && r.options.New && j.state == journal.Grace && r.Now().Before(r.graceEnd(j, j.log.Last())) {
			return &Error{Reason: Waiting, Secret: j.secret.Name, Detail: "rotation " + j.id + " is not finished: its old value waits for its grace period",
				Next: []string{rotateCommand(r, j.secret.Name).With("--grace 0").String()}}
		}
		r.jobs = append(r.jobs, j)
		r.fill(j)
	}
	return nil
}

// mended finishes or undoes a write to pass that a killed run left behind. It is
// the one thing that a plan changes, and a preview leaves that to the rotation.
func (r *run) mended(ctx context.Context) error {
	if r.options.PreviewOnly {
		return nil
	}
	found, err := r.Store.Recover(ctx)
	if paths := slices.Concat(found.Finished, found.Undone, found.Restored); len(paths) > 0 {
		r.Watch.Begin("pass", "").Warn("mended after a write that was cut off: " + strings.Join(paths, ", "))
	}
	return err
}

// synced refuses a store that is not the truth: behind its remote, or with
// changes that are not committed (failures 52, 53). A remote that cannot be
// reached stops all but an emergency, which is known only later.
func (r *run) synced(ctx context.Context) error {
	sync, err := r.Store.Sync(ctx)
	if offline := (*store.Error)(nil); errors.As(err, &offline) && offline.Kind == store.Unreachable {
		r.offline = err
		return r.loadKey(ctx)
	}
	if err == nil && sync.Ahead > 0 && sync.Behind > 0 && !r.options.PreviewOnly {
		// Killed between its key and the first event, while another clone was faster.
		if taken, err := r.takeTheirKey(ctx); err != nil || taken {
			return errors.Join(err, r.loadKey(ctx))
		}
	}
	if err == nil {
		err = sync.Ready()
	}
	if err != nil {
		return err
	}
	return r.loadKey(ctx)
}

// open reads a secret's journal and entries.
func (r *run) open(ctx context.Context, s secrets.Secret) (*job, error) {
	log, err := r.Journal.Open(ctx, s.Name)
	// Nothing is decided, and nothing issued, on a record that is not whole.
	if err == nil && r.verb != toLook {
		_, err = log.Events(ctx)
	}
	if err != nil {
		return nil, err
	}
	j := &job{secret: s, log: log, report: newReport(s.Name), current: services.Credential{}}
	for _, e := range s.Entries {
		entry, err := r.Store.Read(ctx, e.Path)
		if err != nil {
			return nil, err
		}
		v, err := entry.Secret(e.Read)
		if err != nil {
			return nil, err
		}
		if err := e.Check(v); err != nil {
			return nil, &Error{Reason: Failed, Secret: s.Name, Step: "reading pass", Err: err, Next: []string{"pass edit " + store.Quote(e.Path)}}
		}
		j.current[e.Name()] = v
	}
	return j, nil
}

// inspect asks the services and the consumers about the present values.
func (r *run) inspect(ctx context.Context) error {
	if err := r.workersReady(ctx); err != nil {
		return err
	}
	jobs := r.rolling()
	errs := make([]error, len(jobs))
	var wg sync.WaitGroup
	for i, j := range jobs {
		wg.Go(func() { errs[i] = r.inspectOne(ctx, j) })
	}
	wg.Wait()
	return errors.Join(append(errs, r.onlineOrEmergency(jobs))...)
}

func (r *run) inspectOne(ctx context.Context, j *job) error {
	if err := r.settable(j); err != nil {
		return err
	}
	if err := r.fits(j); err != nil {
		return err
	}
	if err := r.storable(ctx, j); err != nil {
		return err
	}
	if checker, ok := r.Checker(j.secret.Service); ok && j.oldKnown() {
		report, err := r.dead(ctx, checker, j.old, nil)
		if err != nil {
			return &Error{Reason: Untold, Secret: j.secret.Name, Step: "asking " + j.secret.Service + " about the present value", Err: err, Next: []string{resumeCommand(r, j).String()}}
		}
		j.before, j.oldDead = report, j.oldDead || report.State == services.Dead
		if err := r.mayGoBack(ctx, j); err != nil {
			return err
		}
	}
	if err := r.identify(ctx, j); err != nil {
		return err
	}
	r.inUse(ctx, j)
	results := r.Asker.AskAll(ctx, r.questions(j, j.old, true))
	j.report.Consumers = consumers(results)
	r.takenUnproven(j, results)
	if j.oldDead || j.continued || r.emergency() {
		return nil
	}
	for _, res := range results {
		// What a consumer runs with is unknown where it proves no value that is
		// known: then a person has to decide, who sees it in the plan.
		if res.Answer == proof.Unreachable || res.Answer == proof.Unknown && r.options.Unattended {
			return &Error{Reason: Untold, Secret: j.secret.Name, Step: "asking consumer " + res.Consumer, Detail: "what it runs with is not known, so the new value could not be proven either: " + res.Detail,
				Next: []string{verifySecret(j.secret.Name).String(), resumeCommand(r, j).String()}}
		}
	}
	return nil
}

// questions asks every consumer for want. Readers of pass are left out until
// promotion, which is what rolls a value out to them.
func (r *run) questions(j *job, want services.Credential, withReaders bool) []proof.Question {
	var out []proof.Question
	for _, c := range j.secret.Consumers {
		if c.ReadsPass() && !withReaders || byPerson(c) && r.verb != toLook {
			continue
		}
		q := proof.Question{Secret: j.secret, Consumer: c, Want: want, Row: answerRow(r.Window, j, c)}
		if len(j.next) > 0 && j.known() {
			q.Known = append(q.Known, proof.Known{Name: "the new value", Values: j.next})
		}
		if j.oldKnown() {
			q.Known = append(q.Known, proof.Known{Name: "the previous value", Values: j.old})
		}
		out = append(out, q)
	}
	return out
}

// fits tests new values that are at hand against what every destination takes.
func (r *run) fits(j *job) error {
	for _, c := range j.secret.Consumers {
		for at, name := range c.Values {
			if err := rollout.Fits(c, at, j.goal()[name]); err != nil {
				return &Error{Reason: Failed, Secret: j.secret.Name, Detail: fmt.Sprintf("the new %s cannot go to %s: %v", name, c.Name, err)}
			}
		}
	}
	return nil
}

// workersReady refuses holders that would refuse the change later: missing, or a
// Worker with a newest version that is not deployed (10215), or a container that
// is not ready. One that is in error after this very change was begun is no
// reason: the same change again, or the way back, is what may mend it.
func (r *run) workersReady(ctx context.Context) error {
	var seen []string
	for _, j := range r.rolling() {
		for _, c := range j.secret.Consumers {
			holder := string(c.Kind) + c.Holder()
			if c.Kind != secrets.KindWorker { // one may have a name and lack another
				holder += fmt.Sprint(slices.Sorted(maps.Keys(c.Values)))
			}
			if !c.Kind.Held() || slices.Contains(seen, holder) {
				continue
			}
			if c.Kind != secrets.KindWorker && (j.back || j.continued && j.state.AtLeast(journal.Deploying)) {
				continue
			}
			seen = append(seen, holder)
			if err := r.Fleet.Deployable(ctx, c); err != nil {
				return &Error{Reason: Failed, Secret: j.secret.Name, Err: err, Next: []string{resumeCommand(r, j).String()}}
			}
		}
	}
	return nil
}
