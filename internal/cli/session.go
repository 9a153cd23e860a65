package cli

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"gocloud.dev/blob"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/automation/rotation"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox"
	"github.com/sanmarcsoft/secret-rotation/internal/ui"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/dial"
	"github.com/sanmarcsoft/secret-rotation/secrets/store"
)

// session is what the commands that touch secrets work in: the catalog, the
// store, the engine, the journal, the services, and a sandbox or none.
type session struct {
	app      *app
	out, err io.Writer
	// live is stderr for what moves the cursor: progress and prompts.
	live     io.Writer
	progress *ui.Progress
	redactor *secrets.Redactor
	runID    string

	catalog *secrets.Catalog
	sandbox *sandbox.Sandbox
	cli     *engine.CLI
	store   *store.Store
	engine  *engine.Engine
	journal *journal.Journal
	// bucket holds state and journal where they are not in a folder; a rotation
	// of its own key opens it anew.
	bucket   atomic.Pointer[blob.Bucket]
	services *dial.Services
	http     *http.Client
	// ids are the values of the catalog's identifiers, by pass path.
	ids map[string]string
	// keys reads the fingerprint key; key is that of this session, where pass holds
	// none yet one that the first rotation will store.
	keys *rotation.PassKey
	key  secrets.Value

	closers []func() error
}

// open builds a session, each part from what stands before it.
func (a *app) open(ctx context.Context) (*session, error) {
	return a.assemble(ctx, true, (*session).openStore)
}

// assemble builds a session, with a Pulumi CLI or without, and with as much of
// pass as pass reads.
func (a *app) assemble(ctx context.Context, cli bool, pass func(*session, context.Context) error) (s *session, err error) {
	s = a.bare()
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
			s = nil
		}
	}()
	if s.catalog, err = a.loadCatalog(); err != nil {
		return s, err
	}
	if cli {
		if s.cli, err = a.toolchain(s.progress).Ensure(ctx); err != nil {
			return s, err
		}
	}
	if err = s.openWorld(ctx); err != nil {
		return s, err
	}
	if err = pass(s, ctx); err != nil {
		return s, err
	}
	return s, s.openEngine(ctx)
}

// guarded passes what is printed through the redactor: the second line of
// defence behind the type of a value.
func (s *session) guarded(w io.Writer) io.Writer {
	out := s.redactor.Writer(w)
	s.closers = append(s.closers, out.Close)
	return out
}

// close ends everything in the reverse order.
func (s *session) close() error {
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i]())
	}
	s.closers = nil
	return errors.Join(errs...)
}

func (a *app) loadCatalog() (*secrets.Catalog, error) {
	if a.opts.catalog == "" {
		return secrets.Embedded()
	}
	file := a.opts.catalog
	if !filepath.IsAbs(file) {
		file = filepath.Join(a.env.Dir, file)
	}
	c, err := secrets.Load(file)
	if wrong := (*secrets.CatalogError)(nil); err != nil && !errors.As(err, &wrong) {
		a.opts.catalog = "" // the commands to type next do better without it
		return nil, misused("go run . catalog validate --catalog FILE", "%v", err)
	}
	return c, err
}

// openWorld opens the sandbox, or makes sure that none is meant.
func (s *session) openWorld(ctx context.Context) error {
	a := s.app
	if a.opts.sandbox == "" {
		if left := sandbox.RefuseForeign(a.env.Environ); len(left) > 0 {
			return &usageError{text: "this shell still points at a sandbox (" + strings.Join(left, ", ") + "), so it is not clear which world is meant",
				next: []string{"unset " + strings.Join(left, " "), "or work in the sandbox: add --sandbox=" + a.env.Get("SECRET_ROTATION_SANDBOX")}}
		}
		s.http = &http.Client{Transport: agent{next: directInClear(), run: s.runID}}
		return nil
	}
	line := s.progress.Start("sandbox", "opening "+a.opts.sandbox)
	world, err := sandbox.Open(ctx, sandbox.Options{Dir: a.sandboxDir(), CLI: s.cli, Progress: line.Say})
	if err != nil {
		line.Fail("could not be opened")
		return a.brokenWorld(err)
	}
	line.Done(a.opts.sandbox + ": fake accounts, real pass, gpg, git and Pulumi")
	s.sandbox = world
	s.closers = append(s.closers, world.Close)
	s.catalog = world.Catalog(s.catalog)
	client := *world.HTTP()
	client.Transport = agent{next: client.Transport, run: s.runID}
	s.http = &client
	return nil
}

func (a *app) sandboxDir() string {
	if filepath.IsAbs(a.opts.sandbox) {
		return a.opts.sandbox
	}
	return filepath.Join(a.env.Dir, a.opts.sandbox)
}

// directInClear is the default transport, but a request over http goes straight
// to its host: a proxy from the environment would read the credential in it.
func directInClear() http.RoundTripper {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = func(r *http.Request) (*url.URL, error) {
		if r.URL.Scheme == "http" {
			return nil, nil
		}
		return http.ProxyFromEnvironment(r)
	}
	return t
}

// agent names the program and the run in every request.
type agent struct {
	next http.RoundTripper
	run  string
}

