package hosted

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// Cloudflare's limits: secrets in one bulk request, bytes in one secret.
const (
	maxBulk = 100
	maxText = 5 * 1024
)

// Set is what one operation may do to one Worker.
type Set struct {
	// Account is the Cloudflare account's id, Worker the script's name.
	Account, Worker string
	// Write goes out whole, in one Bulk, at the first Create or Update that
	// needs it. At most 100 names.
	Write map[string]secrets.Value
	// Adopt is taken into state without a write, if the Worker lists the name.
	// Only a Create adopts: a value that differs from the state's must be
	// written, or the state would lie.
	Adopt map[string]secrets.Value
	// Again names secrets that are written although the state has the value
	// already: the Worker has lost it behind the state's back.
	Again []string
}

// Writer is the Worker's side: the service that lists and writes its secrets.
type Writer interface {
	// Names lists the names of the Worker's secrets.
	Names(ctx context.Context, account, worker string) ([]string, error)
	// Bulk writes the set in one request, as one version of the Worker. Its
	// error must not hold a value; it is shown.
	Bulk(ctx context.Context, account, worker string, set map[string]secrets.Value) error
}

// workerKey tells Workers apart: names are unique within an account only.
type workerKey struct{ account, worker string }

// plan is the checked copy of the sets, one worker per key.
type plan map[workerKey]*worker

// newPlan copies and checks the sets, so that what cannot work is refused
// before the engine starts.
func newPlan(sets []Set, w Writer, g *gate) (plan, error) {
	if len(sets) > 0 && w == nil {
		return nil, errors.New("planning Worker secrets: no writer given")
	}
	p := plan{}
	for _, set := range sets {
		key := workerKey{set.Account, set.Worker}
		if err := set.check(); err != nil {
			return nil, fmt.Errorf("planning the secrets of Worker %q: %w", set.Worker, err)
		}
		if p[key] != nil {
			return nil, fmt.Errorf("planning the secrets of Worker %q: two sets for one Worker", set.Worker)
		}
		own := set
		own.Write, own.Adopt = maps.Clone(set.Write), maps.Clone(set.Adopt)
		p[key] = &worker{set: own, writer: w, gate: g}
	}
	return p, nil
}

func (s Set) check() error {
	if s.Account == "" || s.Worker == "" {
		return errors.New("account or Worker is not named")
	}
	if len(s.Write) > maxBulk {
		return fmt.Errorf("%d secrets to write, one request takes %d", len(s.Write), maxBulk)
	}
	for _, m := range []map[string]secrets.Value{s.Write, s.Adopt} {
		for _, name := range slices.Sorted(maps.Keys(m)) {
			switch v := m[name]; {
			case name == "":
				return errors.New("a secret has no name")
			case v.IsZero():
				return fmt.Errorf("secret %s is empty", name)
			case v.Len() > maxText:
				return fmt.Errorf("secret %s has %d bytes, a Worker takes %d", name, v.Len(), maxText)
			}
		}
	}
	for name := range s.Adopt {
		if _, both := s.Write[name]; both {
			return fmt.Errorf("secret %s is to be written and to be adopted", name)
		}
	}
	return nil
}
