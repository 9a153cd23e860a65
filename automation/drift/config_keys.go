package drift

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
	"github.com/sanmarcsoft/secret-rotation/automation/inventory"
	"github.com/sanmarcsoft/secret-rotation/automation/rollout"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// nestedCopies reports copies inside objects and lists of a stack's config, which
// no catalog declares.
func (s *scene) nestedCopies(p inventory.Project, stack inventory.Stack, values []original, out *sheet) {
	for _, n := range stack.Nested {
		what := "config secret"
		if !n.Secret {
			what = "config IN THE CLEAR"
		}
		for _, k := range values {
			if k.value.Equal(n.Value) {
				s.copied(join("stack", p.Name, stack.Name, plain(n.Path)), fmt.Sprintf("%s %s, inside an object or a list, of stack %s of project %s", what, n.Path, stack.Name, p.Dir), k, out)
			}
		}
	}
}

// unreadable tells which config secrets of a stack could not be compared: they
// were encrypted with another passphrase or salt than the stack's.
func (s *scene) unreadable(p inventory.Project, stack inventory.Stack, out *sheet) {
	for _, key := range stack.Unreadable {
		at := join("stack", plain(p.Name), stack.Name, plain(key))
		out.gap(at, fmt.Errorf("config %s of stack %s of project %s was not compared: it was not encrypted with the stack's passphrase and salt", key, stack.Name, p.Dir), s.accepting(at))
	}
}

// absent is a catalogued key under which a stack has no secret: nothing, or
// something that is not replaced. The finding f says where.
func (s *scene) absent(ctx context.Context, t *rollout.Target, key string, f Finding, out *sheet) {
	ref := t.Refs[key]
	c, last := s.credit(ctx, ref.Secret), s.standingOf(ctx, ref.Secret).Last
	f.Code = MissingAtConsumer
	err := t.Settable(key, slices.Contains(last.Keys, t.Record(key)), known(c, ref.Entry)...)
	wrong := (*rollout.KeyError)(nil)
	switch {
	case !errors.As(err, &wrong):
		f.Detail = "the config of stack " + t.Name + " has no " + key
		f = f.mendedBy(s.repair(ctx, ref.Secret, false))
	case wrong.Form == engine.Unreadable:
		out.gap(f.Subject, wrong, wrong.Next[0])
		return
	case wrong.Absent() && wrong.Meant == "":
		f.Detail, f.Fix = wrong.Error(), "go run . adopt --secret "+ref.Secret+" --roll --create-keys"
	default:
		f.Detail, f.Fix = wrong.Error(), wrong.Next[0]
	}
	out.find(f)
}

// known are the values that pass holds or held of an entry.
func known(c *credit, entry string) []secrets.Value {
	return []secrets.Value{c.current[entry], c.previous[entry], c.pending[entry]}
}
