package rotation

import (
	"context"
	"slices"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/automation/proof"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// answerRow is how many good answers in a row a consumer has to give, where that is
// more than the window's; 0: the window's. One that was caught with old and new
// instances side by side, in this run or before, gives the longest row: otherwise
// each repeated command would be another throw of the dice.
func answerRow(w proof.Window, j *job, c secrets.Consumer) int {
	row := proof.Row(c.Probe.Instances)
	if slices.Contains(j.stale, c.Name) {
		row = max(row, w.Longest())
	}
	return row
}

// sampled are the ways of proof that ask one instance of possibly several.
func sampled(c secrets.Consumer) bool { return c.Probe.By == "attest" || c.Probe.By == "http" }

// noteStale remembers the consumers of which an instance answered with another
// value although the consumer had proven the right one; it reports whether one is
// new.
func noteStale(j *job, results []proof.Result) (added bool) {
	proven := j.state.AtLeast(journal.Verified)
	for _, res := range results {
		other := res.Answer == proof.Differs || res.Answer == proof.Unknown
		if (res.Stale || proven && other) && !slices.Contains(j.stale, res.Consumer) {
			j.stale, added = append(slices.Clone(j.stale), res.Consumer), true
		}
	}
	return added
}

// recordStale writes it down, also after Ctrl-C: the next run needs it.
func (r *run) recordStale(ctx context.Context, j *job, results []proof.Result) error {
	// While the old value is out of force, a consumer that lacks it says nothing of
	// instances.
	if last := j.log.Last(); last.Rotation != j.id || strings.HasPrefix(last.Step, stepDisabling) || !noteStale(j, results) {
		return nil
	}
	return r.record(context.WithoutCancel(ctx), j, r.standing(j, j.state, "an instance of a consumer answered with another value"))
}

// askOnce asks every consumer once, and those whose row is longer as often as that.
func askOnce(ctx context.Context, r *run, questions []proof.Question) []proof.Result {
	return r.Asker.Watch(ctx, proof.Window{Answers: 1, Every: r.Window.Every}, questions, nil)
}

// ProofPlan is how a consumer will be asked that may be several instances.
type ProofPlan struct {
	Consumer string
	// Answers is the length of one row of answers; two rows are asked before the
	// old value is revoked.
	Answers int
	// Instances is the catalog's number; 0 where it states none.
	Instances int
}

// proofPlans are the consumers behind an address, which may be several instances.
func proofPlans(w proof.Window, j *job) (out []ProofPlan) {
	for _, c := range j.secret.Consumers {
		if sampled(c) {
			out = append(out, ProofPlan{Consumer: c.Name, Answers: max(w.Answers, answerRow(w, j, c)), Instances: c.Probe.Instances})
		}
	}
	return out
}

// worksOnly are the consumers that prove no value, only that something works: one
// that still uses the old value works too, until that is revoked.
func worksOnly(s secrets.Secret) (out []string) {
	for _, c := range s.Consumers {
		if c.Probe.Kind == secrets.ProofWorks && c.Probe.By == "http" {
			out = append(out, c.Name)
		}
	}
	return out
}

// worksLines names them in a question before a revocation.
func worksLines(s secrets.Secret) (out []string) {
	for _, name := range worksOnly(s) {
		out = append(out, name+" has proven only that it works: if it still uses this value, it stops")
	}
	return out
}
