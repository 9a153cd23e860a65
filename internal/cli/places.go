package cli

import (
	"context"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/scaleway"
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

// Names implements hosted.Store.
func (p places) Names(ctx context.Context, h hosted.Holder) ([]string, error) {
	key, err := p.s.scalewayKey(ctx)
	if err != nil {
		return nil, err
	}
	return p.s.services.Scaleway.Variables(ctx, key, placeOf(h))
}

// Write implements hosted.Store.
func (p places) Write(ctx context.Context, h hosted.Holder, set map[string]secrets.Value) error {
	key, err := p.s.scalewayKey(ctx)
	if err != nil {
		return err
	}
	return p.s.services.Scaleway.SetVariables(ctx, key, placeOf(h), set)
}

// Deployable implements rollout.Places.
func (p places) Deployable(ctx context.Context, h hosted.Holder) error {
	key, err := p.s.scalewayKey(ctx)
	if err != nil {
		return err
	}
	return p.s.services.Scaleway.Deployable(ctx, key, placeOf(h))
}
