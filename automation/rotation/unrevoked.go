package rotation

import (
	"context"
	"slices"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// unrevoked finds a rotation by hand that lacks only its end: every consumer proves
// pass's value, and the service still accepts the one that pass held before. The
// rotation goes on where that stands, at PROMOTED. Without --pending it does so only
// where no journal knows the value and something other than a person's word says
// that it is in use: somebody who rotates again may well want a fresh value.
func (r *run) unrevoked(ctx context.Context, j *job) (bool, error) {
	checker, ok := r.Checker(j.secret.Service)
	if !ok || r.options.Entry != "" {
		return false, nil
	}
	if !r.options.Pending {
		if len(j.log.Last().Promoted) > 0 {
			return false, nil
		}
		if told, _, err := r.told(ctx, j); err != nil || !told {
			return false, err
		}
	}
	previous, err := r.previousValues(ctx, j)
	if err != nil || len(previous) == 0 {
		return false, err
	}
	old := clone(j.current)
	for name, v := range previous {
		old[name] = v
	}
	report, err := checker.Check(ctx, old)
	if err != nil && r.options.Pending {
		return false, &Error{Reason: Untold, Secret: j.secret.Name, Step: "asking " + j.secret.Service + " about the value that pass held before", Err: err, Next: []string{rotateCommand(r, j.secret.Name).With("--pending").String()}}
	}
	if err != nil || report.State != services.Alive || !looksAt(report, previous) {
		return false, nil
	}
	if len(failing(r.Asker.AskAll(ctx, r.questions(j, j.current, true)))) > 0 {
		return false, nil
	}
	j.source, j.state, j.old, j.next = fromHand, journal.Promoted, old, clone(j.current)
	j.moved = slices.DeleteFunc(slices.Clone(j.secret.Entries), func(e secrets.Entry) bool { return previous[e.Name()].IsZero() })
	if j.secret.Pair {
		j.moved = j.secret.Entries
	}
	return true, nil
}

// looksAt reports whether an answer is about one of these values: an entry that the
// service cannot be asked about says nothing of them.
func looksAt(report services.Report, values services.Credential) bool {
	return len(report.Checked) == 0 || slices.ContainsFunc(report.Checked, func(entry string) bool { return !values[entry].IsZero() })
}
