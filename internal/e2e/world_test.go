package e2e

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/api"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

// patience bounds every single command; a slow machine needs a part of it.
const patience = 3 * time.Minute

// sandboxed is one world and the shell that the program is started from.
type sandboxed struct {
	t *testing.T
	// dir is the world, home and tmp the shell's own folders, all below root.
	root, dir, home, tmp string
	env                  []string
}

// result is what a command left.
type result struct {
	code           int
	stdout, stderr string
}

// newWorld is a copy of the template: everything rolled out by hand, no journal.
func newWorld(t *testing.T) *sandboxed {
	t.Helper()
	template, err := shared.template()
	require.NoError(t, err)
	w := emptyWorld(t)
	require.NoError(t, copyWorld(template, w.dir))
	return w
}

// emptyWorld is a shell whose world is made by the first command.
func emptyWorld(t *testing.T) *sandboxed {
	t.Helper()
	require.NoError(t, readSources())
	w := &sandboxed{t: t, root: folder(t)}
	w.dir, w.home, w.tmp = filepath.Join(w.root, "w"), filepath.Join(w.root, "home"), filepath.Join(w.root, "tmp")
	require.NoError(t, errors.Join(os.Mkdir(w.home, 0o700), os.Mkdir(w.tmp, 0o700)))
	w.env = shared.environ(w.home, w.tmp)
	return w
}

// run runs the program in the world: no terminal, nothing on standard input.
func (w *sandboxed) run(args ...string) result {
	w.t.Helper()
	return w.feed("", args...)
}

// feed is run with something on standard input.
func (w *sandboxed) feed(stdin string, args ...string) result {
	w.t.Helper()
	return w.bare(stdin, append(args, "--sandbox="+w.dir)...)
}

// bare runs the program without naming the world.
func (w *sandboxed) bare(stdin string, args ...string) result {
	w.t.Helper()
	return w.exec(stdin, shared.binary, args...)
}

// must is run that has to succeed.
func (w *sandboxed) must(args ...string) result {
	w.t.Helper()
	r := w.run(args...)
	require.Zero(w.t, r.code, "%v\n%s", args, tail(r.stderr, 20))
	return r
}

