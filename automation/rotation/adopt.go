package rotation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/automation/proof"
	"github.com/sanmarcsoft/secret-rotation/automation/rollout"
	"github.com/sanmarcsoft/secret-rotation/internal/hint"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// fromHand: the value is in use already, rolled out by hand.
const fromHand = "hand"

// Adopt takes over secrets that were rolled out by hand: what Workers have goes
// into the declared stacks' state without a write, every consumer is asked, and
// the journal gets the value as the one in use. Nothing is issued or retired.
// Where another value stands somewhere, the secret is not adopted, unless
// Options.Roll has pass's value rolled out first. Each secret stands for itself;
// reports are in the order of names and carry their own errors.
func (r *Rotator) Adopt(ctx context.Context, names []string, o Options) ([]Report, error) {
	a := &adoption{run: &run{Rotator: r, verb: toAdopt, options: o}, absent: map[*rollout.Target][]string{}}
	defer a.release(ctx)
	err := a.adopt(ctx, names)
	if err != nil && ctx.Err() != nil {
		err = a.interrupted(names, err)
	}
	return a.results(), err
}

// adoption is one call of Adopt; its run's jobs are what is left to adopt.
type adoption struct {
	*run
	all []*candidate
	// absent are the config keys whose holders should list the name and do not.
	absent map[*rollout.Target][]string
}

// candidate is a secret that may be adopted.
type candidate struct {
	*job
	answers []proof.Result
	// stale says where another value stands, one place each; absent are the
	// Workers that do not list a name of it.
	stale, absent []string
	// byHand: of these names one has to be created by a person.
	byHand bool
	// refused is why it is not adopted; nothing: it is already.
	refused error
	nothing bool
}

func (a *adoption) adopt(ctx context.Context, names []string) error {
	line := a.Watch.Begin("plan", "reading pass and the journal")
	err := a.survey(ctx, names)
	if err == nil {
		line.Say("asking services and consumers about the present values")
		err = a.examine(ctx)
	}
	if err != nil {
		line.Fail("stopped: nothing was changed")
		return err
	}
	line.Done(a.outlook())
	if len(a.jobs) > 0 {
		if err := a.carryOut(ctx); err != nil {
			return errors.Join(append([]error{err}, a.refusals()...)...)
		}
	}
	return errors.Join(a.refusals()...)
}

// survey reads pass, journal and stacks.
func (a *adoption) survey(ctx context.Context, names []string) error {
	if err := a.mended(ctx); err != nil {
		return err
	}
	if err := a.synced(ctx); err != nil {
		return err
	}
	if a.offline != nil {
		return &Error{Reason: Untold, Step: "comparing pass with its remote", Err: a.offline, Next: []string{adoptCommand(a.run, names...).String()}}
	}
	for _, name := range names {
		s, ok := a.Catalog.Secret(name)
		if !ok {
			return fmt.Errorf("secret %s is not in the catalog", name)
		}
		j, err := a.open(ctx, s)
		if err != nil {
			return err
		}
		a.all = append(a.all, &candidate{job: j})
	}
	var open []*job
	for _, c := range a.all {
		if err := a.unheld(ctx, []secrets.Secret{c.secret}); err != nil {
			return err
		}
		if err := a.admit(ctx, c); err != nil {
			return err
		}
		if c.refused == nil {
			open = append(open, c.job)
		}
	}
	if err := requireKnownReaders(ctx, a.run, open); err != nil {
		return err
	}
	return a.openTargets(ctx, open)
}

// admit refuses a secret whose value in pass is not the one in use.
func (a *adoption) admit(ctx context.Context, c *candidate) error {
	last := c.log.Last()
	c.hold, c.debts = last.Hold, last.Debts
	c.id, c.state, c.source = last.Rotation, journal.Adopting, fromHand
	c.moved, c.old, c.next = c.secret.Entries, clone(c.current), clone(c.current)
	if last.State != journal.Adopting {
		c.id = a.NewID()
	}
	no := func(why string, flags ...string) {
		c.refused = &Error{Reason: Failed, Secret: c.secret.Name, Step: "adopting", Detail: why, Next: []string{rotateSecret(c.secret.Name).With(flags...).String()}}
	}
	pending, err := a.read(ctx, c.secret, PendingPath)
	if err != nil {
		return err
	}
	if !last.State.Finished() && last.State != journal.Adopting {
		no(fmt.Sprintf("rotation %s is not finished (%s); that comes first", last.Rotation, last.State))
		return nil
	}
	for _, e := range c.secret.Entries {
		have := c.current[e.Name()]
		if v, ok := pending[e.Name()]; ok && !v.Equal(have) {
			no("a new value waits in "+PendingPath(e.Path)+" and was never rolled out", "--pending")
		} else if was, ok := last.Promoted[e.Name()]; ok && was != have.Fingerprint(a.Key) {
			no("pass holds a value in "+e.Path+" that was never rolled out: the journal knows another one as the one in use", "--pending")
		}
	}
	return nil
}

// examine asks services and consumers, side by side, and decides for each
// secret and then for each stack.
func (a *adoption) examine(ctx context.Context) error {
	open := a.admitted()
	errs := make([]error, len(open))
	var wg sync.WaitGroup
	for i, c := range open {
		wg.Go(func() { errs[i] = a.examineOne(ctx, c) })
	}
	wg.Wait()
	for i, err := range errs {
		own := (*Error)(nil)
		if err != nil && !errors.As(err, &own) {
			return err
		}
		open[i].refused = err
	}
	return a.decide(ctx)
}

