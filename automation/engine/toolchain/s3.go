package toolchain

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// The pinned modules of the S3 server, copies of tools/s3. They stand apart
// from the CLI's, so that neither decides the other's dependencies.
var (
	//go:embed modules/s3.go.mod.txt
	s3Mod []byte
	//go:embed modules/s3.go.sum.txt
	s3Sum []byte
)

const (
	s3Module = "github.com/versity/versitygw"
	s3Name   = "versitygw"
	// aboutS3Packages is what a cold build of it compiles.
	aboutS3Packages = 800
)

// S3Server returns the path of the S3 server that a sandbox may keep its state
// on, versitygw, and builds it first where it is missing, which takes about a
// minute. Whoever has no such sandbox never needs it.
func (s Setup) S3Server(ctx context.Context) (string, error) {
	dir, err := s.dir()
	if err != nil {
		return "", err
	}
	version, err := pinned(s3Mod, s3Module)
	if err != nil {
		return "", err
	}
	place := filepath.Join(dir, s3Name+"-"+strings.TrimPrefix(version, "v"))
	program := filepath.Join(place, s3Name)
	if runnable(program) {
		return program, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("making the folder of the S3 server: %w", err)
	}
	unlock, err := s.lock(ctx, filepath.Join(dir, "setup.lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if runnable(program) {
		return program, nil
	}
	return program, s.provideS3(ctx, dir, place, version)
}

// runnable: the folder is renamed into place whole, so what is there is whole.
func runnable(program string) bool {
	info, err := os.Stat(program)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o100 != 0
}

// provideS3 builds in a temporary folder and renames it into place at the end.
func (s Setup) provideS3(ctx context.Context, dir, place, version string) error {
	if err := sweep(dir, place); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(dir, tempPrefix)
	if err != nil {
		return fmt.Errorf("making a folder for the S3 server: %w", err)
	}
	defer os.RemoveAll(tmp)
	if err := s.buildS3(ctx, tmp, version); err != nil {
		return err
	}
	if err := os.Rename(tmp, place); err != nil {
		return fmt.Errorf("putting the S3 server in place: %w", err)
	}
	s.say("S3 server %s %s is ready", s3Name, version)
	return nil
}

func (s Setup) buildS3(ctx context.Context, tmp, version string) error {
	goTool, err := exec.LookPath("go")
	if err != nil {
		return missingS3(errors.New("Go is not installed here"))
	}
	src := filepath.Join(tmp, "src")
	if err := writeModule(src, s3Mod, s3Sum); err != nil {
		return err
	}
	cmd := exec.Command(goTool, "build", "-v", "-ldflags", "-s -w -X main.Version="+version,
		"-o", filepath.Join(tmp, s3Name), s3Module+"/cmd/"+s3Name)
	cmd.Dir = src
	cmd.Env = buildEnv(s.Offline)
	p := &buildProgress{what: "S3 server " + s3Name + " " + version, about: aboutS3Packages, programs: []string{s3Name}}
	if err := s.run(ctx, cmd, p); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("building the S3 server: %w", ctx.Err())
		}
		return missingS3(err)
	}
	return os.RemoveAll(src)
}

func missingS3(why error) error {
	return fmt.Errorf("providing the S3 server of the sandbox: %w: connect to the network or install Go %s, and try again; or use a sandbox whose state is in a folder: `go run . sandbox reset --backend file`",
		why, strings.TrimPrefix(runtime.Version(), "go"))
}
