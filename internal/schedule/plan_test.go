package schedule

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/robfig/cron/v3"
	"github.com/stretchr/testify/require"
)

func plan(t *testing.T, dir string) Plan {
	program := filepath.Join(dir, "bin", "secret-rotation")
	require.NoError(t, os.MkdirAll(filepath.Dir(program), 0o700))
	// It prints its arguments and environment, and leaves as the test says.
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\nfor a in \"$@\"; do printf 'arg %s\\n' \"$a\"; done\nenv\nexit ${LEAVE:-0}\n"), 0o700))
	return Plan{Program: program, Dir: dir, Hour: 3, Minute: 17, Revoke: true, Notify: []string{"pass:ops/slack", "env:MAIL_URL"},
		Heartbeat: "env:HEARTBEAT_URL", Output: filepath.Join(dir, "report.html"), User: "nobody",
		Environment: []string{"PASSWORD_STORE_DIR=" + filepath.Join(dir, "store"), "GNUPGHOME=" + filepath.Join(dir, "gnupg"), "PATH=/usr/local/bin:/usr/bin:/bin"},
		EnvFile:     filepath.Join(dir, "nightly.env"), Passphrase: filepath.Join(dir, "passphrase"),
		Reads: []string{filepath.Join(dir, "gnupg")}, Writes: []string{filepath.Join(dir, "store")}, Log: filepath.Join(dir, "log")}
}

// odd is a folder whose name means something to systemd, sh and cron.
const odd = `a b 100% $HOME "q" 'r' \n`

// cronShell runs a line of a crontab as cron does: sh -c, \% for a percent sign.
func cronShell(t *testing.T, line string, env ...string) string {
	fields := strings.SplitN(line, " ", 6)
	require.Len(t, fields, 6)
	cmd := exec.Command("/bin/sh", "-c", strings.ReplaceAll(fields[5], `\%`, "%"))
	cmd.Env = append([]string{"HOME=/nonexistent", "PATH=/usr/bin:/bin"}, env...)
	cmd.Dir = "/"
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	return string(out)
}

func TestCronLinesRun(t *testing.T) {
	for _, name := range []string{"plain", odd} {
		dir := filepath.Join(t.TempDir(), name)
		p := plan(t, dir)
		require.NoError(t, os.WriteFile(p.EnvFile, []byte("MAIL_URL='smtp://x'\n"), 0o600))
		lines := strings.Split(strings.TrimSuffix(p.Cron(), "\n"), "\n")
		require.Len(t, lines, 4)
		for i, want := range []string{"17 3 * * *", "37 * * * *"} {
			line := lines[i+1]
			require.True(t, strings.HasPrefix(line, want+" "), line)
			_, err := cron.ParseStandard(want)
			require.NoError(t, err)
			require.NotRegexp(t, `[^\\]%`, line)
			require.Empty(t, cronShell(t, line), "a run that is fine mails nothing")
		}
		log, err := os.ReadFile(filepath.Join(p.Log, DriftUnit+".log"))
		require.NoError(t, err)
		require.Contains(t, string(log), "arg drift\narg --non-interactive\narg --no-color\narg --format\narg html\narg --output\narg "+p.Output+"\narg --notify\narg pass:ops/slack\narg --notify\narg env:MAIL_URL\narg --heartbeat\narg env:HEARTBEAT_URL\n")
		require.Contains(t, string(log), "MAIL_URL=smtp://x\n")
		require.Contains(t, string(log), "PASSWORD_STORE_DIR="+filepath.Join(dir, "store")+"\n")
		require.Contains(t, string(log), "PULUMI_CONFIG_PASSPHRASE_FILE="+p.Passphrase+"\n")
		require.Contains(t, string(log), "PWD="+dir+"\n")
		said := cronShell(t, lines[1], "LEAVE=3")
		require.Contains(t, said, "arg drift")
		require.Contains(t, said, "exit code 3")
		require.Empty(t, cronShell(t, lines[2], "LEAVE=6"), "to wait for a person is no failure")
		require.Contains(t, cronShell(t, lines[2], "LEAVE=1"), "arg revoke\narg --due\narg --yes\n")
	}
}

func TestTheRestOfACrontabIsKept(t *testing.T) {
	p := plan(t, t.TempDir())
	own := "# mine\nMAILTO=me@example.invalid\n*/5 * * * * true 100\\% # BEGIN\n"
	for _, table := range []string{"", own, own + "no newline at the end"} {
		with, err := WithBlock(table, p.Cron())
		require.NoError(t, err)
		again, err := WithBlock(with, p.Cron())
		require.NoError(t, err)
		require.Equal(t, with, again)
		require.Equal(t, 1, strings.Count(with, "# BEGIN secret-rotation."))
		q := p
		q.Hour, q.Revoke = 5, false
		moved, err := WithBlock(with+"@daily after\n", q.Cron())
		require.NoError(t, err)
		require.Contains(t, moved, "\n17 5 * * * ")
		require.NotContains(t, moved, "revoke")
		without, err := WithBlock(moved, "")
		require.NoError(t, err)
		want := table
		if want != "" && !strings.HasSuffix(want, "\n") {
			want += "\n"
		}
		require.Equal(t, want+"@daily after\n", without)
	}
	for _, torn := range []string{cronBegin + "\n1 2 3 4 5 x\n", cronEnd + "\n", p.Cron() + p.Cron(), cronEnd + "\n" + cronBegin + "\n"} {
		_, err := WithBlock(own+torn, p.Cron())
		require.ErrorIs(t, err, ErrTornBlock)
	}
}

func TestWorkflow(t *testing.T) {
	p := plan(t, t.TempDir())
	for name, text := range map[string]string{"own": p.Workflow(), "ready": Plan{Hour: 3, Minute: 17}.Workflow(),
		"another repository's": Plan{Install: "example.com/tool@v1.2.3", Globals: []string{"--catalog=a b's.yaml"}}.Workflow()} {
		var parsed map[string]any
		require.NoError(t, yaml.Unmarshal([]byte(text), &parsed), name)
		lint := exec.Command("go", "tool", "actionlint", "-no-color", "-shellcheck=", "-pyflakes=", "-")
		lint.Dir, lint.Stdin = "../../tools/actionlint", strings.NewReader(text)
		lint.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
		out, err := lint.CombinedOutput()
		require.NoError(t, err, "%s: %s", name, out)
		for _, line := range regexp.MustCompile(`(?m)uses: .*`).FindAllString(text, -1) {
			require.Regexp(t, `^uses: actions/[a-z/-]+@[0-9a-f]{40} # v[0-9.]+$`, line)
		}
		require.NotRegexp(t, `run: .*\$\{\{ *secrets`, text)
	}
	ready, err := os.ReadFile("../../.github/workflows/drift.yml")
	require.NoError(t, err)
	require.Equal(t, Plan{Hour: 3, Minute: 17}.Workflow(), string(ready), "write it anew: secret-rotation schedule print --format github")
	require.Contains(t, p.Workflow(), "HEARTBEAT_URL: ${{ secrets.HEARTBEAT_URL }}")
}

func TestPlanRefusesControlCharacters(t *testing.T) {
	p := plan(t, t.TempDir())
	require.NoError(t, p.Check())
	p.Environment = append(p.Environment, "A=b\nExecStart=/bin/sh")
	require.ErrorContains(t, p.Check(), "control character")
	for text, ok := range map[string]bool{"03:17": true, "23:59": true, "24:00": false, "3pm": false, "": false} {
		_, _, err := ParseTime(text)
		require.Equal(t, ok, err == nil, text)
	}
}
