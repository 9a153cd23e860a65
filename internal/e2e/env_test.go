package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

const cfAccount = "cloudflare/account-id"

// started is a command that runs while the test does something else.
type started struct {
	w    *sandboxed
	cmd  *exec.Cmd
	gone chan struct{}
}

func (w *sandboxed) start(args ...string) *started {
	w.t.Helper()
	s := &started{w: w, cmd: w.command(shared.binary, args...), gone: make(chan struct{})}
	s.cmd.Stdout, s.cmd.Stderr = w.file("stdout"), w.file("stderr")
	require.NoError(w.t, s.cmd.Start())
	go func() { defer close(s.gone); _ = s.cmd.Wait() }()
	w.t.Cleanup(func() {
		_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
		<-s.gone
	})
	return s
}

// file is one that the program and its command write to.
func (w *sandboxed) file(name string) *os.File {
	w.t.Helper()
	f, err := os.OpenFile(filepath.Join(w.root, name), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { _ = f.Close() })
	return f
}

// read is what a file below the root holds, or nothing.
func (w *sandboxed) read(name string) string {
	raw, _ := os.ReadFile(filepath.Join(w.root, name))
	return string(raw)
}

// ends waits for the program and returns its exit code.
func (s *started) ends() int {
	s.w.t.Helper()
	s.w.await("the program ends", func() bool {
		select {
		case <-s.gone:
			return true
		default:
			return false
		}
	})
	return s.cmd.ProcessState.ExitCode()
}

func TestEnvRunsACommandWithTheSecretsAndNothingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w = w.with("CF_TOKEN=stale", "KEPT=yes")
	dump := func(args ...string) []string {
		t.Helper()
		r := w.exec("", args[0], args[1:]...)
		require.Zero(t, r.code, r.stderr)
		lines := strings.Split(strings.TrimSuffix(r.stdout, "\x00"), "\x00")
		slices.Sort(lines)
		return slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, "_=") })
	}
	want := append(dump("env", "-0"), "CF_TOKEN="+w.pass(cfToken), "CLOUDFLARE_API_TOKEN="+w.pass(cfToken),
		"ACCOUNT_ID="+w.pass(cfAccount), "CLOUDFLARE_ACCOUNT_ID="+w.pass(cfAccount))
	want = slices.DeleteFunc(want, func(l string) bool { return l == "CF_TOKEN=stale" })
	slices.Sort(want)
	sandbox := "--sandbox=" + w.dir
	require.Equal(t, want, dump(shared.binary, "env", "--for", "cloudflare", sandbox, "--", "env", "-0"))

	r := w.bare("", "env", "--for", "cloudflare", sandbox, "--", "sh", "-c", "echo out; echo err >&2; exit 7")
	require.Equal(t, []any{7, "out\n"}, []any{r.code, r.stdout})
	require.Contains(t, r.stderr, "err\n")
	require.NotContains(t, r.stderr, "error:")
	require.Equal(t, 128+9, w.bare("", "env", "--for", "cloudflare", sandbox, "--", "sh", "-c", "kill -9 $$").code)
	require.Equal(t, "in", w.bare("in", "env", "--for", "cloudflare", sandbox, "--", "cat").stdout)
	r = w.bare("", "env", "--for", "cloudflare", sandbox, "--", "cat", "-u", "/proc/self/cmdline", "--", "-")
	require.Equal(t, "cat\x00-u\x00/proc/self/cmdline\x00--\x00-\x00", r.stdout, "no shell, and no argument of ours")
}

func TestEnvRefusesBeforeAnythingStarts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sandbox := "--sandbox=" + w.dir
	require.NoError(t, os.WriteFile(filepath.Join(w.root, "text"), []byte("x"), 0o600))
	for says, command := range map[string]string{`no program "nope" on PATH`: "nope", "is not executable": "./text", "is a folder": "/"} {
		r := w.bare("", "env", "--for", "cloudflare", sandbox, "--", command)
		refusal{code: 2, says: []string{says}, next: command}.shows(t, skipProgress(r))
	}
	w.passCommand("", "rm", "-f", cfToken)
	for _, how := range [][]string{{"--", "touch", "made"}, {"--watch", "--", "touch", "made"}, {"--format", "shell"}} {
		r := w.bare("", append([]string{"env", "--for", "cloudflare", sandbox}, how...)...)
		refusal{code: 1, says: []string{cfToken, "no such entry"}, next: "pass insert " + cfToken}.shows(t, skipProgress(r))
		require.NoFileExists(t, filepath.Join(w.root, "made"))
		require.Empty(t, r.stdout)
	}
}

