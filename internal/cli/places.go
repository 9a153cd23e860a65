package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/github"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/scaleway"
	"github.com/sanmarcsoft/secret-rotation/stacks"
	"github.com/sanmarcsoft/secret-rotation/stacks/hosted"
)

// scalewayKey is the key that pass holds at that moment: it may be the very one
// that this run rotates.
func (s *session) scalewayKey(ctx context.Context) (services.Credential, error) {
	access, err := s.entry(ctx, s.catalog.Services.Scaleway.AccessKey)
	if err != nil {
		return nil, err
	}
	secret, err := s.entry(ctx, s.catalog.Services.Scaleway.SecretKey)
	if err != nil {
		return nil, err
	}
	return services.Credential{scaleway.AccessEntry: access, scaleway.SecretEntry: secret}, nil
}

// places talks to the services of all holders but Workers.
type places struct{ s *session }

// placeOf is where Scaleway has the holder.
func placeOf(h hosted.Holder) scaleway.Place {
	if h.Kind == hosted.Namespace {
		return scaleway.Place{Region: h.Scope, Namespace: h.Name}
	}
	region, namespace, _ := strings.Cut(h.Scope, "/")
	return scaleway.Place{Region: region, Namespace: namespace, Name: h.Name}
}

// actionsOf is where GitHub has the holder; false if it is none of GitHub's.
func actionsOf(h hosted.Holder) (github.Place, bool) {
	switch h.Kind {
	case hosted.Repository:
		return github.Place{Repository: h.Name}, true
	case hosted.Environment:
		return github.Place{Repository: h.Scope, Environment: h.Name}, true
	case hosted.Organization:
		return github.Place{Organization: h.Name}, true
	}
	return github.Place{}, false
}

// githubToken is the token that pass holds at that moment.
func (s *session) githubToken(ctx context.Context) (secrets.Value, error) {
	return s.entry(ctx, s.catalog.Services.GitHub.Token)
}

// Names implements hosted.Store.
func (p places) Names(ctx context.Context, h hosted.Holder) ([]string, error) {
	if at, ok := actionsOf(h); ok {
		token, err := p.s.githubToken(ctx)
		if err != nil {
			return nil, err
		}
		return p.s.services.GitHub.Names(ctx, token, at)
	}
	key, err := p.s.scalewayKey(ctx)
	if err != nil {
		return nil, err
	}
	return p.s.services.Scaleway.Variables(ctx, key, placeOf(h))
}

// Write implements hosted.Store.
func (p places) Write(ctx context.Context, h hosted.Holder, set map[string]secrets.Value) error {
	if at, ok := actionsOf(h); ok {
		token, err := p.s.githubToken(ctx)
		if err != nil {
			return err
		}
		return p.s.services.GitHub.Set(ctx, token, at, set)
	}
	key, err := p.s.scalewayKey(ctx)
	if err != nil {
		return err
	}
	return p.s.services.Scaleway.SetVariables(ctx, key, placeOf(h), set)
}

// Deployable implements rollout.Places.
func (p places) Deployable(ctx context.Context, h hosted.Holder, names ...string) error {
	if at, ok := actionsOf(h); ok {
		token, err := p.s.githubToken(ctx)
		if err != nil {
			return err
		}
		return p.s.services.GitHub.Settable(ctx, token, at, names...)
	}
	key, err := p.s.scalewayKey(ctx)
	if err != nil {
		return err
	}
	return p.s.services.Scaleway.Deployable(ctx, key, placeOf(h))
}

// updated says when the consumer's Actions secrets were last set.
func (p places) updated(ctx context.Context, c secrets.Consumer) (map[string]time.Time, error) {
	h, _ := stacks.HolderOf(c, "")
	at, ok := actionsOf(h)
	if !ok {
		return nil, fmt.Errorf("consumer %s is not at GitHub", c.Name)
	}
	token, err := p.s.githubToken(ctx)
	if err != nil {
		return nil, err
	}
	return p.s.services.GitHub.Updated(ctx, token, at, slices.Sorted(maps.Keys(c.Values))...)
}

// holders checks that every container and every place of Actions secrets is
// there and would take a change. A declared stack's preview asks none of them.
func (s *session) holders(ctx context.Context) []finding {
	var out []finding
	fleet, seen := s.fleet(), map[hosted.Holder]bool{}
	for _, secret := range s.catalog.Secrets {
		for _, c := range secret.Consumers {
			h, ok := stacks.HolderOf(c, fleet.Account)
			if !ok || h.Kind == hosted.Worker || seen[h] {
				continue
			}
			seen[h] = true
			if err := fleet.Deployable(ctx, c); err != nil {
				out = append(out, s.app.bad(h.String(), err))
			} else {
				out = append(out, good(h.String(), "takes a change of its secrets"))
			}
		}
	}
	return out
}