func (t agent) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("User-Agent", "secret-rotation/"+version()+" run/"+t.run)
	next := t.next
	if next == nil {
		next = http.DefaultTransport
	}
	return next.RoundTrip(r)
}

// openStore opens pass and reads what every command needs: the identifiers and
// the fingerprint key.
func (s *session) openStore(ctx context.Context) (err error) {
	if err := s.openPass(ctx); err != nil {
		return err
	}
	if err := s.readIdentifiers(ctx); err != nil {
		return err
	}
	if s.key, err = s.keys.Key(ctx); err == nil && s.key.IsZero() {
		s.key = rotation.NewKey()
	}
	return err
}

func (s *session) readIdentifiers(ctx context.Context) error {
	paths := append([]string{s.catalog.Services.Cloudflare.Account, s.catalog.Services.Clerk.PublishableKey}, s.catalog.Services.Cloudflare.Zones...)
	var wanted []string
	for _, p := range paths {
		if p != "" {
			wanted = append(wanted, p)
		}
	}
	entries, err := s.store.ReadAll(ctx, wanted)
	if err != nil {
		return firstOf(err)
	}
	s.ids = map[string]string{}
	for path, e := range entries {
		v, err := e.Secret(secrets.FormatLine)
		if err != nil {
			return err
		}
		s.ids[path] = string(v.Reveal())
	}
	return nil
}

// firstOf is the first of several errors of the store: without its key every
// entry fails alike, and once is enough to read.
func firstOf(err error) error {
	if first := (*store.Error)(nil); errors.As(err, &first) {
		return first
	}
	return err
}

// entry reads the first line of an entry and hides it in all output.
func (s *session) entry(ctx context.Context, path string) (secrets.Value, error) {
	e, err := s.store.Read(ctx, path)
	if err != nil {
		return secrets.Value{}, err
	}
	v, err := e.Secret(secrets.FormatLine)
	if err == nil {
		s.redactor.Add(v)
	}
	return v, err
}

func (s *session) openEngine(ctx context.Context) error {
	env, err := s.stateKeys(ctx)
	if err != nil {
		return err
	}
	s.engine = engine.New(engine.Options{CLI: s.cli, Backend: s.catalog.State.URL, BackendEnv: env, Redactor: s.redactor, RunID: s.runID,
		Language: func(ctx context.Context, runtime string) (string, error) {
			return s.app.toolchain(s.progress).Language(ctx, s.cli, runtime)
		}})
	s.closers = append(s.closers, func() error { s.engine.Sweep(); return nil })
	s.services = dial.Dial(s.catalog, s.http, s.ids)
	if s.journal, err = s.openLog(ctx, env); err == nil {
		s.journal.SignedBy(func(ctx context.Context) (secrets.Value, error) { return s.keys.Key(ctx) })
	}
	return err
}

// root is where existing projects are; project is where the declared stacks'
// Pulumi.yaml is.
func (s *session) root() string {
	switch {
	case filepath.IsAbs(s.app.opts.root):
		return s.app.opts.root
	case s.app.opts.root != "":
		return filepath.Join(s.app.env.Dir, s.app.opts.root)
	case s.sandbox != nil:
		return s.sandbox.Root()
	}
	return s.app.env.Dir
}

func (s *session) project() string {
	if s.sandbox != nil {
		return s.sandbox.Project()
	}
	return s.app.env.Dir
}

// passphrase of a stack: its own entry of the catalog, else the state's, else
// what the operator's PULUMI_CONFIG_PASSPHRASE holds or PULUMI_CONFIG_PASSPHRASE_FILE
// names.
func (s *session) passphrase(ctx context.Context, stack secrets.Stack) (secrets.Value, error) {
	for _, path := range []string{stack.Passphrase, s.catalog.State.Passphrase} {
		if path != "" {
			return s.entry(ctx, path)
		}
	}
	if s.sandbox != nil {
		return s.sandbox.Passphrase(), nil
	}
	// As the CLI has it, the passphrase itself comes before the file.
	if text := s.app.env.Get("PULUMI_CONFIG_PASSPHRASE"); text != "" {
		v := secrets.NewValue([]byte(text))
		s.redactor.Add(secrets.NewValue([]byte(strings.TrimSpace(text))))
		return v, nil
	}
	file := s.app.env.Get("PULUMI_CONFIG_PASSPHRASE_FILE")
	if file == "" {
		return secrets.Value{}, &usageError{text: "there is no passphrase: neither the catalog (state.passphrase) nor PULUMI_CONFIG_PASSPHRASE_FILE names one, and PULUMI_CONFIG_PASSPHRASE is not set",
			next: []string{"export PULUMI_CONFIG_PASSPHRASE_FILE=FILE"}}
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return secrets.Value{}, fmt.Errorf("reading PULUMI_CONFIG_PASSPHRASE_FILE: %w", err)
	}
	v := secrets.NewValue(data)
	s.redactor.Add(secrets.NewValue([]byte(strings.TrimSpace(string(data)))))
	return v, nil
}

func randomHex(n int) string {
	b := make([]byte, n)
	// crypto/rand never fails on the systems this runs on; it would panic.
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}