// skipProgress leaves the message and what to type.
func skipProgress(r result) result {
	at := max(0, strings.Index(r.stderr, "error: "))
	r.stderr = r.stderr[at:]
	return r
}

func TestEnvPrintsForAShell(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.exec("", "bash", "-c", `set -e; eval "$("$1" env --for cloudflare --format shell --sandbox="$2")"; env | grep ^CF_TOKEN`, "bash", shared.binary, w.dir)
	require.Equal(t, "CF_TOKEN="+w.pass(cfToken)+"\n", r.stdout, r.stderr)
	doc := document(t, w.must("env", "--for", "cloudflare", "--format", "json").stdout)
	require.Equal(t, w.pass(cfAccount), doc["ACCOUNT_ID"])
	require.Contains(t, w.must("env", "--for", "cloudflare", "--format", "dotenv").stdout, "\nCF_TOKEN='"+w.pass(cfToken)+"'\n")
}

// watched is a command that says each time which token it runs with, and leaves
// a process of its own behind.
const watched = `trap 'echo TERM >> seen; exit 3' TERM; sleep 1000 & echo $! >> left; echo "$CF_TOKEN" >> seen; wait; wait`

func TestEnvWatchRestartsOnANewValueOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.pass(cfToken)
	s := w.start("env", "--for", "cloudflare", "--watch", "--every", "50ms", "--sandbox="+w.dir, "--", "sh", "-c", watched)
	seen := func(want ...string) {
		t.Helper()
		w.await("the command has seen "+strconv.Itoa(len(want)), func() bool { return strings.Count(w.read("seen"), "\n") >= len(want) })
		require.Equal(t, strings.Join(want, "\n")+"\n", w.read("seen"))
	}
	seen(first)
	file := filepath.Join(w.dir, "store", cfToken+".gpg")
	whole, err := os.ReadFile(file)
	require.NoError(t, err)

	// Encrypted anew, and then damaged: the command is left alone.
	w.insert(cfToken, first)
	again, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NotEqual(t, whole, again)
	require.NoError(t, os.WriteFile(file, []byte("damaged"), 0o600))
	w.await("it says so", func() bool { return strings.Contains(w.read("stderr"), "the command keeps its values") })
	require.NoError(t, os.WriteFile(file, again, 0o600))
	seen(first)

	w.must("rotate", "--secret", "cloudflare", "--yes")
	second := w.pass(cfToken)
	require.NotEqual(t, first, second)
	seen(first, "TERM", second)
	require.Equal(t, 1, strings.Count(w.read("stderr"), "the command keeps its values"), w.read("stderr"))
	require.Equal(t, 1, strings.Count(w.read("stderr"), "CF_TOKEN, CLOUDFLARE_API_TOKEN changed in pass"), w.read("stderr"))
	require.NotContains(t, w.read("stderr"), second)
	left := strings.Fields(w.read("left"))
	w.await("the first command's process is gone", func() bool { return !running(left[0]) })

	// Told to end: the command hears it once, and its code is ours.
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGTERM))
	require.Equal(t, 3, s.ends())
	seen(first, "TERM", second, "TERM")
}

// running reports whether a process is there and no zombie.
func running(pid string) bool {
	raw, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
	return err == nil && !strings.Contains(string(raw), ") Z ")
}

