package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// host is a machine of its own for schedule: HOME, the built program, and
// stand-ins for systemctl and crontab, which would change the one of who runs
// the tests. They keep what they are told in files.
type host struct{ dir string }

const (
	// Enabled timers are files; everything said is logged.
	fakeSystemctl = `#!/bin/sh
echo "$*" >>"$HOME/systemctl.log"
[ "$1" = --user ] && shift
case "$1" in
is-active|is-enabled) shift; [ "$1" = --quiet ] && shift; [ "$1" = timers.target ] || [ -e "$HOME/on/$1" ] ;;
enable) shift 2; mkdir -p "$HOME/on"; for t; do [ -e "$HOME/.config/systemd/user/$t" ] || exit 1; touch "$HOME/on/$t"; done ;;
disable) shift 2; for t; do rm "$HOME/on/$t"; done ;;
daemon-reload) ;;
*) exit 9 ;;
esac
`
	fakeCrontab = `#!/bin/sh
case "$1" in
-l) [ -e "$HOME/table" ] && cat "$HOME/table" && exit 0; echo "no crontab for me" >&2; exit 1 ;;
-) cat >"$HOME/table" ;;
*) exit 9 ;;
esac
`
)

func newHost(t *testing.T, programs map[string]string) host {
	h := host{t.TempDir()}
	for name, text := range programs {
		file := filepath.Join(h.dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o700))
	}
	return h
}

func (h host) run(t *testing.T, line string) outcome {
	return call{dir: h.dir, env: []string{"PATH=" + filepath.Join(h.dir, "path") + ":/usr/bin:/bin", "USER=eva"}}.run(t, strings.Fields(line)...)
}

func (h host) read(t *testing.T, name string) string {
	data, err := os.ReadFile(filepath.Join(h.dir, name))
	require.NoError(t, err)
	return string(data)
}

func (h host) fine(t *testing.T, line string) string {
	o := h.run(t, line)
	require.Zero(t, o.code, o.stderr)
	return o.stdout
}

const units = ".config/systemd/user/"

func TestScheduleInstallsUnits(t *testing.T) {
	h := newHost(t, map[string]string{"bin/secret-rotation": "", "path/systemctl": fakeSystemctl})
	o := h.run(t, "schedule install")
	require.Equal(t, 2, o.code, "nobody agreed")
	require.NoFileExists(t, filepath.Join(h.dir, units+"secret-rotation-drift.timer"))
	require.Contains(t, o.stderr, "write "+filepath.Join(h.dir, units+"secret-rotation-drift.service"))

	said := h.fine(t, "schedule install --yes --at 04:05 --notify pass:ops/slack --heartbeat pass:ops/heart --output out/report.html")
	require.Contains(t, said, "done: systemctl --user enable --now secret-rotation-drift.timer secret-rotation-revoke.timer")
	require.Contains(t, said, "next: loginctl enable-linger eva")
	service := h.read(t, units+"secret-rotation-drift.service")
	require.Contains(t, service, "ExecStart="+h.dir+"/bin/secret-rotation drift --non-interactive --no-color --format html --output "+h.dir+"/out/report.html --notify pass:ops/slack --heartbeat pass:ops/heart\n")
	require.Contains(t, service, "WorkingDirectory="+h.dir+"\n")
	require.Contains(t, h.read(t, units+"secret-rotation-drift.timer"), "OnCalendar=*-*-* 04:05:00\n")
	require.Contains(t, h.read(t, units+"secret-rotation-revoke.service"), "revoke --due --yes --non-interactive")

	same := "schedule install --yes --at 04:05 --notify pass:ops/slack --heartbeat pass:ops/heart --output out/report.html"
	before := h.read(t, "systemctl.log")
	require.Equal(t, "nothing to do: it is as it should be\n", h.fine(t, same))
	for line := range strings.Lines(strings.TrimPrefix(h.read(t, "systemctl.log"), before)) {
		require.True(t, strings.HasPrefix(line, "--user is-"), "a second time it only looks: %s", line)
	}
	// Somebody switched one off.
	require.NoError(t, os.Remove(filepath.Join(h.dir, "on/secret-rotation-revoke.timer")))
	require.Contains(t, h.fine(t, same), "enable --now")

	// Without revoke its units go, and are switched off first.
	said = h.fine(t, "schedule install --yes --only drift")
	require.Contains(t, said, "done: systemctl --user disable --now secret-rotation-revoke.timer\n")
	require.NoFileExists(t, filepath.Join(h.dir, units+"secret-rotation-revoke.service"))
	require.NoFileExists(t, filepath.Join(h.dir, "on/secret-rotation-revoke.timer"))

	// What is somebody else's stays.
	mine := filepath.Join(h.dir, units+"secret-rotation-drift.service")
	require.NoError(t, os.WriteFile(mine, []byte("[Service]\n"), 0o600))
	for _, line := range []string{"schedule install --yes", "schedule install --yes --remove"} {
		o = h.run(t, line)
		require.Equal(t, 2, o.code, o.stderr)
		require.Contains(t, o.stderr, "was not written by this program")
	}
	require.Equal(t, "[Service]\n", h.read(t, units+"secret-rotation-drift.service"))
	require.NoError(t, os.Remove(mine))
	h.fine(t, "schedule install --yes --remove")
	left, err := os.ReadDir(filepath.Join(h.dir, units))
	require.NoError(t, err)
	require.Empty(t, left)
	left, err = os.ReadDir(filepath.Join(h.dir, "on"))
	require.NoError(t, err)
	require.Empty(t, left)
	require.Equal(t, "nothing to do: it is as it should be\n", h.fine(t, "schedule install --yes --remove"))
}

