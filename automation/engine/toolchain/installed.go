package toolchain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/blang/semver"
)

const (
	tempPrefix = ".new-"
	stampName  = "stamp.json"
)

// stamp says that a folder holds a whole toolchain. Sizes, not sums: reading
// 150 MB at each start would cost more than a preview.
type stamp struct {
	Version string           `json:"version"`
	Source  string           `json:"source"`
	Sizes   map[string]int64 `json:"sizes"`
}

func versionDir(dir string) string { return filepath.Join(dir, "pulumi-"+Version()) }

// home is stable over versions, so that plugins are installed once.
func home(dir string) string { return filepath.Join(dir, "pulumi-home") }

func installed(dir string) (*CLI, error) {
	root := versionDir(dir)
	raw, err := os.ReadFile(filepath.Join(root, stampName))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("looking in %s: %w", root, ErrNotInstalled)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the stamp of the Pulumi CLI: %w", err)
	}
	var st stamp
	if json.Unmarshal(raw, &st) != nil || st.Version != Version() || len(st.Sizes) == 0 {
		return nil, fmt.Errorf("looking in %s: the stamp is not one: %w", root, ErrNotInstalled)
	}
	for name, size := range st.Sizes {
		info, err := os.Stat(filepath.Join(root, "bin", name))
		if err != nil || info.Size() != size {
			return nil, fmt.Errorf("looking in %s: %s is not what was installed: %w", root, name, ErrNotInstalled)
		}
	}
	if err := os.MkdirAll(home(dir), 0o700); err != nil {
		return nil, fmt.Errorf("making the Pulumi CLI's home: %w", err)
	}
	bin := filepath.Join(root, "bin")
	return &CLI{Path: filepath.Join(bin, cliName), Version: Version(), Home: home(dir), LanguageDir: bin}, nil
}

func writeStamp(root, source string) error {
	st := stamp{Version: Version(), Source: source, Sizes: map[string]int64{}}
	for _, name := range []string{cliName, languageName} {
		info, err := os.Stat(filepath.Join(root, "bin", name))
		if err != nil {
			return fmt.Errorf("stamping the Pulumi CLI: %w", err)
		}
		st.Sizes[name] = info.Size()
	}
	raw, err := json.Marshal(st)
	if err != nil {
		return fmt.Errorf("stamping the Pulumi CLI: %w", err)
	}
	if err := os.WriteFile(filepath.Join(root, stampName), raw, 0o644); err != nil {
		return fmt.Errorf("stamping the Pulumi CLI: %w", err)
	}
	return nil
}

// sweep removes what a killed setup left, and what is at whole although it is
// not. Only the holder of the lock calls it.
func sweep(dir, whole string) error {
	stale, err := filepath.Glob(filepath.Join(dir, tempPrefix+"*"))
	if err != nil {
		return fmt.Errorf("looking for leftovers of a setup: %w", err)
	}
	for _, path := range append(stale, whole) {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("removing leftovers of a setup: %w", err)
		}
	}
	return nil
}

// given checks the CLI that the operator named.
func (s Setup) given(ctx context.Context, dir string) (*CLI, error) {
	path, err := exec.LookPath(s.Path)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("looking for the Pulumi CLI at %s: %w: this user may not run it (ls -l %s)", s.Path, fs.ErrPermission, s.Path)
	}
	if err != nil {
		return nil, fmt.Errorf("looking for the Pulumi CLI at %s: %w", s.Path, ErrNotInstalled)
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, fmt.Errorf("looking for the Pulumi CLI at %s: %w", s.Path, err)
	}
	got, err := askVersion(ctx, path)
	if err != nil {
		return nil, err
	}
	if got.LT(semver.MustParse(oldest)) {
		return nil, fmt.Errorf("using %s: it is Pulumi %s, %s or newer is needed: leave --pulumi off, or name a newer one", path, got, oldest)
	}
	if got.String() != Version() {
		s.say("warning: using Pulumi CLI %s; this program is made for and tested with %s", got, Version())
	}
	if err := os.MkdirAll(home(dir), 0o700); err != nil {
		return nil, fmt.Errorf("making the Pulumi CLI's home: %w", err)
	}
	return &CLI{Path: path, Version: got.String(), Home: home(dir), LanguageDir: languageDir(filepath.Dir(path), dir)}, nil
}

// languageDir looks for the YAML plugin beside a named CLI, then in our own
// folder, then where the operator's programs are.
func languageDir(beside, dir string) string {
	for _, d := range []string{beside, filepath.Join(versionDir(dir), "bin")} {
		if info, err := os.Stat(filepath.Join(d, languageName)); err == nil && !info.IsDir() {
			return d
		}
	}
	if found, err := exec.LookPath(languageName); err == nil {
		return filepath.Dir(found)
	}
	return ""
}

// askVersion runs `pulumi version` with nothing of our environment but what a
// process needs to start.
func askVersion(ctx context.Context, path string) (semver.Version, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "version")
	cmd.Env = append(keep("PATH", "HOME", "TMPDIR"), "PULUMI_SKIP_UPDATE_CHECK=true")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.Output()
	if err != nil {
		return semver.Version{}, fmt.Errorf("asking %s for its version: %w", path, err)
	}
	v, err := semver.ParseTolerant(strings.TrimSpace(string(out)))
	if err != nil {
		return semver.Version{}, fmt.Errorf("asking %s for its version: the answer is not a version", path)
	}
	return v, nil
}

// keep returns the named variables of our own environment that are set.
func keep(names ...string) []string {
	var out []string
	for _, name := range names {
		if v, ok := os.LookupEnv(name); ok {
			out = append(out, name+"="+v)
		}
	}
	return out
}
