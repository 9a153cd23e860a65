package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMissingPrograms(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for program, want := range map[string]refusal{
		"gpg": {1, []string{"gpg is not on PATH"}, "apt install gnupg"},
		"git": {1, []string{"git is not on PATH"}, "apt install git"},
	} {
		s := w.with("PATH=" + w.without(program))
		before := w.stands()
		want.shows(t, s.run("rotate", "--secret", "stripe", "--yes"))
		require.Equal(t, before, w.stands(), program)
	}
	// pass itself is for people: its store is read and written without it.
	no := w.with("PATH=" + w.without("pass"))
	require.Zero(t, no.run("rotate", "--secret", "stripe", "--preview").code)
	r := no.bare("", "doctor", "--sandbox="+w.dir)
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stdout, "pass")
	require.Contains(t, r.stdout, "apt-get install pass")
	require.NotContains(t, r.stderr, "error:", "the findings are the message")
	for program, next := range map[string]string{"pass": "apt install pass", "git": "apt install git", "gpg": "apt install gnupg"} {
		fresh := emptyWorld(t)
		r := fresh.with("PATH="+fresh.without(program)).run("rotate", "--secret", "stripe", "--yes")
		refusal{1, []string{program + " is not on PATH"}, next}.shows(t, r)
	}
}

// TestNoPulumiAnywhere: no CLI, no network and no Go is said at once.
func TestNoPulumiAnywhere(t *testing.T) {
	t.Parallel()
	w := emptyWorld(t)
	w = w.with("XDG_CACHE_HOME="+filepath.Join(w.root, "cache"), "PATH="+w.without("go"),
		"HTTPS_PROXY=http://127.0.0.1:1", "HTTP_PROXY=http://127.0.0.1:1", "NO_PROXY=")
	want := refusal{1, []string{"providing the Pulumi CLI", "Go is not installed", "cannot be downloaded"}, "go run . setup"}
	want.shows(t, w.bare("", "setup"))
	want.shows(t, w.run("rotate", "--secret", "stripe", "--yes"))
	require.NoDirExists(t, w.dir, "a world was begun without the means to make it")
	r := w.bare("", "setup", "--pulumi", "/bin/true")
	refusal{1, []string{"/bin/true", "not a version"}, "without --pulumi"}.shows(t, r)
}

func TestBadPassphrase(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		content string
		want    refusal
	}{
		"another stack's": {"not this one\n", refusal{1, []string{"stripe-backend", "the passphrase does not open this stack"}, "PULUMI_CONFIG_PASSPHRASE_FILE"}},
		"empty":           {"", refusal{1, []string{"stripe-backend", "the passphrase is empty"}, "PULUMI_CONFIG_PASSPHRASE_FILE"}},
		"a newline":       {"\n", refusal{1, []string{"stripe-backend", "the passphrase is empty"}, "PULUMI_CONFIG_PASSPHRASE_FILE"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			require.NoError(t, os.WriteFile(filepath.Join(w.dir, "passphrase"), []byte(c.content), 0o600))
			w.refused(c.want, "", "rotate", "--secret", "stripe", "--yes")
		})
	}
}

// TestHostileEnvironment: variables of other programs reach nothing.
func TestHostileEnvironment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	nowhere := filepath.Join(w.root, "nowhere")
	r := w.with("PULUMI_STACK=other", "PULUMI_BACKEND_URL=s3://other", "PULUMI_CONFIG_PASSPHRASE=other", "PULUMI_ACCESS_TOKEN=other",
		"PULUMI_CONFIG_PASSPHRASE_FILE="+nowhere, "PULUMI_HOME="+nowhere, "PULUMI_DEBUG_PROVIDERS=scaleway:1", `PULUMI_CONFIG={"a":"b"}`,
		"AWS_ACCESS_KEY_ID=other", "AWS_SECRET_ACCESS_KEY=other", "AWS_PROFILE=other", "AWS_REGION=other",
		"CLOUDFLARE_API_TOKEN=other", "CLOUDFLARE_API_KEY=other", "CLOUDFLARE_EMAIL=other", "CLOUDFLARE_API_BASE_URL=http://127.0.0.1:1",
		"SCW_SECRET_KEY=other", "STRIPE_API_BASE=http://127.0.0.1:1", "PASSWORD_STORE_GPG_OPTS=--other", "PASSWORD_STORE_DIR="+nowhere,
		"PASSWORD_STORE_KEY=other", "PASSWORD_STORE_SIGNING_KEY=", "GNUPGHOME="+nowhere, "GIT_DIR="+nowhere, "GIT_WORK_TREE="+nowhere,
		"GIT_INDEX_FILE="+nowhere, "HTTP_PROXY=http://127.0.0.1:1", "HTTPS_PROXY=http://127.0.0.1:1", "SSL_CERT_FILE="+nowhere,
		"LANG=other", "LC_ALL=other", "TZ=Other/Zone", "EDITOR=false", "GODEBUG=").run("rotate", "--secret", "stripe", "--yes")
	require.Zero(t, r.code, tail(r.stderr, 12))
	require.Equal(t, w.pass(stripeKey), w.truth().Consumers["stripe-backend"].RunsWith["STRIPE_SECRET_KEY"])
	require.NoFileExists(t, nowhere)
}

