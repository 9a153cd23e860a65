//go:build slow

package e2e

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/api"
)

// checked is the contract of `drift --json` (DESIGN section 9), written down a
// second time. The report has more fields, for pages.
type checked struct {
	result    `json:"-"`
	CheckedAt string  `json:"checked_at"`
	Answer    string  `json:"answer"`
	Findings  []found `json:"findings"`
	Layers    []layer `json:"layers"`
}

type found struct {
	Code     string `json:"code"`
	Subject  string `json:"subject"`
	Severity string `json:"severity"`
	Detail   string `json:"detail"`
	Fix      string `json:"fix"`
	Secret   string `json:"secret"`
}

type layer struct {
	Name    string  `json:"name"`
	Status  string  `json:"status"`
	Seconds float64 `json:"seconds"`
	Gaps    []struct {
		Subject string `json:"subject"`
		Detail  string `json:"detail"`
		Fix     string `json:"fix"`
	} `json:"gaps"`
}

func (f found) key() string { return f.Code + ":" + f.Subject }

// keys are the findings that change the answer, or all of them.
func (c checked) keys(all bool) []string {
	out := []string{}
	for _, f := range c.Findings {
		if all || f.Severity != "info" {
			out = append(out, f.key())
		}
	}
	return out
}

// gaps are all that could not be checked, as "LAYER SUBJECT DETAIL".
func (c checked) gaps() []string {
	var out []string
	for _, l := range c.Layers {
		for _, g := range l.Gaps {
			out = append(out, l.Name+" "+g.Subject+" "+g.Detail)
		}
	}
	return out
}

// command is what a person can type as it stands, in a shell of the world; at a
// dashboard there is nothing to type, and a comment says what to do there.
var command = regexp.MustCompile(`^([A-Z_]+=\S+ )*(go run \. [a-z]|(pass|git|gpg|pulumi|wrangler|scw|ls) )|^# at https://`)

// drift checks, which must change nothing at all, and holds the report to what
// every report must be.
func (w *sandboxed) drift(args ...string) checked {
	w.t.Helper()
	before, seen := w.everyFile(), len(w.requests())
	c := w.driftBeside(args...)
	require.Empty(w.t, differing(before, w.everyFile()), "drift changed something")
	for _, r := range w.requests()[seen:] {
		require.False(w.t, writes(r), "drift writes: %s %s %s", r.Service, r.Method, r.Path)
	}
	return c
}

// driftBeside is drift in a world where others are at work.
func (w *sandboxed) driftBeside(args ...string) checked {
	w.t.Helper()
	var c checked
	r := w.run(append([]string{"drift", "--json"}, args...)...)
	require.NoError(w.t, json.Unmarshal([]byte(r.stdout), &c), "exit %d: %s\n%s", r.code, r.stdout, tail(r.stderr, 20))
	document(w.t, r.stdout)
	c.result = r
	require.Equal(w.t, map[string]int{"clean": 0, "in-progress": 0, "drift": 3, "unknown": 4}[c.Answer], r.code, "%s: %s", c.Answer, r.stdout)
	require.NotEmpty(w.t, c.CheckedAt)
	require.NotEmpty(w.t, c.Layers)
	for _, f := range c.Findings {
		require.NotContains(w.t, f.Subject, " ", f.key())
		require.Contains(w.t, []string{"error", "warning", "info"}, f.Severity, f.key())
		require.NotEmpty(w.t, f.Detail, f.key())
		require.Regexp(w.t, command, f.Fix, f.key())
	}
	for _, l := range c.Layers {
		require.Contains(w.t, []string{"ok", "drift", "unknown"}, l.Status, l.Name)
		require.Equal(w.t, len(l.Gaps) > 0, l.Status == "unknown", "layer %s: %s, %d gaps", l.Name, l.Status, len(l.Gaps))
		for _, g := range l.Gaps {
			require.NotEmpty(w.t, g.Subject, l.Name)
			require.NotEmpty(w.t, g.Detail, l.Name)
			require.NotEmpty(w.t, g.Fix, "%s %s", l.Name, g.Subject)
		}
	}
	for _, credential := range w.truth().Credentials {
		// An access key is the name of its secret key.
		printed := credential.Entry != "access-key" && strings.Contains(r.stdout+r.stderr, credential.Value)
		require.False(w.t, printed, "a value of %s is printed", credential.Service)
	}
	return c
}

