package rotation

import (
	"context"
	"fmt"
	"slices"

	"github.com/sanmarcsoft/secret-rotation/automation/proof"
	"github.com/sanmarcsoft/secret-rotation/internal/hint"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// Verify asks every consumer of the secrets once which value it runs with, and
// changes nothing. The value asked for is pass's; while a rotation is under way
// consumers may rightly run with the pending one, which the detail then says.
func (r *Rotator) Verify(ctx context.Context, names []string) ([]Report, error) {
	run := &run{Rotator: r, verb: toLook}
	if err := run.loadKey(ctx); err != nil {
		return nil, err
	}
	var reports []Report
	for _, name := range names {
		report, err := run.verifyOne(ctx, name)
		if err != nil {
			return reports, err
		}
		reports = append(reports, report)
	}
	return reports, nil
}

func (r *run) verifyOne(ctx context.Context, name string) (Report, error) {
	s, ok := r.Catalog.Secret(name)
	if !ok {
		return Report{}, fmt.Errorf("secret %s is not in the catalog", name)
	}
	line := r.Watch.Begin(name, "asking its consumers")
	j, err := r.open(ctx, s)
	if err != nil {
		line.Fail("its consumers could not be asked")
		return Report{}, err
	}
	pending, err := r.read(ctx, s, PendingPath)
	if err != nil {
		return Report{}, err
	}
	previous, err := r.read(ctx, s, PreviousPath)
	if err != nil {
		return Report{}, err
	}
	last := j.log.Last()
	j.id, j.state, j.old, j.next = last.Rotation, last.State, clone(j.current), clone(j.current)
	for entry, v := range previous {
		j.old[entry] = v
	}
	for entry, v := range pending {
		j.next[entry] = v
	}
	for _, e := range s.Entries {
		if _, moved := last.Entries[e.Name()]; moved {
			j.moved = append(j.moved, e)
		}
	}
	r.fill(j)
	results := r.Asker.AskAll(ctx, r.questions(j, j.current, true))
	j.report.Consumers = consumers(results)
	if j.report.Rejected = r.rejected(ctx, j); j.report.Rejected != "" {
		line.Warn(j.report.Rejected)
		j.report.Next = []string{rotateSecret(name).With("--new", "--grace 0").String()}
		return j.report, nil
	}
	if j.report.Good() {
		line.Done(tally(results))
	} else {
		line.Warn(tally(results))
		j.report.Next = append(j.report.Next, r.mend(j, results)...)
	}
	if last.State != "" && !last.State.Finished() {
		j.report.Next = []string{unfinished(last.State, name)}
	}
	return j.report, nil
}

// rejected says that the value in pass was revoked: what consumers run with does not
// work then, whatever they prove.
func (r *run) rejected(ctx context.Context, j *job) string {
	last := j.log.Last()
	killed := last.OldDead && !last.State.Finished() && len(j.moved) > 0
	for _, e := range j.moved {
		killed = killed && last.Entries[e.Name()].From == j.current[e.Name()].Fingerprint(r.Key)
	}
	switch {
	case killed && last.Evidence != "":
		return "the value in pass is revoked: " + last.Evidence
	case killed, r.refusedNow(ctx, j, j.current, nil):
		return "the value in pass is revoked: " + j.secret.Service + " refuses it"
	}
	return ""
}

// mend are the commands that bring pass's value to consumers that have not
// proven it.
func (r *run) mend(j *job, results []proof.Result) []string {
	roll := hint.Command{Verb: "adopt", Secrets: []string{j.secret.Name}, Flags: []string{"--roll"}}.String()
	differs := slices.ContainsFunc(results, func(res proof.Result) bool { return res.Answer == proof.Differs })
	promoted, edited := j.log.Last().Promoted, false
	for _, e := range j.secret.Entries {
		was, ok := promoted[e.Name()]
		edited = edited || ok && was != j.current[e.Name()].Fingerprint(r.Key)
	}
	switch {
	case edited:
		return []string{rotateCommand(r, j.secret.Name).With("--pending").String()}
	case differs && len(promoted) == 0:
		return []string{rotateSecret(j.secret.Name).With("--pending").String() + "   (rolls pass's value out and retires the other one)", roll + "   (rolls it out and retires nothing)"}
	case differs:
		return []string{roll + "   (rolls pass's value out and retires nothing)"}
	}
	return []string{"go run . doctor", roll + "   (if it runs with another value: rolls pass's out and retires nothing)"}
}

func tally(results []proof.Result) string {
	if len(results) == 0 {
		return "it has no consumer"
	}
	good, configured, listed := 0, 0, 0
	for _, r := range results {
		switch {
		case r.Answer == proof.Match && r.Proof == secrets.ProofConfigured:
			configured++
		case r.Answer == proof.Match:
			good++
		case r.Answer == proof.Present:
			listed++
		}
	}
	text := fmt.Sprintf("%d of %d consumers run with the value in pass", good, len(results))
	if configured > 0 {
		text += fmt.Sprintf(", %d more have it deployed (not verified at run time)", configured)
	}
	if listed > 0 {
		text += fmt.Sprintf(", of %d more only the name is known", listed)
	}
	return text
}

// Preview shows what an up of the catalog's stacks of these names would change
// now, with every catalogued config secret set to the value last promoted.
func (r *Rotator) Preview(ctx context.Context, stacks []string) (*Plan, error) {
	run := &run{Rotator: r, verb: toLook, options: Options{AllowOther: true}}
	targets, err := r.Fleet.Open(ctx, stacks...)
	if err != nil {
		return nil, err
	}
	run.targets = targets
	if err := run.preview(ctx); err != nil {
		return nil, err
	}
	return run.plan, nil
}