// A consumer that `env --watch` keeps is proven by what it was started with.
func TestEnvWatchedProcessIsProvenByItsEnvironment(t *testing.T) {
	t.Parallel()
	const entry = "verifieddit/clerk/test-secret-key"
	w := newWorld(t)
	raw, err := os.ReadFile("../../secrets/catalog.yaml")
	require.NoError(t, err)
	catalog, pid := filepath.Join(w.root, "catalog.yaml"), filepath.Join(w.root, "pid")
	at := strings.Index(string(raw), "\n  - name: stripe\n")
	require.Positive(t, at)
	require.NoError(t, os.WriteFile(catalog, []byte(string(raw[:at])+`
    consumers:
      - name: local
        kind: manual
        steps: [env restarts it]
        probe: {kind: exact, by: environ, pidFile: `+pid+`, variables: {KEY: test-secret-key}}
`+string(raw[at:])+`  - name: local
    variables: {KEY: `+entry+`}
`), 0o600))
	w.start("env", "--for", "local", "--catalog", catalog, "--watch", "--every", "50ms", "--sandbox="+w.dir, "--",
		"sh", "-c", `echo $$ > pid.new; mv pid.new pid; exec sleep 1000`)
	proven := func() string {
		consumers := decode(t, w.run("verify", "--secret", "clerk-test", "--catalog", catalog, "--json").stdout).answers()
		return consumers["local"]
	}
	w.await("it runs", func() bool { return w.read("pid") != "" })
	require.Equal(t, "exact match", proven())
	first := w.read("pid")
	w.insert(entry, w.roll("clerk-test")["test-secret-key"])
	w.await("it runs anew", func() bool { return w.read("pid") != first })
	require.Equal(t, "exact match", proven())
}

// A process that `env --watch` keeps reads pass at its start: a rotation promotes
// the new value, the process is restarted with it and proves it, and only then the
// old value is revoked. What it had started in a session of its own is gone, too.
func TestRotateRestartsAWatchedProcess(t *testing.T) {
	t.Parallel()
	const entry = "verifieddit/clerk/test-secret-key"
	w := newWorld(t)
	raw, err := os.ReadFile("../../secrets/catalog.yaml")
	require.NoError(t, err)
	catalog, pid := filepath.Join(w.root, "catalog.yaml"), filepath.Join(w.root, "pid")
	at := strings.Index(string(raw), "\n  - name: stripe\n")
	require.Positive(t, at)
	require.NoError(t, os.WriteFile(catalog, []byte(string(raw[:at])+`
    consumers:
      - {name: server, kind: pass, probe: {kind: exact, by: environ, pidFile: `+pid+`, variables: {KEY: test-secret-key}}}
`+string(raw[at:])+`  - {name: server, variables: {KEY: `+entry+`}}
`), 0o600))
	w.start("env", "--for", "server", "--catalog", catalog, "--watch", "--every", "50ms", "--sandbox="+w.dir, "--",
		"sh", "-c", `setsid sh -c 'echo $$ >> aside; exec sleep 1000' & echo $$ > pid.new; mv pid.new pid; exec sleep 1000`)
	w.await("it runs", func() bool { return w.read("pid") != "" && w.read("aside") != "" })
	first, aside, old := w.read("pid"), strings.TrimSpace(w.read("aside")), w.pass(entry)
	rep := decode(t, w.must("rotate", "--secret", "clerk-test", "--catalog", catalog, "--yes", "--json").stdout)
	require.Equal(t, "DONE", rep.State)
	require.Equal(t, map[string]string{"server": "exact match"}, rep.answers())
	require.NotEqual(t, first, w.read("pid"))
	require.False(t, credential(t, w.truth(), old).Alive)
	require.False(t, running(aside), "a process in a session of its own lives on with the old value")
	var states []string
	for _, e := range w.events("clerk-test") {
		for _, a := range e.Answers {
			if a.Consumer == "server" && len(states) == 0 {
				states = append(states, string(e.State))
			}
		}
	}
	require.Equal(t, []string{"GRACE"}, states, "it was asked before it could have the value")
}

func TestEnvWatchEndsWithItsCommand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.bare("", "env", "--for", "cloudflare", "--watch", "--sandbox="+w.dir, "--", "sh", "-c", "exit 9")
	require.Equal(t, 9, r.code, r.stderr)
}
