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
)

// deploy brings the new values to every stack: config, then one up each, side
// by side. What was agreed to with stand-ins is previewed once more with the
// values themselves, and asked about again only if it differs.
func (r *run) deploy(ctx context.Context, jobs []*job) error {
	if len(r.targets) == 0 {
		return nil
	}
	if err := r.agreedStill(ctx, jobs); err != nil {
		return err
	}
	for _, t := range r.targets {
		// A person's step may have taken its time since the plan.
		if err := t.CheckSpace(ctx); err != nil {
			return &Error{Reason: Failed, Step: "before deploying", Err: err, Next: r.goOn()}
		}
	}
	for _, j := range jobs {
		step := stepDeploying
		if r.verb == toAdopt && !j.rolls {
			step = stepTakingOver
		}
		if err := r.record(ctx, j, r.standing(j, j.atLeast(journal.Deploying), step+r.targetNames())); err != nil {
			return err
		}
		if len(r.targetsOf(j)) > 0 {
			j.report.Consumers = outdated(j.report.Consumers)
		}
	}
	errs := make([]error, len(r.targets))
	var wg sync.WaitGroup
	for i, t := range r.targets {
		wg.Go(func() { errs[i] = r.deployOne(ctx, t) })
	}
	wg.Wait()
	err := errors.Join(errs...)
	if err != nil && ctx.Err() == nil {
		r.askAfterFailure(ctx, jobs)
	}
	return err
}

// stepDeploying begins the step that brings values to the stacks and what they
// deploy, stepTakingOver the one that brings them to the stacks alone.
const (
	stepDeploying  = "setting config and running up: "
	stepTakingOver = "taking over by an up: "
)

// WrittenSince is when the values that consumers should run with were first
// deployed to them, by the secret's events, oldest first; zero if they never were.
// A step that was repeated with the same values may have had nothing to write.
func WrittenSince(events []journal.Event) time.Time {
	var since time.Time
	var of journal.Event
	for _, e := range slices.Backward(events) {
		if !strings.HasPrefix(e.Step, stepDeploying) {
			continue // an adoption without a roll-out has a step of its own
		}
		if !since.IsZero() && !sameWrite(e, of) {
			break
		}
		since, of = e.Time, e
	}
	return since
}

// sameWrite: two events of one rotation in one direction, with the same values.
func sameWrite(a, b journal.Event) bool {
	return a.Rotation == b.Rotation && (a.State == journal.RollingBack) == (b.State == journal.RollingBack) &&
		maps.EqualFunc(a.Entries, b.Entries, func(x, y journal.Move) bool { return x.To == y.To && x.From == y.From })
}

// atLeast never takes a rotation back: one that was promoted already deploys
// again without being unpromoted in the record. A rollback has one state.
func (j *job) atLeast(s journal.State) journal.State {
	if j.back || j.state == journal.Adopting || j.state.AtLeast(s) {
		return j.state
	}
	return s
}

// agreedStill previews again where the plan was made with stand-ins.
func (r *run) agreedStill(ctx context.Context, jobs []*job) error {
	agreed := r.plan
	stoodIn := false
	for _, s := range agreed.Stacks {
		for _, k := range s.Keys {
			stoodIn = stoodIn || k.To == ""
		}
	}
	if !stoodIn {
		return nil
	}
	if err := r.preview(ctx); err != nil {
		return err
	}
	if changesOf(r.plan) == changesOf(agreed) {
		return nil
	}
	r.plan.Changed = true
	return askAgreement(ctx, r, r.rolling())
}

