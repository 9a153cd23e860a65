// Package toolchain provides the Pulumi CLI and the YAML language plugin at
// exactly the version of the SDK, in a folder of their own: from the release,
// checked against its published checksums, or by building the pinned modules
// where nothing can be downloaded.
package toolchain

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pulumi/pulumi/sdk/v3"
)

const (
	cliName      = "pulumi"
	languageName = "pulumi-language-yaml"

	// oldest is the first CLI whose S3 client works with other stores than
	// AWS's own.
	oldest = "3.258.0"
)

// ErrNotInstalled says that there is no Pulumi CLI where one was looked for.
var ErrNotInstalled = errors.New("no Pulumi CLI is installed here")

// Version is the CLI's version that goes with the SDK, without a leading v.
func Version() string { return sdk.Version.String() }

// CLI is a Pulumi CLI that can be run.
type CLI struct {
	// Path is the absolute path of the program.
	Path string
	// Version without a leading v.
	Version string
	// Home is the folder used as PULUMI_HOME: plugins, nothing secret.
	Home string
	// LanguageDir holds pulumi-language-yaml; empty if there is none.
	LanguageDir string
}

// Setup finds or provides the CLI.
type Setup struct {
	// Dir holds everything that is provided; default: secret-rotation in the
	// user's cache folder.
	Dir string
	// Path is a CLI to use instead, 3.258.0 or newer.
	Path string
	// Offline: nothing is downloaded; a build takes modules that are there.
	Offline bool
	// Progress takes one line at a time, for a person; may be nil.
	Progress func(line string)
	// Releases is the address that release archives are below; default:
	// Pulumi's on GitHub.
	Releases string
}

// Find returns the CLI if it is there, starting no process unless Path is
// given. ErrNotInstalled if it is not.
func (s Setup) Find(ctx context.Context) (*CLI, error) {
	dir, err := s.dir()
	if err != nil {
		return nil, err
	}
	if s.Path != "" {
		return s.given(ctx, dir)
	}
	return installed(dir)
}

// Ensure returns the CLI and provides it first where it is missing, which
// takes minutes if it has to be built. It leaves a whole toolchain or none,
// also when it is killed; two of them at once do the work once.
func (s Setup) Ensure(ctx context.Context) (*CLI, error) {
	cli, err := s.Find(ctx)
	if !errors.Is(err, ErrNotInstalled) || s.Path != "" {
		return cli, err
	}
	dir, err := s.dir()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("making the folder of the Pulumi CLI: %w", err)
	}
	unlock, err := s.lock(ctx, filepath.Join(dir, "setup.lock"))
	if err != nil {
		return nil, err
	}
	defer unlock()
	if cli, err := installed(dir); err == nil {
		return cli, nil
	}
	if err := s.provide(ctx, dir); err != nil {
		return nil, err
	}
	return installed(dir)
}

// provide fills a temporary folder and renames it into place at the very end.
func (s Setup) provide(ctx context.Context, dir string) error {
	if err := sweep(dir, versionDir(dir)); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(dir, tempPrefix)
	if err != nil {
		return fmt.Errorf("making a folder for the Pulumi CLI: %w", err)
	}
	defer os.RemoveAll(tmp)
	bin := filepath.Join(tmp, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		return fmt.Errorf("making a folder for the Pulumi CLI: %w", err)
	}
	source, err := s.fill(ctx, tmp, bin)
	if err != nil {
		return err
	}
	if err := s.check(ctx, filepath.Join(bin, cliName)); err != nil {
		return err
	}
	if err := writeStamp(tmp, source); err != nil {
		return err
	}
	if err := os.Rename(tmp, versionDir(dir)); err != nil {
		return fmt.Errorf("putting the Pulumi CLI in place: %w", err)
	}
	s.say("Pulumi CLI %s is ready", Version())
	return nil
}

func (s Setup) fill(ctx context.Context, tmp, bin string) (string, error) {
	var why error
	if !s.Offline {
		why = s.download(ctx, tmp, bin)
		if why == nil {
			return "release", nil
		}
		var away unreachable
		if !errors.As(why, &away) || ctx.Err() != nil {
			return "", why
		}
		s.say("the release cannot be downloaded (%v): building it from its Go modules, which takes a few minutes", why)
	}
	return "build", s.build(ctx, tmp, bin, why)
}

// check runs the new CLI once: what cannot say its version is not installed.
func (s Setup) check(ctx context.Context, path string) error {
	got, err := askVersion(ctx, path)
	if err != nil {
		return err
	}
	if got.String() != Version() {
		return fmt.Errorf("checking the new Pulumi CLI: it says it is %s, not %s", got, Version())
	}
	return nil
}

func (s Setup) say(format string, args ...any) {
	if s.Progress != nil {
		s.Progress(fmt.Sprintf(format, args...))
	}
}

func (s Setup) dir() (string, error) {
	if s.Dir != "" {
		return filepath.Abs(s.Dir)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the user's cache folder: %w", err)
	}
	return filepath.Join(cache, "secret-rotation"), nil
}
