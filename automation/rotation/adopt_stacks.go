package rotation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/automation/proof"
	"github.com/sanmarcsoft/secret-rotation/automation/rollout"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// decide says of every secret whether it is adopted, and keeps the stacks that
// this takes an up of.
func (a *adoption) decide(ctx context.Context) error {
	for _, t := range a.targets {
		if err := a.listed(ctx, t); err != nil {
			return err
		}
	}
	for _, c := range a.admitted() {
		if found := append(slices.Clone(c.stale), c.absent...); len(found) > 0 && (c.byHand || !a.options.Roll) {
			c.refused = a.toMend(c, strings.Join(found, "; "))
		}
	}
	// Each stack's answer first: which secrets it stops must not depend on the order.
	stopped := map[*rollout.Target]error{}
	for _, t := range a.targets {
		if !a.lacks(t) {
			continue
		}
		why, err := a.blocked(ctx, t)
		if err != nil {
			return err
		}
		if why != nil {
			stopped[t] = why
		}
	}
	for _, c := range a.admitted() {
		for _, t := range a.targetsOf(c.job) {
			if stopped[t] != nil && c.refused == nil {
				own := *stopped[t].(*Error)
				own.Secret = c.secret.Name
				c.refused = &own
			}
		}
	}
	var up []*rollout.Target
	for _, c := range a.admitted() {
		if c.nothing = a.done(c); c.nothing {
			continue
		}
		c.rolls = a.options.Anew || a.options.Roll && !c.proven()
		a.jobs = append(a.jobs, c.job)
		a.fill(c.job)
		a.refreshed(c)
		for _, t := range a.targetsOf(c.job) {
			if !slices.Contains(up, t) && (c.rolls || a.lacks(t)) {
				up = append(up, t)
			}
		}
	}
	a.targets = up
	return nil
}

// refreshed has the stacks looked at anew whose config holds pass's value already
// and whose consumers do not: their state says that there is nothing to do.
func (a *adoption) refreshed(c *candidate) {
	if !c.rolls {
		return
	}
	for _, t := range a.targetsOf(c.job) {
		// What a declared stack's holders lack is written again (again).
		t.Refresh = t.Refresh || !t.Entry.Declared && (a.options.Anew || slices.ContainsFunc(c.answers, func(r proof.Result) bool {
			return r.Answer != proof.Match && slices.ContainsFunc(t.Keys(), func(key string) bool {
				ref := t.Refs[key]
				return ref.Secret == c.secret.Name && ref.Consumer == r.Consumer && t.Values[key].Equal(c.current[ref.Entry])
			})
		}))
	}
}

// toMend is a secret of which another value stands somewhere.
func (a *adoption) toMend(c *candidate, found string) error {
	next := []string{adoptCommand(a.run, c.secret.Name).With("--roll").String()}
	if len(c.stale) > 0 && len(c.log.Last().Promoted) == 0 {
		next = append([]string{rotateSecret(c.secret.Name).With("--pending").String() + "   (rolls pass's value out and retires the other one)"}, next[0]+"   (rolls it out and retires nothing)")
	}
	return &Error{Reason: Failed, Secret: c.secret.Name, Step: "adopting", Detail: "not adopted, and nothing was changed: " + found, Next: next}
}

// lacks: an up has something to take into the state of a declared stack.
func (a *adoption) lacks(t *rollout.Target) bool {
	return t.Entry.Declared && slices.ContainsFunc(t.Keys(), func(key string) bool {
		_, held := t.Values[key]
		return !held || !t.Knows(key)
	})
}

// listed asks what holds the secrets of a declared stack for their names.
func (a *adoption) listed(ctx context.Context, t *rollout.Target) error {
	if !t.Entry.Declared {
		return nil
	}
	absent, err := t.Absent(ctx)
	if err != nil {
		return &Error{Reason: Untold, Step: "looking for the secrets of stack " + t.Name, Err: err, Next: []string{"go run . doctor"}}
	}
	a.absent[t] = absent
	for _, c := range a.admitted() {
		for _, key := range absent {
			if ref := t.Refs[key]; ref.Secret == c.secret.Name {
				text := ", and nothing is created without --roll"
				if !t.Creatable(key) {
					text, c.byHand = ", and who may use it is chosen there: create it there, with any value", true
				}
				c.absent = append(c.absent, t.Holder(key)+" does not list "+ref.Name+text)
			}
		}
	}
	return nil
}

