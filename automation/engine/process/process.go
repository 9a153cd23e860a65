// Package process runs one Pulumi CLI and everything that it starts: a chosen
// environment, no secret in an argument, one SIGINT and then patience, nothing
// left running, and output only through the redactor.
package process

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// Marker is the environment variable that every process of a command carries
// and by which what it leaves behind is found.
const Marker = "SECRET_ROTATION_RUN"

// workMarker carries Spec.Work: by it another run finds what a dead one has left
// at work on the same.
const workMarker = "SECRET_ROTATION_WORK"

// DefaultPatience is how long a command may take to end after its SIGINT: more
// than a provider's retries take.
const DefaultPatience = 3 * time.Minute

// settle bounds the wait for what outlives the command itself: plugins that
// have been told to end, and the last output.
const settle = 5 * time.Second

// tailSize is how much of each output stream is kept, its end.
const tailSize = 64 << 10

var (
	// ErrSecretInArgument: nothing was started.
	ErrSecretInArgument = errors.New("an argument holds a secret value")
	// ErrKilled: the command did not end in time after its SIGINT. What it was
	// doing may or may not have happened.
	ErrKilled = errors.New("it did not end in time and was killed")
)

// Spec is one command to run.
type Spec struct {
	Path string
	Args []string
	Dir  string
	// Env is the whole environment but for TMPDIR, the markers and PassphraseFile.
	Env []string
	// Passphrase is handed over as a file named by PULUMI_CONFIG_PASSPHRASE_FILE.
	Passphrase secrets.Value
	// Stdin is what the command reads; the zero Value is nothing.
	Stdin secrets.Value
	// Private keeps what the command prints out of Result.Stdout: it is secret as
	// a whole.
	Private  bool
	Redactor *secrets.Redactor
	// ID begins the value of Marker, for whoever looks at processes; Run makes it
	// this command's alone, so that nobody ends another's by a name they share.
	ID string
	// Work names what the command works on, for Orphans; it holds no secret.
	Work string
	// Patience: zero means DefaultPatience.
	Patience time.Duration
	// Interrupted is called once, when the SIGINT is sent; may be nil.
	Interrupted func()
}

// Result is what is left of a command.
type Result struct {
	// Stdout and Stderr are redacted; of a long output the end.
	Stdout, Stderr string
	// Private is the whole standard output of a command that was run so.
	Private secrets.Value
	// Code is the exit code, -1 if a signal ended it.
	Code int
	// Started is false if there never was a process.
	Started bool
}

// Run starts the command and returns when it and all its descendants have
// ended. The error is nil only if it ended by itself with code 0; it never
// holds output.
func Run(ctx context.Context, spec Spec) (Result, error) {
	for _, arg := range spec.Args {
		if spec.Redactor.Holds([]byte(arg)) {
			return Result{Code: -1}, ErrSecretInArgument
		}
	}
	spec.ID += "." + rand.Text()
	if err := ctx.Err(); err != nil {
		return Result{Code: -1}, err
	}
	if _, err := exec.LookPath(spec.Path); err != nil {
		return Result{Code: -1}, fmt.Errorf("starting %s: there is no such program any more", filepath.Base(spec.Path))
	}
	tmp, err := TempDir()
	if err != nil {
		return Result{Code: -1}, err
	}
	defer os.RemoveAll(tmp)
	cmd, closers, err := command(spec, tmp)
	defer func() {
		for _, c := range closers {
			_ = c.Close()
		}
	}()
	if err != nil {
		return Result{Code: -1}, err
	}
	red := spec.Redactor
	if spec.Private {
		red = nil
	}
	out, err := capture(&cmd.Stdout, red)
	if err != nil {
		return Result{Code: -1}, err
	}
	errs, err := capture(&cmd.Stderr, spec.Redactor)
	if err != nil {
		out.abandon()
		return Result{Code: -1}, err
	}
	if err := cmd.Start(); err != nil {
		out.abandon()
		errs.abandon()
		return Result{Code: -1}, fmt.Errorf("starting %s: %w", filepath.Base(spec.Path), bare(err))
	}
	waitErr := wait(ctx, cmd, spec)
	res := Result{Started: true, Code: cmd.ProcessState.ExitCode()}
	res.Stdout, res.Stderr = out.finish(), errs.finish()
	if spec.Private {
		res.Private, res.Stdout = secrets.NewValue([]byte(res.Stdout)), ""
	}
	return res, waitErr
}

