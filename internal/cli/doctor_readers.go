package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/automation/rotation"
)

// readerFindings says who can read the secrets in pass, and which of them nobody is
// known to have agreed to.
func readerFindings(ctx context.Context, s *session) []finding {
	const name = "readers of pass"
	var keys []string
	var out []finding
	for _, secret := range s.catalog.Secrets {
		log, err := s.journal.Open(ctx, secret.Name)
		if err != nil {
			return append(out, s.app.bad(name, err))
		}
		readers, err := rotation.ReadersOf(ctx, s.store, secret, log.Last())
		if err != nil {
			continue // "entries of" says so
		}
		for _, k := range readers.Keys {
			keys = append(keys, k.String())
		}
		for _, n := range readers.New {
			out = append(out, finding{Name: name, Detail: n.String(), Fix: n.Look()})
		}
	}
	if len(out) > 0 || len(keys) == 0 {
		return out
	}
	slices.Sort(keys)
	return []finding{good(name, strings.Join(slices.Compact(keys), ", "))}
}