// writes reports whether a request may change something at a service. Whatever
// is not a GET or a HEAD does, but for Sightengine's only door: its check of an
// image is a POST, and the one that tries a pair sends no image.
func writes(r api.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return false
	}
	return r.Service != "sightengine" || r.Path != "/1.0/check.json"
}

// everyFile is everyByte, with what git keeps of a fetch: a check asks the
// remote without one.
func (w *sandboxed) everyFile() map[string]string {
	w.t.Helper()
	out := w.everyByte()
	head, err := os.ReadFile(filepath.Join(w.dir, "store/.git/FETCH_HEAD"))
	require.True(w.t, err == nil || errors.Is(err, os.ErrNotExist), "%v", err)
	out["store/.git/FETCH_HEAD"] = string(head)
	return out
}

// opened has the world open in this process, which is how many changes are made
// in little time; and lets a copy do what only a copy has yet to do.
func (w *sandboxed) opened(do func(s *sandbox.Sandbox)) {
	w.t.Helper()
	s, err := sandbox.Open(w.t.Context(), sandbox.Options{Dir: w.dir, CLI: shared.cli})
	require.NoError(w.t, err)
	do(s)
	require.NoError(w.t, s.Close())
	for _, dir := range []string{"store", "projects"} {
		w.exec("", "git", "-C", filepath.Join(w.dir, dir), "status", "--short")
	}
}

// settled makes, once, the world in which every secret has been rotated.
var settled sync.Once

func settledFolder() string { return filepath.Join(shared.scratch, "settled") }

// settledWorld is a copy of it.
func settledWorld(t *testing.T) *sandboxed {
	t.Helper()
	settled.Do(func() {
		template, err := shared.template()
		require.NoError(t, err)
		maker := &sandboxed{t: t, root: shared.scratch, dir: settledFolder(), home: filepath.Join(shared.scratch, "home"), tmp: shared.scratch}
		maker.env = shared.environ(maker.home, maker.tmp)
		require.NoError(t, copyWorld(template, maker.dir))
		maker.must("rotate", "--all", "--yes")
		maker.must("rotate", "--secret", "clerk-test", "--yes")
		endAgents(maker.dir)
	})
	w := emptyWorld(t)
	require.NoError(t, copyWorld(settledFolder(), w.dir))
	return w
}

// A world that was rolled out by hand and has no journal is clean; and so is one
// where everything has been rotated since, but for remarks.
func TestDriftCleanWorldsAreClean(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.opened(func(*sandbox.Sandbox) {})
	// Whoever asks git for the status would write down these times.
	for _, file := range []string{"projects/infra/Pulumi.yaml", "store/cloudflare/api-token.gpg"} {
		require.NoError(t, os.Chtimes(filepath.Join(w.dir, file), time.Now(), time.Now().Add(-time.Hour)))
	}
	c := w.drift()
	require.Equal(t, []any{"clean", []string{}}, []any{c.Answer, c.keys(true)}, "%s", c.stdout)
	require.Empty(t, c.gaps())
	var names []string
	for _, l := range c.Layers {
		require.Equal(t, "ok", l.Status, l.Name)
		names = append(names, l.Name)
	}
	for _, name := range []string{"journal", "pass", "config", "resources", "names", "values", "issuers", "changes", "locks", "files", "copies"} {
		require.Contains(t, names, name)
	}

	w = settledWorld(t)
	w.opened(func(*sandbox.Sandbox) {})
	c = w.drift()
	require.Equal(t, []any{"clean", []string{}}, []any{c.Answer, c.keys(false)}, "%s", c.stdout)
	require.Empty(t, c.gaps())
	for _, f := range c.Findings {
		require.Contains(t, []string{"config-uncommitted", "rollback-risk"}, f.Code, f.key())
	}
	require.Equal(t, c.keys(true), w.drift("--format", "json").keys(true), "the same every night")
}

// detail is what a finding says and how it is mended.
func (c checked) detail(key string) string {
	for _, f := range c.Findings {
		if f.key() == key {
			return f.Detail + " | " + f.Fix
		}
	}
	return ""
}