// changesOf is a plan's changes in a form that can be compared.
func changesOf(p *Plan) string {
	var lines []string // the engine's order is not fixed
	for _, s := range p.Stacks {
		for _, c := range s.Changes {
			lines = append(lines, fmt.Sprintf("%s %s %s %v", s.Name, c.Op, c.URN, c.SecretOnly))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func (r *run) targetNames() string {
	var out []string
	for _, t := range r.targets {
		out = append(out, t.Name)
	}
	return strings.Join(out, ", ")
}

func (r *run) deployOne(ctx context.Context, t *rollout.Target) error {
	line := r.Watch.Begin(t.Name, "setting config secrets")
	want, _, err := r.wants(ctx, t)
	if err != nil {
		line.Fail("nothing was deployed")
		return err
	}
	send, err := r.sent(ctx, t, want)
	if err != nil {
		line.Fail("nothing was deployed")
		return err
	}
	out, err := r.up(ctx, t, want, send, line.Say)
	result := "updated"
	switch {
	case err != nil:
		result = "failed"
		line.Fail("up failed")
	case len(out.Changes) == 0 || len(out.Changes) == 1 && out.Changes["same"] > 0:
		result = "unchanged"
		fallthrough
	default:
		text := fmt.Sprintf("up: %s (%.1f s)", done(out.Changes), out.Seconds)
		if len(out.TakenOver) > 0 {
			text += "; taken over, value not proven: " + strings.Join(out.TakenOver, ", ")
		}
		line.Done(text)
		if file := t.Uncommitted(); file != "" && result == "updated" && !r.options.Commit && !r.NoCommit {
			r.Watch.Begin(t.Name, "").Warn("commit and push " + file)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reportStack(t, StackReport{Name: t.Name, Result: result, Changes: notNil(out.Changes), Seconds: out.Seconds})
	if err != nil {
		return &Error{Reason: Failed, Step: "deploying to stack " + t.Name, Err: err, Next: r.goOn()}
	}
	return nil
}

// goOn are the commands after a deployment that failed half way: what runs
// where, and the same again.
func (r *run) goOn() []string {
	var secrets []string
	for _, j := range r.rolling() {
		secrets = append(secrets, j.secret.Name)
	}
	return []string{verifySecret(secrets...).String(), resumeTogether(r, r.rolling()).String()}
}

func notNil(m map[string]int) map[string]int {
	if m == nil {
		return map[string]int{}
	}
	return m
}

func done(n map[string]int) string {
	var parts []string
	for _, op := range []string{"create", "update", "replace", "delete"} {
		if n[op] > 0 {
			parts = append(parts, fmt.Sprintf("%d %sd", n[op], op))
		}
	}
	if len(parts) == 0 {
		return "no change"
	}
	return strings.Join(parts, ", ")
}

// message goes into Pulumi's history: names and ids only.
func (r *run) message() string {
	var parts []string
	for _, j := range r.rolling() {
		does := "rotate"
		if j.back {
			does = "roll back"
		} else if r.verb == toAdopt {
			does = "adopt"
		}
		parts = append(parts, fmt.Sprintf("%s %s (rotation %s)", does, j.secret.Name, j.id))
	}
	return strings.Join(parts, ", ")
}

// verify has every consumer prove, several times over a window, that it runs
// with the value that stays.
func (r *run) verify(ctx context.Context, jobs []*job) error {
	errs := make([]error, len(jobs))
	var wg sync.WaitGroup
	for i, j := range jobs {
		wg.Go(func() { errs[i] = r.verifyJob(ctx, j) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (r *run) verifyJob(ctx context.Context, j *job) error {
	r.tellSteps(j, func(c secrets.Consumer) bool { return !c.ReadsPass() })
	answers, err := r.ask(ctx, j, r.questions(j, j.goal(), false))
	if err != nil {
		return err
	}
	tried, err := r.tried(ctx, j)
	if err != nil {
		return err
	}
	answers = append(answers, tried...)
	e := r.standing(j, j.atLeast(journal.Verified), verifiedStep(j, answers))
	e.Answers = answers
	return r.record(ctx, j, e)
}

// wanted and unwanted call the value that stays and the one that leaves.
func (j *job) wanted() string {
	if j.back {
		return "old"
	}
	return "new"
}

func (j *job) unwanted() string {
	if j.back {
		return "new"
	}
	return "old"
}

// ask watches the consumers of one job over the window and refuses anything but
// good answers.
func (r *run) ask(ctx context.Context, j *job, questions []proof.Question) ([]journal.Answer, error) {
	if len(questions) == 0 {
		return nil, nil
	}
	lines := map[string]Line{}
	for _, q := range questions {
		lines[q.Consumer.Name] = r.Watch.Begin(q.Consumer.Name, "asking which "+j.secret.Name+" it runs with")
	}
	results := r.Asker.Watch(ctx, r.Window, questions, func(res proof.Result) {
		lines[res.Consumer].Say("asking which " + j.secret.Name + " it runs with: " + string(res.Answer))
	})
	j.report.Consumers = merge(j.report.Consumers, consumers(results))
	answers := make([]journal.Answer, 0, len(results))
	var bad []proof.Result
	for _, res := range results {
		answers = append(answers, journal.Answer{Consumer: res.Consumer, Proof: res.Proof, Answer: string(res.Answer), At: res.At})
		if res.Answer == proof.Match || res.Answer == proof.Present {
			lines[res.Consumer].Done(j.secret.Name + ": " + proof.Phrase(res.Answer, res.Proof) + fmt.Sprintf(", %d in a row", res.Answers))
			continue
		}
		lines[res.Consumer].Fail(fmt.Sprintf("%s: %s", j.secret.Name, res.Answer))
		res.Detail += r.warned(j, res.Consumer)
		bad = append(bad, res)
	}
	if err := r.recordStale(ctx, j, results); err != nil {
		return nil, err
	}
	if len(bad) == 0 || r.owed(j, bad) {
		return answers, nil
	}
	return nil, r.unproven(j, bad, "the "+j.unwanted()+" value was not retired")
}

func (r *run) unproven(j *job, bad []proof.Result, old string) error {
	var parts []string
	reason := Untold
	for _, b := range bad {
		parts = append(parts, fmt.Sprintf("%s (%s): %s", b.Consumer, b.Answer, b.Detail))
		if b.Answer == proof.Differs {
			reason = Failed
		}
	}
	if !j.back && !j.log.Last().RevokedAt.IsZero() {
		old = "the old value is revoked already: mend this consumer now"
	}
	next := append(restarts(j, bad), verifySecret(j.secret.Name).String(), resumeCommand(r, j).String())
	if j.redeploy {
		// Pulumi thinks that nothing is to be done: its state has the new value.
		next = append(r.refreshes(j, bad), next...)
	}
	return &Error{Reason: reason, Secret: j.secret.Name, Step: "asking consumers", Next: next,
		Detail: "not proven to run with the " + j.wanted() + " value: " + strings.Join(parts, "; ") + "; " + old}
}

// refreshes are the commands that have a project's own program look at what its
// consumers really have.
func (r *run) refreshes(j *job, bad []proof.Result) (out []string) {
	for _, t := range r.targetsOf(j) {
		for _, c := range j.secret.Consumers {
			if c.Kind == secrets.KindConfig && c.Stack == t.Entry.Name && slices.ContainsFunc(bad, func(b proof.Result) bool { return b.Consumer == c.Name }) {
				out = append(out, t.Command("up --refresh"))
			}
		}
	}
	return out
}

// merge replaces the answers of consumers that were asked again.
func merge(have, now []ConsumerReport) []ConsumerReport {
	out := append([]ConsumerReport{}, have...)
	for _, n := range now {
		replaced := false
		for i := range out {
			if out[i].Name == n.Name {
				out[i], replaced = n, true
			}
		}
		if !replaced {
			out = append(out, n)
		}
	}
	return out
}

// doing says in a few words what an engine's event is about.
func doing(e engine.Event) string {
	switch {
	case e.Text != "":
		return e.Text
	case e.Name != "":
		return e.Op + " " + e.Name
	}
	return string(e.Kind)
}