func (a *adoption) admitted() []*candidate {
	return slices.DeleteFunc(slices.Clone(a.all), func(c *candidate) bool { return c.refused != nil })
}

func (a *adoption) examineOne(ctx context.Context, c *candidate) error {
	if err := a.settable(c.job); err != nil {
		return err
	}
	if checker, ok := a.Checker(c.secret.Service); ok && len(a.doors(c.job)) > 0 {
		report, err := a.dead(ctx, checker, c.current, nil)
		switch {
		case err != nil || report.State == services.Unknown:
			return &Error{Reason: Untold, Secret: c.secret.Name, Step: "asking " + c.secret.Service + " about the value in pass", Detail: report.Detail, Err: err, Next: []string{resumeCommand(a.run, c.job).String()}}
		case report.State == services.Dead:
			return &Error{Reason: Failed, Secret: c.secret.Name, Step: "asking " + c.secret.Service + " about the value in pass",
				Detail: "it refuses it, so there is nothing to take over: " + report.Detail, Next: []string{rotateSecret(c.secret.Name).String()}}
		}
	}
	questions, err := a.asks(ctx, c.job)
	if err != nil {
		return err
	}
	// A short row, that ends with the first answer that is not good.
	c.answers = a.Asker.Watch(ctx, proof.Window{Answers: a.Window.Answers, Every: a.Window.Every}, questions, nil)
	c.report.Consumers = consumers(c.answers)
	for _, res := range c.answers {
		if res.Answer == proof.Differs {
			c.stale = append(c.stale, res.Consumer+" does not run with the value in pass: "+res.Detail)
		}
	}
	for _, t := range a.targetsOf(c.job) {
		c.stale = append(c.stale, a.staleConfig(t, c)...)
	}
	return nil
}

// asks asks every consumer for the present value, and tells it from those that
// pass and the stacks' config held or hold beside it.
func (a *adoption) asks(ctx context.Context, j *job) ([]proof.Question, error) {
	previous, err := a.previousValues(ctx, j)
	if err != nil {
		return nil, err
	}
	var known []proof.Known
	add := func(name string, other services.Credential) {
		whole := clone(j.current)
		for entry, v := range other {
			whole[entry] = v
		}
		known = append(known, proof.Known{Name: name, Values: whole})
	}
	if len(previous) > 0 {
		add("the value that pass held before", previous)
	}
	for _, t := range a.targetsOf(j) {
		other := services.Credential{}
		for key, ref := range t.Refs {
			if v, ok := t.Values[key]; ok && ref.Secret == j.secret.Name && !v.Equal(j.current[ref.Entry]) {
				other[ref.Entry] = v
			}
		}
		if len(other) > 0 {
			add("the value in the config of stack "+t.Name, other)
		}
	}
	var out []proof.Question
	for _, c := range j.secret.Consumers {
		out = append(out, proof.Question{Secret: j.secret, Consumer: c, Want: j.current, Known: known})
	}
	return out, nil
}

// staleConfig are the keys of a stack that hold another value, or none, and
// that no consumer has named yet. What a declared stack lacks is taken over.
func (a *adoption) staleConfig(t *rollout.Target, c *candidate) []string {
	var out []string
	for _, key := range t.Keys() {
		ref := t.Refs[key]
		have, held := t.Values[key]
		if ref.Secret != c.secret.Name || held && have.Equal(c.current[ref.Entry]) || !held && t.Entry.Declared {
			continue
		}
		named := slices.ContainsFunc(c.answers, func(r proof.Result) bool { return r.Consumer == ref.Consumer && r.Answer == proof.Differs })
		switch {
		case named && !t.Entry.Declared:
		case held:
			out = append(out, "config "+key+" of stack "+t.Name+" holds another value")
		default:
			out = append(out, "config of stack "+t.Name+" has no "+key)
		}
	}
	return out
}

func (a *adoption) refusals() []error {
	var out []error
	for _, c := range a.all {
		if c.refused != nil {
			out = append(out, c.refused)
		}
	}
	slices.SortStableFunc(out, func(a, b error) int { return gravity(a) - gravity(b) })
	return out
}

// results are the reports of all secrets, as far as each came.
func (a *adoption) results() []Report {
	out := make([]Report, 0, len(a.all))
	for _, c := range a.all {
		last := c.log.Last()
		if c.refused != nil || c.nothing || !a.carries(c.job) || last.Rotation != c.id {
			c.id, c.state = last.Rotation, last.State
		}
		a.fill(c.job)
		if own := (*Error)(nil); errors.As(c.refused, &own) {
			c.report.Error, c.report.Next = own.Error(), append([]string{}, own.Next...)
		}
		out = append(out, c.report)
	}
	return out
}

func (a *adoption) carries(j *job) bool { return slices.Contains(a.jobs, j) }

func (a *adoption) outlook() string {
	var parts []string
	for _, c := range a.all {
		switch {
		case c.refused != nil:
			parts = append(parts, c.secret.Name+": not adopted")
		case c.nothing:
			parts = append(parts, c.secret.Name+": nothing to do")
		default:
			parts = append(parts, c.secret.Name+": is to be adopted")
		}
	}
	return strings.Join(parts, "; ")
}

// unfinished is the command that goes on with what stands in this state.
func unfinished(state journal.State, secret string) string {
	if state == journal.Adopting {
		return hint.Command{Verb: "adopt", Secrets: []string{secret}}.String()
	}
	return rotateSecret(secret).String()
}