// Where systemd does not run it says what to type.
func TestScheduleWithoutSystemd(t *testing.T) {
	h := newHost(t, map[string]string{"bin/secret-rotation": "", "path/systemctl": "#!/bin/sh\nexit 1\n"})
	said := h.fine(t, "schedule install --yes --only drift")
	require.Contains(t, said, "next: systemctl --user daemon-reload\nnext: systemctl --user enable --now secret-rotation-drift.timer\n")
	require.FileExists(t, filepath.Join(h.dir, units+"secret-rotation-drift.timer"))
	require.Contains(t, h.fine(t, "schedule install --yes --only drift"), "nothing to do")
	said = h.fine(t, "schedule install --yes --system --dir here")
	require.Contains(t, said, "next: cp "+h.dir+"/here/secret-rotation-* /etc/systemd/system/\nnext: systemctl daemon-reload\n")
	service := h.read(t, "here/secret-rotation-drift.service")
	require.Contains(t, service, "ProtectSystem=strict\n")
	require.Contains(t, service, "StateDirectory=secret-rotation\n")
	require.Contains(t, service, "ReadWritePaths=-"+h.dir+"/.cache\n")
	require.NotContains(t, service, ".password-store", "the check does not write to pass")
	require.Contains(t, h.read(t, "here/secret-rotation-revoke.service"), "ReadWritePaths=-"+h.dir+"/.password-store\n")
}

func TestScheduleInstallsACrontab(t *testing.T) {
	h := newHost(t, map[string]string{"bin/secret-rotation": "", "path/crontab": fakeCrontab})
	h.fine(t, "schedule install --format cron --yes --remove")
	require.NoFileExists(t, filepath.Join(h.dir, "table"))
	own := "# mine\n@daily true"
	require.NoError(t, os.WriteFile(filepath.Join(h.dir, "table"), []byte(own+"\n"), 0o600))
	h.fine(t, "schedule install --format cron --yes")
	table := h.read(t, "table")
	require.True(t, strings.HasPrefix(table, own+"\n# BEGIN secret-rotation."))
	require.Contains(t, h.fine(t, "schedule install --format cron --yes"), "nothing to do")
	require.Equal(t, table, h.read(t, "table"))
	h.fine(t, "schedule install --format cron --yes --remove")
	require.Equal(t, own+"\n", h.read(t, "table"))
	for _, says := range []string{"next: crontab -e", "nothing to do"} {
		require.Contains(t, h.fine(t, "schedule install --format cron --yes --dir here"), says)
	}
	for _, says := range []string{"done: remove", "nothing to do"} {
		require.Contains(t, h.fine(t, "schedule install --format cron --yes --dir here --remove"), says)
	}
	none := newHost(t, map[string]string{"bin/secret-rotation": ""})
	o := call{dir: none.dir, env: []string{"PATH=" + none.dir}}.run(t, "schedule", "install", "--format", "cron", "--yes")
	require.Equal(t, 2, o.code)
	require.Contains(t, o.stderr, "there is no crontab")
}

func TestScheduleInstallsAWorkflow(t *testing.T) {
	h := newHost(t, map[string]string{"go.mod": "module github.com/sanmarcsoft/secret-rotation\n"})
	require.Contains(t, h.fine(t, "schedule install --format github --yes"), "next: git add")
	ready, err := os.ReadFile("../../.github/workflows/drift.yml")
	require.NoError(t, err)
	require.Equal(t, string(ready), h.read(t, ".github/workflows/drift.yml"))
	require.Equal(t, string(ready), h.fine(t, "schedule print --format github"))
	require.Contains(t, h.fine(t, "schedule install --format github --yes"), "nothing to do")
	h.fine(t, "schedule install --format github --yes --remove")
	require.NoFileExists(t, filepath.Join(h.dir, ".github/workflows/drift.yml"))
}