// exec runs any program in the test's shell, in a session of its own.
func (w *sandboxed) exec(stdin, program string, args ...string) result {
	w.t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := w.command(program, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = nil, &stdout, &stderr
	if stdin != "" {
		cmd.Stdin = strings.NewReader(stdin)
	}
	require.NoError(w.t, cmd.Start())
	limit := time.AfterFunc(patience, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	err := cmd.Wait()
	require.True(w.t, limit.Stop(), "%s %v did not end:\n%s", program, args, tail(stderr.String(), 20))
	var exit *exec.ExitError
	require.True(w.t, err == nil || errors.As(err, &exit), "%v", err)
	return result{code: cmd.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String()}
}

// command is a program in the test's shell that has no terminal to ask at.
func (w *sandboxed) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Env = w.root, w.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

// truth is the sandbox's own record, as `sandbox world` prints it.
func (w *sandboxed) truth() world.Truth {
	w.t.Helper()
	opened, err := world.Open(w.dir)
	require.NoError(w.t, err)
	truth, err := opened.Truth()
	require.NoError(w.t, err)
	return truth
}

// requests is the log of API requests, oldest first.
func (w *sandboxed) requests() []api.Request {
	w.t.Helper()
	raw, err := os.ReadFile(filepath.Join(w.dir, world.RequestsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	require.NoError(w.t, err)
	var out []api.Request
	decoder := json.NewDecoder(bytes.NewReader(raw))
	for {
		var r api.Request
		err := decoder.Decode(&r)
		if errors.Is(err, io.EOF) {
			return out
		}
		require.NoError(w.t, err)
		out = append(out, r)
	}
}

// events is the journal of a secret, its chain of hashes checked.
func (w *sandboxed) events(secret string) []journal.Event {
	w.t.Helper()
	log, err := journal.InDir(filepath.Join(w.dir, "state")).Open(context.Background(), secret)
	require.NoError(w.t, err)
	events, err := log.Events(context.Background())
	require.NoError(w.t, err)
	return events
}

// pass is the first line that the real `pass show` prints.
func (w *sandboxed) pass(path string) string {
	w.t.Helper()
	line, _, _ := strings.Cut(w.passCommand("", "show", path).stdout, "\n")
	return line
}

// insert is the operator who puts a value into pass by hand.
func (w *sandboxed) insert(path, value string) {
	w.t.Helper()
	w.passCommand(value+"\n", "insert", "--multiline", "--force", path)
}

// passCommand runs the real pass, which has to succeed.
func (w *sandboxed) passCommand(stdin string, args ...string) result {
	w.t.Helper()
	shell := *w
	shell.env = append(append([]string{}, w.env...),
		"PASSWORD_STORE_DIR="+filepath.Join(w.dir, "store"), "GNUPGHOME="+filepath.Join(w.dir, "gnupg"))
	r := shell.exec(stdin, "pass", args...)
	require.Zero(w.t, r.code, "pass %v: %s", args, r.stderr)
	return r
}

// await waits for a change that takes its time, such as a Worker's roll-out.
func (w *sandboxed) await(what string, happened func() bool) {
	w.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for limit := time.Now().Add(patience); !happened(); <-tick.C {
		require.True(w.t, time.Now().Before(limit), "it never came about: %s", what)
	}
}

// makeTemplate has the program itself make a world.
func (b bench) makeTemplate(ctx context.Context) (string, error) {
	// Read for go test's sake: a kept result is not good for another main.
	if _, err := os.ReadFile("../../main.go"); err != nil {
		return "", err
	}
	dir, home := filepath.Join(b.scratch, "w"), filepath.Join(b.scratch, "home")
	if err := os.Mkdir(home, 0o700); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, b.binary, "sandbox", "world", "--sandbox="+dir)
	cmd.Env = b.environ(home, b.scratch)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("making a world: %w\n%s", err, stderr.String())
	}
	endAgents(dir)
	return dir, nil
}

// copyWorld copies a world that nobody has open. A world names its own folder
// in git's settings and in the names of Pulumi's workspace files; its ports are
// forgotten, so that every copy finds its own.
func copyWorld(from, to string) error {
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil || info.Mode()&fs.ModeSocket != 0 {
			return err
		}
		target := to + strings.TrimPrefix(path, from)
		if d.IsDir() {
			return os.Mkdir(target, info.Mode().Perm())
		}
		return copyFile(path, target, info.Mode().Perm())
	})
	if err != nil {
		return err
	}
	for _, file := range []string{"store/.git/config", "projects/.git/config"} {
		file = filepath.Join(to, file)
		raw, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(file, bytes.ReplaceAll(raw, []byte(from), []byte(to)), 0o600)
		}
		if err != nil {
			return err
		}
	}
	opened, err := world.Open(to)
	if err != nil {
		return err
	}
	return errors.Join(moveWorkspaces(from, to), opened.Update(func(s *world.State) error {
		s.Ports = map[string]int{}
		return nil
	}))
}

// moveWorkspaces: Pulumi names a project's chosen stack after the hash of the
// project file's path.
func moveWorkspaces(from, to string) error {
	for name, project := range map[string]string{"infra": "infra", "stripe-backend": "services/stripe-backend/infra"} {
		at := func(dir string) string {
			sum := sha1.Sum([]byte(filepath.Join(dir, "projects", project, "Pulumi.yaml")))
			return filepath.Join(to, "pulumi-home", "workspaces", name+"-"+hex.EncodeToString(sum[:])+"-workspace.json")
		}
		if err := os.Rename(at(from), at(to)); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(from, to string, mode fs.FileMode) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
