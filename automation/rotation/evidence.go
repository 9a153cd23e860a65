package rotation

import (
	"context"
	"errors"
	"slices"

	"github.com/sanmarcsoft/secret-rotation/automation/proof"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// historyDepth is how many older contents of an entry are looked through.
const historyDepth = 10

// edited finds the entries whose value in pass was never rolled out, with the
// value that was, where it can be found. Where nothing tells, a person is asked.
func (r *run) edited(ctx context.Context, j *job) (services.Credential, error) {
	told, found, err := r.told(ctx, j)
	if err != nil || told {
		return found, err
	}
	if r.options.Pending {
		return r.previousValues(ctx, j)
	}
	never, err := r.Person.Tell(ctx, j.secret)
	if own := (*Error)(nil); errors.As(err, &own) {
		c := rotateCommand(r, j.secret.Name)
		own.Next = append(slices.Clone(own.Next), c.With("--pending").String()+"   (it is new: roll it out)", c.With("--new").String()+"       (it is in use: make a fresh one)")
	}
	if err != nil || !never {
		return nil, err
	}
	return r.previousValues(ctx, j)
}

// told is edited as far as it goes without a person: the journal's last
// promoted value tells; without a journal, what the stacks' config holds, what
// a consumer proves, or the entry's own history.
func (r *run) told(ctx context.Context, j *job) (told bool, found services.Credential, err error) {
	if promoted := j.log.Last().Promoted; len(promoted) > 0 {
		found, err = r.editedSince(ctx, j, promoted)
		return true, found, err
	}
	if found, settled := r.byConfig(j); settled {
		return true, found, nil
	}
	told, found, err = r.byProof(ctx, j)
	if err != nil || told {
		return told, found, err
	}
	return r.byHistory(ctx, j)
}

// editedSince compares with the journal.
func (r *run) editedSince(ctx context.Context, j *job, promoted map[string]secrets.Fingerprint) (services.Credential, error) {
	out := services.Credential{}
	for _, e := range j.secret.Entries {
		was, ok := promoted[e.Name()]
		if !ok || j.current[e.Name()].Fingerprint(r.Key) == was {
			continue
		}
		old, err := r.find(ctx, j, e, was)
		if err != nil {
			return nil, err
		}
		out[e.Name()] = old
	}
	return out, nil
}

// find looks for the value with a fingerprint where old values may stand: the
// stacks' config and the entry's own history. It is empty if there is none.
func (r *run) find(ctx context.Context, j *job, e secrets.Entry, was secrets.Fingerprint) (secrets.Value, error) {
	candidates := r.inConfig(j, e, true)
	older, err := r.older(ctx, e)
	if err != nil {
		return secrets.Value{}, err
	}
	for _, v := range append(candidates, older...) {
		if v.Fingerprint(r.Key) == was {
			return v, nil
		}
	}
	return secrets.Value{}, nil
}

// inConfig are the values that the stacks' config holds for an entry.
func (r *run) inConfig(j *job, e secrets.Entry, declared bool) []secrets.Value {
	var out []secrets.Value
	for _, t := range r.targets {
		if t.Entry.Declared && !declared {
			continue
		}
		for key, ref := range t.Refs {
			if v, ok := t.Values[key]; ok && ref.Secret == j.secret.Name && ref.Entry == e.Name() {
				out = append(out, v)
			}
		}
	}
	return out
}

// older are earlier values of an entry, newest first, that differ from pass's.
func (r *run) older(ctx context.Context, e secrets.Entry) ([]secrets.Value, error) {
	entries, err := r.Store.History(ctx, e.Path, historyDepth)
	// A version encrypted to a key that is gone is no candidate and no error.
	if err != nil && ctx.Err() != nil {
		return nil, err
	}
	var out []secrets.Value
	for _, entry := range entries {
		// An old content that does not have the entry's form is no candidate.
		if v, err := entry.Secret(e.Read); err == nil {
			out = append(out, v)
		}
	}
	return out, nil
}

// byConfig is settled when some existing project's config holds every entry. A
// declared stack's may hold what was taken over and never proven.
func (r *run) byConfig(j *job) (services.Credential, bool) {
	out, settled := services.Credential{}, true
	for _, e := range j.secret.Entries {
		held := r.inConfig(j, e, false)
		settled = settled && len(held) > 0
		at := slices.IndexFunc(held, func(v secrets.Value) bool { return !v.Equal(j.current[e.Name()]) })
		if at >= 0 {
			out[e.Name()] = held[at]
		}
	}
	// One entry that is proven different is enough: the others go with it.
	return out, settled || len(out) > 0
}

// byProof asks the consumers that give exact proof.
func (r *run) byProof(ctx context.Context, j *job) (told bool, found services.Credential, err error) {
	previous, err := r.previousValues(ctx, j)
	if err != nil {
		return false, nil, err
	}
	for _, c := range j.secret.Consumers {
		if !slices.Contains([]string{"attest", "hash", "environ"}, c.Probe.By) {
			continue // it does not tell one value from another
		}
		q := proof.Question{Secret: j.secret, Consumer: c, Want: j.current}
		if len(previous) > 0 {
			whole := clone(j.current)
			for name, v := range previous {
				whole[name] = v
			}
			q.Known = []proof.Known{{Name: "the previous value", Values: whole}}
		}
		switch r.Asker.Ask(ctx, q).Answer {
		case proof.Match:
			return true, nil, nil
		case proof.Differs:
			return true, previous, nil
		}
	}
	return false, nil, nil
}

// byHistory settles it where pass alone can: an entry that was never edited
// cannot hold a value that waits for its roll-out; and if the service refuses
// the value before the last edit, that edit was a whole rotation by hand.
func (r *run) byHistory(ctx context.Context, j *job) (told bool, found services.Credential, err error) {
	previous, err := r.previousValues(ctx, j)
	if err != nil {
		return false, nil, err
	}
	if len(previous) == 0 {
		return true, nil, nil
	}
	checker, ok := r.Checker(j.secret.Service)
	if !ok {
		return false, nil, nil
	}
	whole := clone(j.current)
	for name, v := range previous {
		whole[name] = v
	}
	report, err := checker.Check(ctx, whole)
	if err == nil && report.State == services.Dead {
		return true, nil, nil
	}
	return false, nil, nil
}

// previousValues are the last values before pass's, of the entries that have any.
func (r *run) previousValues(ctx context.Context, j *job) (services.Credential, error) {
	out := services.Credential{}
	for _, e := range j.secret.Entries {
		older, err := r.older(ctx, e)
		if err != nil {
			return nil, err
		}
		at := slices.IndexFunc(older, func(v secrets.Value) bool { return !v.Equal(j.current[e.Name()]) })
		if at >= 0 {
			out[e.Name()] = older[at]
		}
	}
	return out, nil
}