// In a repository of its user's own there is nothing to build: the workflow
// installs the program, and checks the catalog that it was printed for.
func TestScheduleWorkflowOfAnotherRepository(t *testing.T) {
	catalog, err := os.ReadFile("../../secrets/catalog.yaml")
	require.NoError(t, err)
	h := newHost(t, map[string]string{"go.mod": "module example.com/shop\n", "ops/our secrets.yaml": string(catalog)})
	print := func(flags ...string) outcome {
		return call{dir: h.dir}.run(t, append([]string{"schedule", "print", "--format", "github"}, flags...)...)
	}
	for _, catalog := range []string{"ops/our secrets.yaml", filepath.Join(h.dir, "ops/our secrets.yaml")} {
		o := print("--catalog", catalog, "--root", "..")
		require.Zero(t, o.code, o.stderr)
		require.Contains(t, o.stdout, "secret-rotation\" drift --non-interactive --no-color '--catalog=ops/our secrets.yaml' --root=.. --format markdown")
		require.Regexp(t, `go install github\.com/sanmarcsoft/secret-rotation@[a-z0-9.-]+\n`, o.stdout)
		for _, ours := range []string{"make build", "./bin/", "./scripts/", "go-version-file", "tools/go.mod", h.dir} {
			require.NotContains(t, o.stdout, ours)
		}
	}
	for flag, says := range map[string]string{
		"--catalog=../elsewhere.yaml": "not in this repository",
		"--catalog=${{ x }}.yaml":     "GitHub would take",
		"--root=/srv/projects":        "relative",
		"--pulumi=/opt/pulumi":        "--pulumi",
	} {
		o := print(flag)
		require.Equal(t, 2, o.code, flag)
		require.Contains(t, o.stderr, says, flag)
	}
}

func TestInstallableVersion(t *testing.T) {
	for is, takes := range map[string]string{
		"v1.4.0": "v1.4.0", "v0.0.0-20261201003806-dd79fa91d9ed+dirty": "v0.0.0-20261201003806-dd79fa91d9ed",
		"devel-dd79fa91d9ed": "dd79fa91d9ed", "devel": "latest", "unknown": "latest",
	} {
		require.Equal(t, takes, installable(is), is)
	}
}

// The files that hold a secret have to be there and their owner's alone before
// anything is written; and an address itself is never written down.
func TestScheduleKeepsSecretsOut(t *testing.T) {
	h := newHost(t, map[string]string{"bin/secret-rotation": "", "path/systemctl": fakeSystemctl})
	o := h.run(t, "schedule install --yes --notify env:SLACK_URL")
	require.Equal(t, 2, o.code)
	_, next := o.message(t)
	env := filepath.Join(h.dir, ".config/secret-rotation/nightly.env")
	require.Contains(t, next[0], "install -D -m 600 /dev/null "+env)
	require.NoError(t, os.MkdirAll(filepath.Dir(env), 0o700))
	require.NoError(t, os.WriteFile(env, []byte("SLACK_URL=x\n"), 0o644))
	o = h.run(t, "schedule install --yes --notify env:SLACK_URL")
	require.Equal(t, 2, o.code)
	_, next = o.message(t)
	require.Equal(t, []string{"chmod 600 " + env}, next)
	require.NoFileExists(t, filepath.Join(h.dir, units+"secret-rotation-drift.service"))
	require.NoError(t, os.Chmod(env, 0o600))
	h.fine(t, "schedule install --yes --notify env:SLACK_URL")
	require.Contains(t, h.read(t, units+"secret-rotation-drift.service"), "EnvironmentFile="+env+"\n")

	for line, says := range map[string]string{
		"schedule install --yes --notify slack://hook:T0KEN-AAA@webhook":     "holds a token",
		"schedule print --heartbeat https://hc-ping.com/T0KEN-AAA":           "holds a token",
		"schedule print --notify slack://hook:T0KEN-AAA@webhook --sandbox w": "equals sign",
		"schedule print --notify=slack://hook:T0KEN-AAA@webhook --sandbox w": "equals sign",
		"schedule print --format cronn":                                      "did you mean cron?",
		"schedule print --at 25:00":                                          "not a time of day",
		"schedule print --only revoke":                                       "takes drift",
		"schedule print --format cron --system":                              "about systemd",
		"schedule print --sandbox=w":                                         "a sandbox is not scheduled",
		"schedule print --format github --notify pass:a/b":                   "secret of the environment",
	} {
		o := h.run(t, line)
		require.Equal(t, 2, o.code, line)
		require.Contains(t, o.stderr, says, line)
		require.NotContains(t, o.stderr+o.stdout, "T0KEN", line)
	}
	o = newHost(t, nil).run(t, "schedule install --yes")
	require.Equal(t, 2, o.code)
	require.Contains(t, o.stderr, "next: make build && ./bin/secret-rotation schedule install --yes")
}
