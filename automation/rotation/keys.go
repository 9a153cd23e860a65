package rotation

import (
	"errors"
	"maps"
	"slices"

	"github.com/sanmarcsoft/secret-rotation/automation/rollout"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// settable refuses, before anything is issued, what would put a new value where
// nothing reads it or over something else: a config key that the stack does not
// have, or that holds an object or plain text. Consumers would then prove the
// wrong key, and the value that is still in use would be revoked.
func (r *run) settable(j *job) error {
	for _, t := range r.targetsOf(j) {
		for _, key := range slices.Sorted(maps.Keys(t.Refs)) {
			ref := t.Refs[key]
			if ref.Secret != j.secret.Name {
				continue
			}
			had := []secrets.Value{j.old[ref.Entry], j.current[ref.Entry]}
			err := t.Settable(key, r.mayCreate(j, t, key), had...)
			if wrong := (*rollout.KeyError)(nil); errors.As(err, &wrong) {
				return r.unsettable(j, wrong)
			}
			if t.Holds(key) {
				j.keys = append(j.keys, t.Record(key))
			}
		}
	}
	return nil
}

func (r *run) unsettable(j *job, wrong *rollout.KeyError) error {
	next := slices.Clone(wrong.Next)
	if wrong.Absent() {
		next = append(next, resumeCommand(r, j).With("--create-keys").String()+"   (if the key is new)")
	}
	return &Error{Reason: Failed, Secret: j.secret.Name, Step: "looking at the config of stack " + wrong.Stack, Err: wrong, Next: next}
}

// mayCreate: somebody says that the key is new, or a rotation of this secret has
// set it before. On the way back nothing new is brought in.
func (r *run) mayCreate(j *job, t *rollout.Target, key string) bool {
	return r.options.CreateKeys || j.back || slices.Contains(j.log.Last().Keys, t.Record(key))
}

// keysOf are the config keys that this secret's rotations have set or found set,
// as the journal has them.
func (r *run) keysOf(j *job) []string {
	return slices.Compact(slices.Sorted(slices.Values(slices.Concat(j.log.Last().Keys, j.keys))))
}
