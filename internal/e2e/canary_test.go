//go:build slow

package e2e

import (
	"bytes"
	"compress/gzip"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// secretValues are all values that there ever were: of every credential, dead
// ones too, of every Worker and container, and the passphrase.
func (w *sandboxed) secretValues() map[string]string {
	w.t.Helper()
	out := map[string]string{}
	truth := w.truth()
	for _, c := range truth.Credentials {
		out[c.Service+" "+c.Entry+" "+c.ID] = c.Value
	}
	for name, worker := range truth.Workers {
		for _, v := range worker.Versions {
			for variable, value := range v.Secrets {
				out[name+" "+variable+" "+v.ID] = value
			}
		}
	}
	for name, c := range truth.Containers {
		for variable, value := range c.Secrets {
			out[name+" "+variable] = value
		}
	}
	phrase, err := os.ReadFile(filepath.Join(w.dir, "passphrase"))
	require.NoError(w.t, err)
	out["the passphrase"] = strings.TrimSpace(string(phrase))
	for what, value := range out {
		require.Greater(w.t, len(value), 6, what)
	}
	return out
}

// watched runs the program with the sampler on its tree.
func (w *sandboxed) watched(stdin string, args ...string) (result, *sampler) {
	w.t.Helper()
	s := sample(w.root)
	r := w.feed(stdin, args...)
	s.end()
	require.Greater(w.t, s.looks, 20, "the sampler hardly looked")
	return r, s
}

// Values go from the issuer to pass, to Pulumi's encrypted config and to the
// consumer, and stand nowhere else, in no form, at no time.
func TestLongValuesStandNowhereElse(t *testing.T) {
	t.Parallel()
	w := emptyWorld(t)
	r, first := w.watched("", "rotate", "--secret", "stripe", "--secret", "clerk", "--secret", "sightengine", "--yes", "--verbose")
	require.Zero(t, r.code, r.stderr)
	for _, program := range []string{"gpg", "git", "pulumi", "secret-rotation"} {
		require.True(t, first.saw(program), "the sampler never saw %s", program)
	}
	before := w.secretValues()
	rolled := w.roll("clerk")["secret-key"]
	typed, second := w.watched(rolled, "rotate", "--secret", "clerk", "--value-stdin", "--yes", "--json")
	require.Zero(t, typed.code, typed.stderr)

	values := w.secretValues()
	maps.Copy(values, before)
	n := needlesOf(values)
	outputs := map[string]string{"stdout": r.stdout, "stderr": r.stderr, "JSON": typed.stdout, "stderr of the second": typed.stderr}
	require.Empty(t, w.places(n, outputs))
	require.Empty(t, append(first.places(n), second.places(n)...))

	w.planted(rolled, needlesOf(map[string]string{"marker": rolled}))
}

func (s *sampler) saw(program string) bool {
	for text := range s.seen {
		if strings.HasPrefix(text, "argv of "+program+": ") {
			return true
		}
	}
	return false
}

// planted requires that the same search finds a value in each of the places,
// and in each form.
func (w *sandboxed) planted(value string, n needles) {
	w.t.Helper()
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	_, _ = writer.Write([]byte("x" + value))
	require.NoError(w.t, writer.Close())
	files := map[string]string{
		filepath.Join(w.dir, "state", ".pulumi", "planted"):             value,
		filepath.Join(w.dir, "state", ".rotation", "planted"):           "{" + value + "}",
		filepath.Join(w.dir, "projects", "infra", "planted"):            value,
		filepath.Join(w.dir, "projects", "secret-rotation", "planted"):  value,
		filepath.Join(w.dir, "store", "planted"):                        value,
		filepath.Join(w.dir, "requests.planted"):                        value,
		filepath.Join(w.home, ".planted"):                               value,
		filepath.Join(w.tmp, "planted"):                                 value,
		filepath.Join(w.tmp, value):                                     "in the name",
		filepath.Join(w.tmp, "planted.gz"):                              packed.String(),
		filepath.Join(w.tmp, "planted.tar"):                             "before it" + packed.String(),
		filepath.Join(shared.cli.Home, "planted"+filepath.Base(w.root)): value,
	}
	for form, text := range forms(value) {
		files[filepath.Join(w.tmp, "as-"+form)] = "..." + text + "..."
	}
	for file, text := range files {
		require.NoError(w.t, os.WriteFile(file, []byte(text), 0o600))
		found := w.places(n, nil)
		require.NoError(w.t, os.Remove(file))
		require.NotEmpty(w.t, found, "not found in %s", file)
	}
	require.NotEmpty(w.t, w.places(n, map[string]string{"stdout": "ok " + value}))
	w.plantedInGit(value, n)
	w.plantedInProcesses(value, n)
	require.Empty(w.t, w.places(n, nil), "the search finds what is not there")
}

func (w *sandboxed) plantedInGit(value string, n needles) {
	w.t.Helper()
	for _, repository := range []string{"store/.git", "store.git", "projects/.git", "projects.git"} {
		dir := "--git-dir=" + filepath.Join(w.dir, repository)
		id := strings.TrimSpace(w.exec(value, "git", dir, "hash-object", "-w", "--stdin").stdout)
		found := w.places(n, nil)
		require.Contains(w.t, found, "marker as plain in the objects of "+repository)
		require.NoError(w.t, os.Remove(filepath.Join(w.dir, repository, "objects", id[:2], id[2:])))
	}
}

func (w *sandboxed) plantedInProcesses(value string, n needles) {
	w.t.Helper()
	for place, plant := range map[string]func(*sandboxed) []string{
		"argv of sh": func(*sandboxed) []string { return []string{"sh", "-c", "sleep 0.3; true", value} },
		"environ of sleep": func(s *sandboxed) []string {
			s.env = append(s.env, "PLANTED="+value)
			return []string{"sh", "-c", "exec sleep 0.2"}
		},
	} {
		shell := *w
		args := plant(&shell)
		s := sample(w.root)
		shell.exec("", args[0], args[1:]...)
		s.end()
		found := strings.Join(s.places(n), "\n")
		require.Contains(w.t, found, "marker as plain in "+place)
	}
}
