package cli

import (
	"context"
	"errors"
	"strings"

	"gocloud.dev/blob"

	"github.com/sanmarcsoft/secret-rotation/automation/engine/backend"
	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/automation/rotation"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// stateKeys are the state backend's credentials: those that pass holds, and
// where they are dead, their successor or predecessor, if that lives.
func (s *session) stateKeys(ctx context.Context) (map[string]secrets.Value, error) {
	at := s.catalog.State
	if !strings.HasPrefix(at.URL, "s3:") {
		return map[string]secrets.Value{}, nil
	}
	if s.app.opts.shellCredentials {
		return s.shellKeys()
	}
	current, err := s.stateKey(ctx, func(p string) string { return p })
	if err != nil {
		return nil, err
	}
	var next []services.Credential
	typed := services.Credential{accessKey: s.app.typed[secrets.Entry{Path: at.AccessKey}.Name()], secretKey: s.app.typed[secrets.Entry{Path: at.SecretKey}.Name()]}
	if !typed[accessKey].IsZero() && !typed[secretKey].IsZero() {
		next = append(next, typed)
	}
	for _, kept := range []func(string) string{rotation.PendingPath, rotation.PreviousPath} {
		if !s.store.Exists(kept(at.AccessKey)) || !s.store.Exists(kept(at.SecretKey)) {
			continue
		}
		other, err := s.stateKey(ctx, kept)
		if err != nil {
			return nil, err
		}
		next = append(next, other)
	}
	for _, other := range next {
		if report, err := s.backendLogin(ctx, current); err != nil || report.State != services.Dead {
			break
		}
		if report, err := s.backendLogin(ctx, other); err == nil && report.State == services.Alive {
			current = other
			break
		}
	}
	return map[string]secrets.Value{"AWS_ACCESS_KEY_ID": current[accessKey], "AWS_SECRET_ACCESS_KEY": current[secretKey]}, nil
}

// shellKeys are the caller's own, taken only where --shell-credentials says so.
func (s *session) shellKeys() (map[string]secrets.Value, error) {
	out := map[string]secrets.Value{}
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} {
		v := secrets.NewValue([]byte(s.app.env.Get(name)))
		if v.IsZero() && name != "AWS_SESSION_TOKEN" {
			return nil, misused("export "+name+"=...   (or leave --shell-credentials out: pass holds a key)", "--shell-credentials, but %s is not set", name)
		}
		if !v.IsZero() {
			s.redactor.Add(v)
			out[name] = v
		}
	}
	return out, nil
}

// What backendLogin calls the parts of a key.
const accessKey, secretKey = "access-key", "api-secret"

func (s *session) stateKey(ctx context.Context, at func(string) string) (services.Credential, error) {
	access, err := s.entry(ctx, at(s.catalog.State.AccessKey))
	if err != nil {
		return nil, err
	}
	secret, err := s.entry(ctx, at(s.catalog.State.SecretKey))
	return services.Credential{accessKey: access, secretKey: secret}, err
}

// openLog finds the journal's place beside the state.
func (s *session) openLog(ctx context.Context, env map[string]secrets.Value) (*journal.Journal, error) {
	if dir, ok := strings.CutPrefix(s.catalog.State.URL, "file://"); ok {
		return journal.InDir(dir), nil
	}
	return journal.InBucket(s.bucket.Load), s.openBucket(ctx, env)
}

// openBucket opens state and journal with these credentials. An opened bucket
// before it is closed only at the end: a renewal of a lease may be using it.
func (s *session) openBucket(ctx context.Context, env map[string]secrets.Value) error {
	url, err := backend.Normalize(s.catalog.State.URL, s.app.env.Dir)
	if err != nil {
		return err
	}
	bucket, err := backend.Open(ctx, url, env, nil)
	if err != nil {
		return err
	}
	s.closers = append(s.closers, bucket.Close)
	s.bucket.Store(bucket)
	return nil
}

func (s *session) reopenState(ctx context.Context) error {
	// The key that is being rotated may be the shell's: what stays is in pass.
	s.app.opts.shellCredentials = false
	env, err := s.stateKeys(ctx)
	if err != nil {
		return err
	}
	if err := s.openBucket(ctx, env); err != nil {
		return err
	}
	s.engine.UseBackendEnv(env)
	it := s.bucket.Load().List(&blob.ListOptions{Prefix: journal.Root + "/"})
	if _, err := it.Next(ctx); err != nil {
		return backend.Explain(err)
	}
	return nil
}

// exclusive implements rotation.Rotator's: the state backend keeps two operators
// apart.
func (s *session) exclusive(ctx context.Context) error {
	bucket := s.bucket.Load()
	if bucket == nil {
		return nil // a folder, where link(2) does
	}
	err := backend.CreateOnly(ctx, bucket)
	if errors.Is(err, backend.ErrNoDelete) && !errors.Is(err, backend.ErrNoCreateOnly) {
		return nil // nothing that keeps operators apart; doctor tells, and the end of a rotation
	}
	return err
}

// hide keeps values out of everything that is printed from here on.
func (s *session) hide(c services.Credential) {
	for _, v := range c {
		s.redactor.Add(v)
	}
}
