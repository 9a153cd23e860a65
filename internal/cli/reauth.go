package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/cloudflare"
	"github.com/sanmarcsoft/secret-rotation/stacks"
	"github.com/sanmarcsoft/secret-rotation/stacks/hosted"
)

// successor goes over to what pass now holds, for one use that this program has
// for a credential, and tries it where the program will need it.
type successor func(ctx context.Context, s *session) error

// successors has one for every use; a credential without one is never revoked.
var successors = map[secrets.Use]successor{
	secrets.UseState:      goOverState,
	secrets.UseCloudflare: goOverCloudflare,
	secrets.UseScaleway:   goOverScaleway,
	secrets.UseGitHub: func(ctx context.Context, s *session) error {
		return s.listHolders(ctx, []secrets.ConsumerKind{secrets.KindActions})
	},
	secrets.UsePassphrase: func(context.Context, *session) error {
		return fmt.Errorf("a passphrase of stacks is not rotated by this program")
	},
}

// reauth implements rotation.Rotator's: this program goes over to what pass now
// holds of the secret, for every use that it has for it.
func (s *session) reauth(ctx context.Context, of secrets.Secret) error {
	for _, use := range s.catalog.UsesOf(of) {
		if err := successors[use](ctx, s); err != nil {
			return fmt.Errorf("using the credential that stays (%s): %w", use, err)
		}
	}
	return nil
}

func goOverState(ctx context.Context, s *session) error {
	if !strings.HasPrefix(s.catalog.State.URL, "s3:") {
		return nil
	}
	if err := s.reopenState(ctx); err != nil {
		return fmt.Errorf("opening the state backend: %w", err)
	}
	return nil
}

func goOverCloudflare(ctx context.Context, s *session) error {
	token, err := s.entry(ctx, s.catalog.Services.Cloudflare.Token)
	if err != nil {
		return err
	}
	if err := accepted(ctx, s.services.Cloudflare, services.Credential{cloudflare.TokenEntry: token}); err != nil {
		return err
	}
	return s.listHolders(ctx, []secrets.ConsumerKind{secrets.KindWorker})
}

func goOverScaleway(ctx context.Context, s *session) error {
	key, err := s.scalewayKey(ctx)
	if err != nil {
		return err
	}
	if err := accepted(ctx, s.services.Scaleway, key); err != nil {
		return err
	}
	for _, secret := range s.catalog.Secrets {
		for _, c := range secret.Consumers {
			if c.Probe.By != "hash" {
				continue
			}
			if _, err := s.hashes(ctx, c.Probe); err != nil {
				return fmt.Errorf("asking about consumer %s: %w", c.Name, err)
			}
		}
	}
	return s.listHolders(ctx, []secrets.ConsumerKind{secrets.KindContainer, secrets.KindNamespace})
}

// accepted is nil where the service accepts the credential.
func accepted(ctx context.Context, checker services.Checker, with services.Credential) error {
	report, err := checker.Check(ctx, with)
	if err == nil && report.State != services.Alive {
		err = fmt.Errorf("the service does not accept it: %s", report.Detail)
	}
	return err
}

// listHolders lists the secrets of every holder of these kinds, as the next
// roll-out will have to.
func (s *session) listHolders(ctx context.Context, kinds []secrets.ConsumerKind) error {
	account := s.ids[s.catalog.Services.Cloudflare.Account]
	asked := map[hosted.Holder]bool{}
	for _, other := range s.catalog.Secrets {
		for _, c := range other.Consumers {
			h, ok := stacks.HolderOf(c, account)
			if !ok || asked[h] || !slices.Contains(kinds, c.Kind) {
				continue
			}
			asked[h] = true
			var err error
			if h.Kind == hosted.Worker {
				_, err = workers{s}.Names(ctx, h.Scope, h.Name)
			} else {
				_, err = places{s}.Names(ctx, h)
			}
			if err != nil {
				return fmt.Errorf("listing the secrets of %s with the credential that stays: %w", h, err)
			}
		}
	}
	return nil
}
