package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/store"
	"golang.org/x/sync/errgroup"
)

// age is how long ago everything was rolled out by hand.
const age = 30 * 24 * time.Hour

// create makes a fresh world: everything rolled out by hand long ago, consumers
// running with what pass holds, no journal. It may be killed at any point.
func (s *Sandbox) create(ctx context.Context, o Options) error {
	if o.CLI == nil {
		return errors.New("making a world: no Pulumi CLI given")
	}
	o.Progress = oneAtATime(o.Progress)
	begun := time.Now()
	o.Progress("sandbox: making a fresh world in " + s.dir)
	if err := os.WriteFile(s.path(makingName), nil, 0o600); err != nil {
		return fmt.Errorf("making a world: %w", err)
	}
	entries, settings, err := s.seed(o.Backend)
	if err != nil {
		return err
	}
	work, inner := errgroup.WithContext(ctx)
	work.Go(func() error {
		o.Progress("sandbox: gpg key, pass store and its git remote")
		if err := s.makeStore(inner, entries); err != nil {
			return err
		}
		o.Progress(fmt.Sprintf("sandbox: pass holds %d entries, pushed", len(entries)))
		return nil
	})
	work.Go(func() error {
		if err := s.start(ctx); err != nil {
			return err
		}
		o.Progress("sandbox: rolling out the Pulumi projects infra and stripe-backend")
		return s.rollOut(inner, o, entries)
	})
	if err := work.Wait(); err != nil {
		return err
	}
	if err := s.finish(settings); err != nil {
		return err
	}
	o.Progress(fmt.Sprintf("sandbox: ready after %.1f s", time.Since(begun).Seconds()))
	return nil
}

// oneAtATime lets steps that run side by side report.
func oneAtATime(progress func(string)) func(string) {
	var mu sync.Mutex
	return func(line string) {
		mu.Lock()
		defer mu.Unlock()
		progress(line)
	}
}

// seed makes the accounts and credentials, and what needs no Pulumi. It sets
// the world's clock back, so that what is rolled out now is old afterwards.
func (s *Sandbox) seed(backend string) (entries map[string]string, settings world.Settings, err error) {
	w, err := world.Open(s.dir)
	if err != nil {
		return nil, settings, err
	}
	if entries, err = w.Seed(); err != nil {
		return nil, settings, fmt.Errorf("seeding the world: %w", err)
	}
	err = w.Update(func(state *world.State) error {
		settings = state.Settings
		if backend == BackendS3 {
			state.Backend = backend
		}
		state.Settings.ClockOffset -= world.Millis(age.Milliseconds())
		state.Settings.ContainerDelay, state.Settings.IssueDelay = 0, 0
		// What the projects declare is made by rolling them out.
		state.Containers, state.Namespaces, state.Registries = nil, nil, nil
		return nil
	})
	if err != nil {
		return nil, settings, err
	}
	if err := makeCertificates(s.layout); err != nil {
		return nil, settings, err
	}
	if backend == BackendS3 {
		err = makeBuckets(s.layout)
	} else {
		err = os.MkdirAll(s.path("state"), 0o700)
	}
	if err != nil {
		return nil, settings, fmt.Errorf("making the state's folder: %w", err)
	}
	// Random and long: nobody types it, the file is all there is of it.
	if err := os.WriteFile(s.passphrase(), []byte(world.NewUUID()+"\n"), 0o600); err != nil {
		return nil, settings, fmt.Errorf("writing passphrase: %w", err)
	}
	return entries, settings, nil
}

// finish hangs the images into the registry that was rolled out, sets the clock
// right and says that the world is whole.
func (s *Sandbox) finish(settings world.Settings) error {
	err := s.world.Update(func(state *world.State) error {
		for _, namespace := range state.Registries {
			if namespace.Name != world.RegistryName {
				continue
			}
			for _, image := range state.Images {
				image.NamespaceID = namespace.ID
			}
		}
		state.Settings = settings
		return nil
	})
	if err != nil {
		return err
	}
	if err := os.Remove(s.world.RequestsPath()); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("emptying the request log: %w", err)
	}
	if err := os.WriteFile(s.path(markerName+".tmp"), []byte(marker), 0o600); err != nil {
		return fmt.Errorf("marking the world as whole: %w", err)
	}
	if err := os.Rename(s.path(markerName+".tmp"), s.path(markerName)); err != nil {
		return fmt.Errorf("marking the world as whole: %w", err)
	}
	if err := os.Remove(s.path(makingName)); err != nil {
		return fmt.Errorf("marking the world as whole: %w", err)
	}
	return nil
}

// notes are further lines of entries, as real stores have them. The entries
// whose value a shell command takes with $(pass …) have none.
func notes() map[string]string {
	return map[string]string{
		"verifieddit/clerk/test-secret-key": "\ninstance: development\nurl: https://dashboard.clerk.com\n",
		"aws/phenom-drop/apprunner-arn":     "\nnote: see the runbook before touching it\n",
	}
}

func (s *Sandbox) makeStore(ctx context.Context, entries map[string]string) error {
	made, err := store.Create(ctx, store.CreateOptions{
		Dir: s.store(), GNUPGHome: s.gnupg(), Remote: s.path("store.git"),
		Name: "Sandbox", Email: "sandbox@example.com",
	})
	if err != nil {
		return err
	}
	var changes []store.Change
	for path, value := range entries {
		further, has := notes()[path]
		if !has {
			further = "\n"
		}
		changes = append(changes, store.Change{Path: path, Content: secrets.NewValue([]byte(value + further))})
	}
	slices.SortFunc(changes, func(a, b store.Change) int { return strings.Compare(a.Path, b.Path) })
	if err := made.Write(ctx, "Add every credential of the company.", changes...); err != nil {
		return err
	}
	return made.Push(ctx)
}

// stopAgent ends the agent of the world's own key; one that never ran is fine.
func stopAgent(ctx context.Context, l layout) {
	if _, err := os.Stat(l.gnupg()); err == nil {
		_ = run(ctx, l, l.dir, "gpgconf", "--homedir", l.gnupg(), "--kill", "gpg-agent")
	}
}
