package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/store"
)

// Options says which world is meant.
type Options struct {
	// Dir is the world's folder; it is made if it is not there.
	Dir string
	// Backend is where a world's Pulumi state lies: BackendFile or BackendS3.
	// Empty: where this world has it; a fresh one has it in a folder. Another
	// than the world's is refused.
	Backend string
	// CLI is the Pulumi CLI, with the YAML language plugin. Making a world
	// needs it, and so does EnvText.
	CLI *engine.CLI
	// Progress takes one line per step while a world is made, and while the S3
	// server is built for the first one that needs it; may be nil.
	Progress func(line string)
}

// Where the Pulumi state of a world lies: in a folder, or on an S3 server whose
// accounts are the world's Scaleway keys.
const (
	BackendFile = "file"
	BackendS3   = "s3"
)

// ErrBackend says that a world has its state elsewhere than was asked for.
var ErrBackend = errors.New("this sandbox has its state elsewhere")

// Sandbox is an open world with its servers running in this process.
type Sandbox struct {
	layout
	world   *world.World
	cli     *engine.CLI
	servers *servers
	claim   *claim
	pass    secrets.Value
	// kind is BackendFile or BackendS3.
	kind     string
	progress func(line string)
}

// layout is where things are in a world's folder.
type layout struct{ dir string }

func (l layout) path(name ...string) string {
	return filepath.Join(append([]string{l.dir}, name...)...)
}

func (l layout) store() string      { return l.path("store") }
func (l layout) gnupg() string      { return l.path("gnupg") }
func (l layout) projects() string   { return l.path("projects") }
func (l layout) declared() string   { return l.path("projects", "secret-rotation") }
func (l layout) passphrase() string { return l.path("passphrase") }
func (l layout) env() string        { return l.path("env") }

// Open opens the world in o.Dir and starts its servers. Where there is none it
// makes one, which takes some seconds; one whose making was cut short is made
// anew. A folder that holds something else is refused.
func Open(ctx context.Context, o Options) (*Sandbox, error) {
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("sandbox: resolving folder: %w", err)
	}
	l := layout{dir: dir}
	held, fresh, err := l.claim(ctx)
	if err != nil {
		return nil, err
	}
	s := &Sandbox{layout: l, cli: o.CLI, progress: o.Progress, claim: held}
	if fresh {
		err = s.create(ctx, o)
	} else if err = l.complete(o.Backend); err == nil {
		err = s.start(ctx)
	}
	if err == nil && fresh {
		err = held.share()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("sandbox %s: %w", dir, err), s.Close())
	}
	return s, nil
}

// complete refuses a world that somebody took a part away from: opened, it
// would pass for an empty one. It also refuses one with another backend.
func (l layout) complete(backend string) error {
	kind, state := BackendFile, "state"
	if exists(l.path("s3")) {
		kind, state = BackendS3, filepath.Join("s3", "buckets", Bucket)
	}
	for _, part := range []string{"world.json", "store", "gnupg", state, "projects", "passphrase"} {
		if !exists(l.path(part)) {
			return fmt.Errorf("%w: %s is missing", ErrDamaged, part)
		}
	}
	if backend != "" && backend != kind {
		return fmt.Errorf("%w: on %s, not on %s", ErrBackend, kind, backend)
	}
	return nil
}

// ErrDamaged says that a part of a world is gone; Reset makes way for a new one.
var ErrDamaged = errors.New("the sandbox is damaged")

// start opens a whole world and its servers.
func (s *Sandbox) start(ctx context.Context) error {
	var err error
	if s.world, err = world.Open(s.dir); err != nil {
		return err
	}
	raw, err := os.ReadFile(s.passphrase())
	if err != nil {
		return fmt.Errorf("reading passphrase: %w", err)
	}
	s.pass = secrets.NewValue(raw)
	if s.kind, err = s.backendKind(); err != nil {
		return err
	}
	program := ""
	if s.kind == BackendS3 {
		if program, err = (engine.Setup{Progress: s.progress}).S3Server(ctx); err != nil {
			return err
		}
	}
	s.servers, err = serve(ctx, s.layout, s.world, program)
	return err
}

// Close stops the servers in this process; the world stays.
func (s *Sandbox) Close() error {
	var err error
	if s.servers != nil {
		err = s.servers.close()
	}
	return errors.Join(err, s.claim.release())
}

// Dir is the world's folder, absolute.
func (s *Sandbox) Dir() string { return s.dir }

// World is the truth.
func (s *Sandbox) World() *world.World { return s.world }

// Root is what --root is in this world: the folder of the existing projects.
func (s *Sandbox) Root() string { return s.projects() }

// Project is the folder of the declared stacks' Pulumi.yaml.
func (s *Sandbox) Project() string { return s.declared() }

// Backend is the URL of the state backend, as the Pulumi CLI takes it.
func (s *Sandbox) Backend() string {
	if s.kind != BackendS3 {
		return "file://" + s.path("state")
	}
	return "s3://" + Bucket + "?region=fr-par&endpoint=" + s.servers.url(s3Server) +
		"&use_path_style=true&request_checksum_calculation=when_required&response_checksum_validation=when_required"
}

// backendKind is what the world was made with.
func (s *Sandbox) backendKind() (string, error) {
	kind := BackendFile
	err := s.world.Read(func(state *world.State) {
		if state.Backend != "" {
			kind = state.Backend
		}
	})
	return kind, err
}

// Passphrase encrypts the stacks' secrets.
func (s *Sandbox) Passphrase() secrets.Value { return s.pass }

// PassphraseFile is where the passphrase is for PULUMI_CONFIG_PASSPHRASE_FILE.
func (s *Sandbox) PassphraseFile() string { return s.passphrase() }

// Providers is what existing projects need in PULUMI_DEBUG_PROVIDERS.
func (s *Sandbox) Providers() map[string]int {
	return map[string]int{"scaleway": s.servers.provider.Port()}
}

// StoreOptions opens the world's pass store.
func (s *Sandbox) StoreOptions() store.Options {
	return store.Options{Dir: s.store(), GNUPGHome: s.gnupg()}
}

// HTTP is a client that trusts the world's CA and nobody else.
func (s *Sandbox) HTTP() *http.Client { return s.servers.client }
