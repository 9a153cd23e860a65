package sandbox

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// Issue is the human at the dashboard who makes a new credential: the values by
// entry name, kept nowhere else. The old one stays alive, except where the
// service kills it at once (Sightengine).
func (s *Sandbox) Issue(ctx context.Context, secret secrets.Secret) (map[string]secrets.Value, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("issuing %s in the sandbox: %w", secret.Name, err)
	}
	order := world.Order{Service: secret.Service}
	for _, e := range secret.Entries {
		order.Entries = append(order.Entries, e.Name())
	}
	made, err := s.world.Issue(order)
	if err != nil {
		return nil, fmt.Errorf("issuing %s in the sandbox: %w", secret.Name, err)
	}
	out := map[string]secrets.Value{}
	for _, c := range made {
		out[c.Entry] = secrets.NewValue([]byte(c.Value))
	}
	return out, nil
}

// Retire is the human who revokes the old credential, given by entry name. One
// that is dead already stays so; one that was never issued is an error.
func (s *Sandbox) Retire(ctx context.Context, secret secrets.Secret, old map[string]secrets.Value) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("retiring %s in the sandbox: %w", secret.Name, err)
	}
	err := s.world.Update(func(state *world.State) error {
		for entry, value := range old {
			c, ok := state.Find(secret.Service, string(value.Reveal()))
			if !ok {
				return fmt.Errorf("%s has no such %s", secret.Service, entry)
			}
			state.Revoke(c.ID)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("retiring %s in the sandbox: %w", secret.Name, err)
	}
	return nil
}

// Roll is Issue for the command line: {"ENTRY":"VALUE"} and a newline, with the
// values in the clear (they are fake, and stored nowhere else).
func (s *Sandbox) Roll(ctx context.Context, secret secrets.Secret) ([]byte, error) {
	made, err := s.Issue(ctx, secret)
	if err != nil {
		return nil, err
	}
	plain := map[string]string{}
	for entry, value := range made {
		plain[entry] = string(value.Reveal())
	}
	out, err := json.Marshal(plain)
	if err != nil {
		return nil, fmt.Errorf("printing new values of %s: %w", secret.Name, err)
	}
	return append(out, '\n'), nil
}
