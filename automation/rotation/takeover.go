package rotation

import (
	"context"
	"maps"
	"slices"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/automation/proof"
	"github.com/sanmarcsoft/secret-rotation/automation/rollout"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// sent are the values that go out to their holders; the rest of want is only
// taken into the state of a declared stack. An adoption sends what it rolls out.
// A rotation sends all but what nobody rotates, the holder lists, and the state
// does not know yet: pass's value of that may never have been rolled out
// (DESIGN 4.4 and 9).
func (r *run) sent(ctx context.Context, t *rollout.Target, want map[string]secrets.Value) (map[string]secrets.Value, error) {
	out := maps.Clone(want)
	var strange []string
	for key := range want {
		ref := t.Refs[key]
		j := r.jobOf(ref.Secret)
		if r.verb == toAdopt && (j == nil || !j.rolls) {
			delete(out, key)
		}
		if r.verb == toAdopt || j != nil || t.Holder(key) == "" || t.Knows(key) {
			continue
		}
		busy, err := r.underWay(ctx, ref.Secret)
		if err != nil {
			return nil, err
		}
		if !busy {
			strange = append(strange, key)
		}
	}
	listed, err := t.Listed(ctx, strange...)
	for key, there := range listed {
		if there {
			delete(out, key)
		}
	}
	return out, err
}

// takenUnproven has a holder written although the stack's config and state have
// the new value already: it was taken over without a proof, and the holder does
// not run with it.
func (r *run) takenUnproven(j *job, results []proof.Result) {
	if j.back || !j.known() {
		return
	}
	for _, res := range results {
		held := slices.ContainsFunc(r.targetsOf(j), func(t *rollout.Target) bool {
			for key, ref := range t.Refs {
				if ref.Consumer == res.Consumer && ref.Secret == j.secret.Name && t.Holder(key) != "" && t.Values[key].Equal(j.next[ref.Entry]) {
					return true
				}
			}
			return false
		})
		// Differs from the old value: it has the new one, from a run that was cut off.
		if held && res.Answer != proof.Differs {
			r.mu.Lock() // secrets that share the stack are looked at side by side
			r.again(j, res.Consumer)
			r.mu.Unlock()
		}
	}
}

// underWay: an unfinished rotation may have written to the Worker before the
// state was saved, and relies on it.
func (r *run) underWay(ctx context.Context, secret string) (bool, error) {
	log, err := r.Journal.Open(ctx, secret)
	if journal.Unreliable(err) {
		return true, nil // nothing tells, so what is there stays
	}
	if err != nil {
		return false, err
	}
	state := log.Last().State
	return !state.Finished() && state != journal.Adopting, nil
}