func TestBadSandboxFolder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	remove := func(parts ...string) func() {
		return func() {
			for _, part := range parts {
				require.NoError(t, os.Rename(filepath.Join(w.dir, part), filepath.Join(w.root, part)))
			}
		}
	}
	back := func(parts ...string) {
		for _, part := range parts {
			require.NoError(t, os.Rename(filepath.Join(w.root, part), filepath.Join(w.dir, part)))
		}
	}
	reset := "go run . sandbox reset --sandbox=" + w.dir
	for _, part := range []string{"world.json", "store", "gnupg", "state", "projects", "passphrase", "tls"} {
		remove(part)()
		refusal{1, []string{w.dir, part}, reset}.shows(t, w.run("rotate", "--secret", "stripe", "--yes"))
		require.NoFileExists(t, filepath.Join(w.dir, part))
		back(part)
	}
	// A folder of somebody else's is never touched.
	foreign := emptyWorld(t)
	letter := filepath.Join(foreign.dir, "letter.txt")
	require.NoError(t, os.MkdirAll(foreign.dir, 0o700))
	require.NoError(t, os.WriteFile(letter, []byte("dear"), 0o600))
	for _, args := range [][]string{{"rotate", "--secret", "stripe", "--yes"}, {"sandbox", "reset"}, {"sandbox", "world"}} {
		refusal{1, []string{"no sandbox", "letter.txt"}, "another folder"}.shows(t, foreign.run(args...))
		require.FileExists(t, letter)
	}
	refusal{1, []string{"letter.txt"}, "another folder"}.shows(t, w.bare("", "sandbox", "world", "--sandbox="+letter))
	// The remains of a making that was killed are made way for.
	require.NoError(t, os.Remove(letter))
	require.NoError(t, os.WriteFile(filepath.Join(foreign.dir, "making"), nil, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(foreign.dir, "world.json"), []byte("{"), 0o600))
	require.Zero(t, foreign.run("sandbox", "world").code)
}

// TestNoPermission: the superuser may write everywhere, so that power is given
// away first.
func TestNoPermission(t *testing.T) {
	t.Parallel()
	w := emptyWorld(t)
	locked := filepath.Join(w.root, "locked")
	require.NoError(t, os.Mkdir(locked, 0o500))
	args := []string{shared.binary, "rotate", "--secret", "stripe", "--yes", "--sandbox=" + filepath.Join(locked, "w")}
	if os.Geteuid() == 0 {
		args = append([]string{"setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"}, args...)
	}
	refusal{1, []string{locked, "permission denied"}, "another folder"}.shows(t, w.exec("", args[0], args[1:]...))
	require.NoDirExists(t, filepath.Join(locked, "w"))
}

func TestNobodyToAsk(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, args := range [][]string{{"rotate", "--secret", "stripe"}, {"rotate", "--secret", "stripe", "--non-interactive"}} {
		again := "go run . " + strings.Join(args, " ") + " --sandbox=" + w.dir + " --yes"
		w.refused(refusal{2, []string{"no terminal", "--yes was not given", "nothing was changed"}, again}, "", args...)
	}
}

// inNamespace runs a script as its own superuser, with mounts that nobody else
// sees and that end with it.
func (w *sandboxed) inNamespace(script string) result {
	w.t.Helper()
	s := w.with("W="+w.dir, "SR="+shared.binary)
	return s.exec("", "unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script)
}

// TestFullDisk: what the disk cannot take is said, nothing is lost, and with
// room again the same command goes through.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	for part, want := range map[string]refusal{
		"store": {1, []string{"pass", syscall.ENOSPC.Error()}, "df -h"},
		"state": {1, []string{"stripe", syscall.ENOSPC.Error()}, "df -h"},
	} {
		t.Run(part, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			key, before := w.pass(stripeKey), w.stands()
			r := w.inNamespace(`set -e; P="$W/` + part + `"; cp -a "$P" saved
mount -t tmpfs -o size=4m none "$P"; cp -a saved/. "$P"; mkdir -p "$P/.git"
dd if=/dev/zero of="$P/.git/filler" bs=1k 2>filled || true
code=0; "$SR" rotate --secret stripe --yes --sandbox="$W" || code=$?
rm "$P/.git/filler"; rmdir "$P/.git" 2>/dev/null || true; cp -a "$P" after; exit $code`)
			want.shows(t, r)
			require.NoError(t, os.Rename(filepath.Join(w.dir, part), filepath.Join(w.root, "before")))
			require.NoError(t, os.Rename(filepath.Join(w.root, "after"), filepath.Join(w.dir, part)))
			require.Equal(t, key, w.pass(stripeKey))
			require.Equal(t, before.Truth, w.truth())
			w.abandoned(before, "stripe")
			w.must("rotate", "--secret", "stripe", "--yes")
			require.NotEqual(t, key, w.pass(stripeKey))
			require.Equal(t, w.pass(stripeKey), w.truth().Consumers["stripe-backend"].RunsWith["STRIPE_SECRET_KEY"])
		})
	}
}

func TestReadOnlyStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := w.stands()
	r := w.inNamespace(`mount --bind "$W/store" "$W/store" && mount -o remount,bind,ro "$W/store" && exec "$SR" rotate --secret stripe --yes --sandbox="$W"`)
	refusal{1, []string{"the store", "Read-only file system"}, "pass git"}.shows(t, r)
	require.Equal(t, before, w.stands())
}