// blocked: an up of a declared stack takes all that it lacks into its state. It
// must not say of a holder what is known to be wrong, so everything else that
// the stack holds is looked at too.
func (a *adoption) blocked(ctx context.Context, t *rollout.Target) (error, error) {
	no := func(other, why string) (error, error) {
		var all []string
		for _, c := range a.all {
			if slices.Contains(a.targetsOf(c.job), t) && c.secret.Name != other {
				all = append(all, c.secret.Name)
			}
		}
		return &Error{Reason: Failed, Step: "adopting", Detail: "stack " + t.Name + " is one with secret " + other + ", and of that " + why,
			Next: []string{verifySecret(other).String(), adoptCommand(a.run, append(all, other)...).With("--roll").String()}}, nil
	}
	seen := map[string]bool{}
	for _, key := range slices.Sorted(maps.Keys(t.Refs)) {
		ref := t.Refs[key]
		if !t.Holds(key) || t.Knows(key) {
			continue
		}
		c := a.candidate(ref.Secret)
		if c != nil && c.refused == nil {
			continue // it is rolled out, or all its consumers have its value
		}
		if slices.Contains(a.absent[t], key) {
			return no(ref.Secret, t.Holder(key)+" does not list "+ref.Name)
		}
		if seen[ref.Secret+"/"+ref.Consumer] {
			continue
		}
		seen[ref.Secret+"/"+ref.Consumer] = true
		res, err := a.mate(ctx, t, ref.Secret, ref.Consumer)
		if err != nil {
			return nil, err
		}
		// One that this call has looked at and refused is wrong until it is proven.
		if res.Answer == proof.Differs || c != nil && res.Answer != proof.Match {
			return no(ref.Secret, res.Consumer+" did not prove the value in use: "+res.Detail)
		}
	}
	return nil, nil
}

func (a *adoption) candidate(name string) *candidate {
	for _, c := range a.all {
		if c.secret.Name == name {
			return c
		}
	}
	return nil
}

// mate asks a consumer of a secret that is not adopted by this call, for the
// value that the stack would be given.
func (a *adoption) mate(ctx context.Context, t *rollout.Target, name, consumer string) (proof.Result, error) {
	s, _ := a.Catalog.Secret(name)
	j, err := a.open(ctx, s)
	if err != nil {
		return proof.Result{}, err
	}
	for key, ref := range t.Refs {
		if ref.Secret != name {
			continue
		}
		if j.current[ref.Entry], err = a.promoted(ctx, t, key); err != nil {
			return proof.Result{}, err
		}
	}
	questions, err := a.asks(ctx, j)
	if err != nil {
		return proof.Result{}, err
	}
	at := slices.IndexFunc(questions, func(q proof.Question) bool { return q.Consumer.Name == consumer })
	return a.Asker.Ask(ctx, questions[at]), nil
}

// done: the journal has this value as the one in use, the stacks hold it, and
// there is nothing new to write down.
func (a *adoption) done(c *candidate) bool {
	last := c.log.Last()
	if a.options.Anew || a.options.Roll && !c.proven() {
		return false
	}
	for _, e := range c.secret.Entries {
		if last.Promoted[e.Name()] == "" {
			return false
		}
	}
	for _, t := range a.targetsOf(c.job) {
		if a.lacks(t) {
			return false
		}
	}
	switch last.State {
	case journal.Adopting:
		return false
	case journal.Adopted:
		return len(c.stale)+len(c.absent) == 0 && same(last.Answers, c.answers)
	}
	return len(c.stale)+len(c.absent) == 0
}

// same: the consumers answer as it is written down.
func same(was []journal.Answer, now []proof.Result) bool {
	return slices.EqualFunc(was, now, func(w journal.Answer, n proof.Result) bool {
		return w.Consumer == n.Consumer && w.Proof == n.Proof && w.Answer == string(n.Answer)
	})
}

// proven: every copy is the value in pass, as far as anything but a person can
// tell.
func (c *candidate) proven() bool {
	return len(c.stale)+len(c.absent) == 0 && !slices.ContainsFunc(c.answers, func(r proof.Result) bool {
		return r.Answer != proof.Match && r.Answer != proof.Present
	})
}

// carryOut shows the plan, asks once, takes over, and writes down what was proven.
func (a *adoption) carryOut(ctx context.Context) error {
	if err := a.ready(ctx); err != nil {
		return err
	}
	if err := a.preview(ctx); err != nil {
		return err
	}
	if err := a.unwritten(); err != nil {
		return err
	}
	if a.options.PreviewOnly {
		a.Show(a.plan)
		return nil
	}
	if err := askAgreement(ctx, a.run, a.jobs); err != nil {
		return err
	}
	if err := a.acquire(ctx); err != nil {
		return err
	}
	if err := a.deploy(ctx, a.jobs); err != nil {
		return err
	}
	// The key of the fingerprints may have been committed by a run that was cut off.
	if err := confirmPushed(ctx, a.Store); err != nil {
		return &Error{Reason: Failed, Step: "pushing pass", Detail: "nothing is adopted until its remote has every commit", Err: err, Next: []string{"pass git push", resumeByName(a.run, a.jobs[0].secret.Name).String()}}
	}
	var errs []error
	for _, c := range a.all {
		if a.carries(c.job) {
			errs = append(errs, a.settleOne(ctx, c))
		}
	}
	return errors.Join(errs...)
}