// command wraps the program in a shell that lowers its limits and becomes it:
// no core dumps, no files that others can read.
func command(spec Spec, tmp string) (*exec.Cmd, []closer, error) {
	const limits = `umask 077; ulimit -c 0 2>/dev/null; exec "$0" "$@"`
	cmd := exec.Command("/bin/sh", append([]string{"-c", limits, spec.Path}, spec.Args...)...)
	cmd.Dir = spec.Dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Env = append(append([]string{}, spec.Env...), "TMPDIR="+tmp, Marker+"="+spec.ID, workMarker+"="+spec.Work)
	if !spec.Stdin.IsZero() {
		cmd.Stdin = reader(spec.Stdin)
	}
	if spec.Passphrase.IsZero() {
		return cmd, nil, nil
	}
	name, file, err := passphraseFile(tmp, spec.Passphrase)
	if err != nil {
		return nil, nil, err
	}
	cmd.Env = append(cmd.Env, "PULUMI_CONFIG_PASSPHRASE_FILE="+name)
	if file == nil {
		return cmd, nil, nil
	}
	cmd.ExtraFiles = []*os.File{file}
	return cmd, []closer{file}, nil
}

type closer interface{ Close() error }

// wait returns when the command and what it started have ended.
func wait(ctx context.Context, cmd *exec.Cmd, spec Spec) error {
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	err, interrupted := await(ctx, cmd, spec, ended)
	stopRest(cmd.Process.Pid, spec.ID, interrupted || err != nil)
	switch {
	case errors.Is(err, ErrKilled):
		return err
	case err == nil:
		return nil
	case interrupted:
		return fmt.Errorf("interrupted: %w", context.Cause(ctx))
	}
	return fmt.Errorf("ended with %w", err)
}

func await(ctx context.Context, cmd *exec.Cmd, spec Spec, ended <-chan error) (error, bool) {
	select {
	case err := <-ended:
		return err, false
	case <-ctx.Done():
	}
	// Only the CLI itself: it tells its plugins. A second signal would make it
	// stop at once and leave its lock and half-done operations.
	_ = cmd.Process.Signal(syscall.SIGINT)
	if spec.Interrupted != nil {
		spec.Interrupted()
	}
	patience := spec.Patience
	if patience == 0 {
		patience = DefaultPatience
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case err := <-ended:
		return err, true
	case <-timer.C:
		killAll(cmd.Process.Pid, spec.ID)
		<-ended
		return ErrKilled, true
	}
}

// stopRest waits for what the command left running and kills what stays.
func stopRest(pid int, id string, abnormal bool) {
	if !abnormal {
		awaitGone(pid, id, settle)
	}
	for deadline := time.Now().Add(settle); len(living(pid, id)) > 0 && time.Now().Before(deadline); {
		killAll(pid, id)
		awaitGone(pid, id, 100*time.Millisecond)
	}
}

func awaitGone(pid int, id string, limit time.Duration) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	end := time.After(limit)
	for len(living(pid, id)) > 0 {
		select {
		case <-end:
			return
		case <-tick.C:
		}
	}
}

// killAll ends the command's process group and, where they can be found, the
// marked processes outside it: plugins have groups of their own.
func killAll(pid int, id string) {
	for _, p := range living(pid, id) {
		_ = syscall.Kill(p, syscall.SIGKILL)
	}
}

// bare drops the path that os/exec puts into its errors: a path may be named
// after anything.
func bare(err error) error {
	var perr *os.PathError
	if errors.As(err, &perr) {
		return perr.Err
	}
	return err
}
