package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/cloudflare"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/scaleway"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/stripe"
	"github.com/sanmarcsoft/secret-rotation/stacks/hosted"
)

// abroad looks at what the services have, with the credentials that pass holds.
type abroad struct{ s *session }

func (a abroad) account() string { return a.s.ids[a.s.catalog.Services.Cloudflare.Account] }

// Versions implements drift.Abroad.
func (a abroad) Versions(ctx context.Context, worker string, since time.Time) ([]cloudflare.Version, error) {
	c, token, err := workers{a.s}.client(ctx)
	if err != nil {
		return nil, err
	}
	return c.Versions(ctx, token, a.account(), worker, since)
}

// Serving implements drift.Abroad.
func (a abroad) Serving(ctx context.Context, worker string) (cloudflare.Deployment, error) {
	c, token, err := workers{a.s}.client(ctx)
	if err != nil {
		return cloudflare.Deployment{}, err
	}
	return c.Deployment(ctx, token, a.account(), worker)
}

// Endpoints implements drift.Abroad.
func (a abroad) Endpoints(ctx context.Context, cred services.Credential) ([]stripe.Endpoint, error) {
	return a.s.services.Stripe.Endpoints(ctx, cred)
}

// Workers implements drift.Abroad.
func (a abroad) Workers(ctx context.Context) ([]string, error) {
	c, token, err := workers{a.s}.client(ctx)
	if err != nil {
		return nil, err
	}
	return c.Scripts(ctx, token, a.account())
}

// Containers implements drift.Abroad.
func (a abroad) Containers(ctx context.Context) ([]scaleway.Container, error) {
	key, err := a.s.scalewayKey(ctx)
	if err != nil {
		return nil, err
	}
	return a.s.services.Scaleway.Containers(ctx, key)
}

// Actions implements drift.Abroad.
func (a abroad) Actions(ctx context.Context, h hosted.Holder) (map[string]time.Time, error) {
	at, ok := actionsOf(h)
	if !ok {
		return nil, fmt.Errorf("%s is not at GitHub", h)
	}
	token, err := a.s.githubToken(ctx)
	if err != nil {
		return nil, err
	}
	return a.s.services.GitHub.All(ctx, token, at)
}
