package cli

import (
	"context"
	"strings"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/proof"
	"github.com/sanmarcsoft/secret-rotation/automation/rollout"
	"github.com/sanmarcsoft/secret-rotation/automation/rotation"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/cloudflare"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/scaleway"
)

// fleet opens the stacks of the catalog.
func (s *session) fleet() *rollout.Fleet {
	environ := map[string]string{}
	for _, kv := range s.app.env.Environ {
		name, value, _ := strings.Cut(kv, "=")
		environ[name] = value
	}
	f := &rollout.Fleet{
		Catalog: s.catalog, Engine: s.engine, Root: s.root(), Project: s.project(), Passphrase: s.passphrase, Environ: environ,
		Workers: workers{s}, Places: places{s}, Log: func(line string) { s.progress.Note(s.app.style().Warn("! ") + line) }, Account: s.ids[s.catalog.Services.Cloudflare.Account],
	}
	f.Token = func(ctx context.Context) (secrets.Value, error) {
		return s.entry(ctx, s.catalog.Services.Cloudflare.Token)
	}
	if s.sandbox != nil {
		f.Providers, f.PluginEnv = s.sandbox.Providers(), s.sandbox.PluginEnv()
	}
	return f
}

// workers talks to Cloudflare with the token that pass holds at that moment: it
// may be the very one that this run rotates.
type workers struct{ s *session }

func (w workers) client(ctx context.Context) (*cloudflare.Client, secrets.Value, error) {
	token, err := w.s.entry(ctx, w.s.catalog.Services.Cloudflare.Token)
	return w.s.services.Cloudflare, token, err
}

// Names implements hosted.Writer.
func (w workers) Names(ctx context.Context, account, worker string) ([]string, error) {
	c, token, err := w.client(ctx)
	if err != nil {
		return nil, err
	}
	return c.Names(ctx, token, account, worker)
}

// Bulk implements hosted.Writer.
func (w workers) Bulk(ctx context.Context, account, worker string, set map[string]secrets.Value) error {
	c, token, err := w.client(ctx)
	if err != nil {
		return err
	}
	return c.Bulk(ctx, token, account, worker, set)
}

// Deployable implements rollout.Workers.
func (w workers) Deployable(ctx context.Context, account, worker string) error {
	c, token, err := w.client(ctx)
	if err != nil {
		return err
	}
	return c.Deployable(ctx, token, account, worker)
}

// asker knows the ways to every consumer.
func (s *session) asker(f *rollout.Fleet) *proof.Asker {
	return &proof.Asker{
		HTTP: s.http, Now: time.Now,
		Config: func(ctx context.Context, stack string) (map[string]map[string]secrets.Value, error) {
			targets, err := f.Open(ctx, stack)
			if err != nil {
				return nil, err
			}
			out := map[string]map[string]secrets.Value{}
			for _, t := range targets {
				out[t.Name] = t.Values
			}
			return out, nil
		},
		Pass: func(ctx context.Context, e secrets.Entry) (secrets.Value, error) {
			entry, err := s.store.Read(ctx, e.Path)
			if err != nil {
				return secrets.Value{}, err
			}
			return entry.Secret(e.Read)
		},
		Names: func(ctx context.Context, worker string) ([]string, error) {
			return f.Workers.Names(ctx, f.Account, worker)
		},
		Login:   s.login,
		Hashes:  s.hashes,
		Updated: places{s}.updated,
		Since: func(ctx context.Context, secret string) (time.Time, error) {
			log, err := s.journal.Open(ctx, secret)
			if err != nil {
				return time.Time{}, err
			}
			events, err := log.Events(ctx)
			return rotation.WrittenSince(events), err
		},
	}
}

// hashes asks Scaleway about a container.
func (s *session) hashes(ctx context.Context, p secrets.Probe) (scaleway.Hashed, error) {
	key, err := s.scalewayKey(ctx)
	if err != nil {
		return scaleway.Hashed{}, err
	}
	return s.services.Scaleway.Hashes(ctx, key, scaleway.Place{Region: p.Region, Namespace: p.Namespace, Name: p.Container})
}

// login tries a credential at the registry or the state backend.
func (s *session) login(ctx context.Context, c secrets.Consumer, cred services.Credential) (services.Report, error) {
	if c.Kind == secrets.KindRegistry {
		err := s.services.Scaleway.Registry(ctx, cred)
		if services.KindOf(err) == services.Auth {
			return services.Report{State: services.Dead, Detail: err.Error()}, nil
		}
		if err != nil {
			return services.Report{State: services.Unknown, Detail: err.Error()}, err
		}
		return services.Report{State: services.Alive}, nil
	}
	return s.backendLogin(ctx, cred)
}

// rotator has all it takes to rotate.
func (s *session) rotator() *rotation.Rotator {
	f := s.fleet()
	r := &rotation.Rotator{
		Catalog: s.catalog, Store: s.store, Journal: s.journal, Fleet: f, Asker: s.asker(f),
		Show:    s.showPlan,
		Checker: s.services.Checker, Issuer: s.services.Issuer, Hide: s.hide, Reauth: s.reauth, Exclusive: s.exclusive,
		Person: person{s}, Watch: watch{s.progress}, Key: s.key, Keys: s.keys,
		Now: time.Now, NewID: func() string { return time.Now().UTC().Format("20060102-150405-") + s.runID[:4] },
		Window: proof.Window{Answers: 3, Every: 2 * time.Second, Limit: 3 * time.Minute},
		Settle: proof.Window{Every: 2 * time.Second, Limit: 20 * time.Second},
		Death:  proof.Window{Every: 3 * time.Second, Limit: 3 * time.Minute},
	}
	if s.sandbox != nil {
		// The sandbox's consumers and services take fractions of a second.
		r.NoGrace, r.NoCommit = true, true
		r.Window = proof.Window{Answers: 3, Every: 100 * time.Millisecond, Limit: 15 * time.Second}
		r.Settle = proof.Window{Every: 100 * time.Millisecond, Limit: time.Second}
		r.Death = proof.Window{Every: 100 * time.Millisecond, Limit: 10 * time.Second}
	}
	return r
}