// ready tries what could stop a roll-out half way, and has the holders written
// that did not prove the value: Pulumi's state may say that they have it.
func (a *adoption) ready(ctx context.Context) error {
	rolls := false
	for _, c := range a.all {
		if !a.carries(c.job) || !c.rolls {
			continue
		}
		rolls = true
		if err := a.fits(c.job); err != nil {
			return err
		}
		for _, res := range c.answers {
			if res.Answer != proof.Match {
				a.again(c.job, res.Consumer)
			}
		}
	}
	if !rolls {
		return nil
	}
	return a.workersReady(ctx)
}

// unwritten refuses, without --roll, an up that would write to a holder: its
// state has another value than pass.
func (a *adoption) unwritten() error {
	for _, s := range a.plan.Stacks {
		for _, c := range s.Changes {
			if c.Op == "same" || c.Op == "create" || c.Op == "update" && len(c.Altered()) == 0 || a.options.Roll {
				continue
			}
			var all []string
			for _, j := range a.jobs {
				all = append(all, j.secret.Name)
			}
			return &Error{Reason: Failed, Step: "preview of stack " + s.Name, Detail: "its state has another value of " + c.Name + ", so taking it over would write to the consumer",
				Next: []string{adoptCommand(a.run, all...).With("--roll").String()}}
		}
	}
	return nil
}

// settleOne has the consumers prove the value after an up, and writes down what
// each proved. What could be told before has to be told now.
func (a *adoption) settleOne(ctx context.Context, c *candidate) error {
	if len(a.targetsOf(c.job)) > 0 {
		if err := a.askAnew(ctx, c); err != nil {
			return err
		}
	}
	var open []string
	e := a.standing(c.job, journal.Adopted, "taken over as it is")
	if c.rolls {
		e.Step = "rolled out as it is and taken over"
	}
	e.Answers, e.Promoted, e.PromotedAt = nil, map[string]secrets.Fingerprint{}, a.Now().UTC().Truncate(time.Second)
	for _, res := range c.answers {
		e.Answers = append(e.Answers, journal.Answer{Consumer: res.Consumer, Proof: res.Proof, Answer: string(res.Answer), At: res.At})
		if res.Answer != proof.Match {
			open = append(open, res.Consumer)
		}
	}
	for _, entry := range c.secret.Entries {
		e.Promoted[entry.Name()] = c.current[entry.Name()].Fingerprint(a.Key)
	}
	text := strings.TrimSuffix(fmt.Sprintf("adopted: %d of %d consumers have the value in pass: %s", len(c.answers)-len(open), len(c.answers), CountProofs(e.Answers)), ": ")
	if len(c.answers) == 0 {
		text = "adopted: the catalog names no consumer of it"
	}
	if len(open) > 0 {
		e.Step += "; not proven by " + strings.Join(open, ", ")
		text += "; not proven by " + strings.Join(open, ", ")
		c.report.Next = append(c.report.Next, verifySecret(c.secret.Name).String())
		if !c.rolls && !c.proven() {
			c.report.Next = append(c.report.Next, adoptCommand(a.run, c.secret.Name).With("--roll").String()+"   (rolls pass's value out)")
		}
	}
	if err := a.record(ctx, c.job, e); err != nil {
		return err
	}
	line := a.Watch.Begin(c.secret.Name, "")
	if len(open) > 0 {
		line.Warn(text)
	} else {
		line.Done(text)
	}
	return nil
}

func (a *adoption) askAnew(ctx context.Context, c *candidate) error {
	questions, err := a.asks(ctx, c.job)
	if err != nil {
		return err
	}
	window := proof.Window{Answers: a.Window.Answers, Every: a.Window.Every}
	if c.rolls {
		window = a.Window // a roll-out takes its time to every instance
	}
	before := c.answers
	c.answers = a.Asker.Watch(ctx, window, questions, nil)
	c.report.Consumers = consumers(c.answers)
	var bad []string
	reason := Untold
	for i, res := range c.answers {
		told := before[i].Answer == proof.Match || before[i].Answer == proof.Differs
		if res.Answer == proof.Differs {
			reason = Failed
		}
		if res.Answer == proof.Differs || told && res.Answer != proof.Match && res.Answer != proof.Present {
			bad = append(bad, fmt.Sprintf("%s (%s): %s", res.Consumer, res.Answer, res.Detail))
		}
	}
	if len(bad) == 0 {
		return nil
	}
	var wrong []proof.Result
	for _, res := range c.answers {
		if res.Answer != proof.Match {
			wrong = append(wrong, res)
		}
	}
	return &Error{Reason: reason, Secret: c.secret.Name, Step: "asking consumers", Detail: "not adopted: " + strings.Join(bad, "; "),
		Next: append(a.refreshes(c.job, wrong), verifySecret(c.secret.Name).String(), resumeCommand(a.run, c.job).String())}
}
