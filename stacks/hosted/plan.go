package hosted

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// Set is what one operation may do to one holder.
type Set struct {
	// Account is the Cloudflare account's id, Worker the script's name. Holder
	// names a holder of any other kind, in their place.
	Account, Worker string
	Holder          Holder
	// Write goes out whole, in one Bulk or Write, at the first Create or Update
	// that needs it. Of a Worker at most 100 names.
	Write map[string]secrets.Value
	// Adopt is taken into state without a write, if the holder lists the name.
	// Only what the state does not know yet is adopted: a value that differs
	// from the state's must be written, or the state would lie.
	Adopt map[string]secrets.Value
	// Again names secrets that are written although the state has the value
	// already: the holder has lost it behind the state's back.
	Again []string
}

func (s Set) holder() Holder {
	if s.Holder == (Holder{}) {
		return Holder{Worker, s.Account, s.Worker}
	}
	return s.Holder
}

// plan is the checked copy of the sets, one holding per holder.
type plan map[Holder]*holding

// newPlan copies and checks the sets, so that what cannot work is refused
// before the engine starts.
func newPlan(d dialect, sets []Set, store Store, g *gate) (plan, error) {
	if len(sets) > 0 && store == nil {
		return nil, fmt.Errorf("planning secrets of package %s: no writer given", d.name)
	}
	p := plan{}
	for _, set := range sets {
		h := set.holder()
		kind := d.resource(func(r resourceKind) bool { return r.holds == h.Kind })
		if kind == nil {
			return nil, fmt.Errorf("planning the secrets of %s %q: package %s has no such thing", h.Kind, h.Name, d.name)
		}
		if err := set.check(kind, h); err != nil {
			return nil, fmt.Errorf("planning the secrets of %s %q: %w", h.Kind, h.Name, err)
		}
		if p[h] != nil {
			return nil, fmt.Errorf("planning the secrets of %s %q: two sets for one %s", h.Kind, h.Name, h.Kind)
		}
		own := set
		own.Write, own.Adopt, own.Again = maps.Clone(set.Write), maps.Clone(set.Adopt), slices.Clone(set.Again)
		p[h] = &holding{holder: h, kind: kind, set: own, store: store, gate: g}
	}
	return p, nil
}

func (s Set) check(k *resourceKind, h Holder) error {
	if h.Scope == "" && h.Kind == Worker || h.Name == "" {
		return fmt.Errorf("account or %s is not named", h.Kind)
	}
	if k.most > 0 && len(s.Write) > k.most {
		return fmt.Errorf("%d secrets to write, one request takes %d", len(s.Write), k.most)
	}
	for _, m := range []map[string]secrets.Value{s.Write, s.Adopt} {
		for _, name := range slices.Sorted(maps.Keys(m)) {
			v := m[name]
			switch {
			case name == "":
				return errors.New("a secret has no name")
			case v.IsZero():
				return fmt.Errorf("secret %s is empty", name)
			}
			if why := k.refuses(name, v); why != "" {
				return fmt.Errorf("secret %s %s", name, why)
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
