package toolchain

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
)

// ErrNoLanguage says that the language host of a project's runtime is neither
// here nor to be had.
var ErrNoLanguage = errors.New("the language host is not installed")

// runtimes are spelled so; anything else must not become part of a path.
var runtimes = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)

// Language returns the folder that holds the host of a runtime (yaml, go,
// nodejs, python, dotnet, java), the program pulumi-language-RUNTIME. Where it
// is nowhere on this machine the release's is downloaded, once and for all
// runtimes of the release. It is not built: the module proxy does not carry the
// modules of Pulumi's hosts, whose go.mod points into its own repository.
// Without a network ErrNoLanguage comes within seconds.
func (s Setup) Language(ctx context.Context, cli *CLI, runtime string) (string, error) {
	program := "pulumi-language-" + runtime
	if !runtimes.MatchString(runtime) {
		return "", fmt.Errorf("looking for the language host of %q: no such runtime: %w", runtime, ErrNoLanguage)
	}
	dir, err := s.dir()
	if err != nil {
		return "", err
	}
	place := filepath.Join(dir, "languages-"+Version())
	for _, d := range []string{filepath.Dir(cli.Path), cli.LanguageDir, place} {
		if d != "" && runnable(filepath.Join(d, program)) {
			return d, nil
		}
	}
	if found, err := exec.LookPath(program); err == nil {
		return filepath.Dir(found), nil
	}
	if installed, err := filepath.Glob(filepath.Join(cli.Home, "plugins", "language-"+runtime+"-*")); err == nil && len(installed) > 0 {
		return "", nil // the CLI finds it by itself
	}
	if _, err := os.Stat(place); err == nil {
		return "", fmt.Errorf("looking for %s: Pulumi %s does not bring it: %w", program, Version(), ErrNoLanguage)
	}
	if s.Offline {
		return "", fmt.Errorf("looking for %s: %w", program, ErrNoLanguage)
	}
	if err := s.provideLanguages(ctx, dir, place); err != nil {
		return "", err
	}
	if runnable(filepath.Join(place, program)) {
		return place, nil
	}
	return "", fmt.Errorf("looking for %s: Pulumi %s does not bring it: %w", program, Version(), ErrNoLanguage)
}

// provideLanguages unpacks the release beside the CLI that was built without it.
func (s Setup) provideLanguages(ctx context.Context, dir, place string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the folder of the language hosts: %w", err)
	}
	unlock, err := s.lock(ctx, filepath.Join(dir, "setup.lock"))
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := os.Stat(place); err == nil {
		return nil
	}
	if err := sweep(dir, place); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(dir, tempPrefix)
	if err != nil {
		return fmt.Errorf("making a folder for the language hosts: %w", err)
	}
	defer os.RemoveAll(tmp)
	bin := filepath.Join(tmp, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		return fmt.Errorf("making a folder for the language hosts: %w", err)
	}
	if err := s.download(ctx, tmp, bin); err != nil {
		var away unreachable
		if errors.As(err, &away) && ctx.Err() == nil {
			return fmt.Errorf("the release cannot be downloaded (%w): %w", err, ErrNoLanguage)
		}
		return err
	}
	if err := os.Remove(filepath.Join(bin, cliName)); err != nil {
		return fmt.Errorf("unpacking the language hosts: %w", err)
	}
	if err := os.Rename(bin, place); err != nil {
		return fmt.Errorf("putting the language hosts in place: %w", err)
	}
	s.say("the language hosts of Pulumi %s are ready", Version())
	return nil
}
