//go:build slow

package e2e

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox"
)

// unreachable is a part of the world that cannot be asked, and what the report
// must say of it.
type unreachable struct {
	name string
	do   func(w *sandboxed)
	// layers are those that must name a gap; says stands in one of the gaps.
	layers []string
	says   string
	// args are further arguments; undo puts the world right again.
	args func(w *sandboxed) []string
	undo func(w *sandboxed)
}

// fault is a service that answers nothing of use.
func fault(service string, layers ...string) unreachable {
	return unreachable{name: service + " is down", layers: layers, says: service,
		do:   func(w *sandboxed) { w.disturb("fault", "status", service, "*", "*", "503", "-1") },
		undo: func(w *sandboxed) { w.disturb("fault", "clear") }}
}

// aside is a file or a folder of the world that is not there, or is another.
func aside(name, file, content, says string, layers ...string) unreachable {
	at := func(w *sandboxed) string { return filepath.Join(w.dir, filepath.FromSlash(file)) }
	kept := func(w *sandboxed) string {
		return filepath.Join(w.root, "aside-"+strings.ReplaceAll(file, "/", "-"))
	}
	return unreachable{name: name, layers: layers, says: says,
		do: func(w *sandboxed) {
			_ = os.Rename(at(w), kept(w)) // some are not there before
			if content != "" {
				require.NoError(w.t, os.MkdirAll(filepath.Dir(at(w)), 0o700))
				require.NoError(w.t, os.WriteFile(at(w), []byte(content), 0o600))
			}
		},
		undo: func(w *sandboxed) {
			require.NoError(w.t, os.RemoveAll(at(w)))
			_ = os.Rename(kept(w), at(w))
		}}
}

func everyGap() []unreachable {
	broken := unreachable{name: "the CLI ends badly", layers: []string{"resources"}, says: "preview", do: func(*sandboxed) {}, undo: func(*sandboxed) {},
		args: func(w *sandboxed) []string {
			front := filepath.Join(w.root, "pulumi")
			script := "#!/bin/sh\ncase \"$*\" in *preview*) echo 'error: it broke' >&2; exit 1;; esac\nexec '" + shared.cli.Path + "' \"$@\"\n"
			require.NoError(w.t, os.WriteFile(front, []byte(script), 0o700))
			return []string{"--pulumi", front}
		}}
	silent := unreachable{name: "a consumer is down", layers: []string{"values"}, says: "stripe-backend", do: func(*sandboxed) {}, undo: func(*sandboxed) {},
		args: func(w *sandboxed) []string {
			raw, err := os.ReadFile("../../secrets/catalog.yaml")
			require.NoError(w.t, err)
			file := filepath.Join(w.root, "catalog.yaml")
			text := strings.ReplaceAll(string(raw), "https://payments.verifieddit.com/", "http://127.0.0.1:1/")
			require.NoError(w.t, os.WriteFile(file, []byte(text), 0o600))
			return []string{"--catalog", file}
		}}
	return []unreachable{
		fault("cloudflare", "names", "issuers", "changes"), fault("scaleway", "issuers", "resources", "copies"), fault("stripe", "issuers"),
		fault("clerk", "issuers"), fault("sightengine", "issuers"), fault("registry", "values"),
		aside("the journal is no folder", "state/.rotation", "x", "journal", "journal"),
		aside("the state cannot be read", "state/.pulumi/meta.yaml", "version: what", "meta.yaml", "locks"),
		aside("the store's remote is gone", "store.git", "", "remote", "pass"),
		aside("gpg cannot decrypt", "gnupg/private-keys-v1.d", "", "no secret key", "pass"),
		aside("a project is gone", "projects/infra", "", "infra", "config", "resources"),
		aside("a stack's config is not YAML", "projects/infra/Pulumi.prod.yaml", "config: [", "Pulumi.prod.yaml", "config"),
		aside("another passphrase", "passphrase", "not-the-passphrase\n", "passphrase", "config"),
		broken, silent,
	}
}

// What could not be checked is never shown as fine: the answer is unknown, the layer
// says what it could not see and what to do about it, and whoever is to be told is told.
func TestDriftSaysWhatItCouldNotSee(t *testing.T) {
	t.Parallel()
	for i, gaps := range [][]unreachable{everyGap()[:5], everyGap()[5:10], everyGap()[10:]} {
		t.Run(gaps[0].name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.opened(func(*sandbox.Sandbox) {})
			for _, gap := range gaps {
				t.Run(gap.name, func(t *testing.T) {
					w := &sandboxed{t: t, root: w.root, dir: w.dir, home: w.home, tmp: w.tmp, env: w.env}
					ears := listening(t)
					gap.do(w)
					args := ears.args()
					if gap.args != nil {
						args = append(args, gap.args(w)...)
					}
					c := w.drift(args...)
					gap.undo(w)
					c.couldNotSee(t, gap.layers...)
					require.Contains(t, strings.ToLower(strings.Join(c.gaps(), "\n")), strings.ToLower(gap.says))
					ears.alarmed(c)
				})
			}
			if i == 0 {
				ears := listening(t)
				require.Equal(t, "clean", w.drift(ears.args()...).Answer, "and then it is fine again")
				require.EqualValues(t, 1, ears.beats.Load())
			}
		})
	}
}

// All of it at once takes down no more: every layer is in the report, and it is told.
func TestDriftSaysThatItCouldSeeNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.opened(func(*sandbox.Sandbox) {})
	ears := listening(t)
	args := ears.args()
	for _, gap := range everyGap() {
		gap.do(w)
		if gap.args != nil {
			args = append(args, gap.args(w)...)
		}
	}
	layers := []string{"journal", "pass", "config", "resources", "names", "values", "issuers", "changes", "locks", "copies"}
	c := w.driftBeside(args...) // gpg makes its folder of keys anew
	c.couldNotSee(t, layers...)
	require.Len(t, c.Layers, len(layers)+1)
	ears.alarmed(c)
}

// couldNotSee requires a gap in each of these layers, and an answer that says so.
func (c checked) couldNotSee(t *testing.T, layers ...string) {
	t.Helper()
	require.Equal(t, []any{"unknown", 4}, []any{c.Answer, c.code}, "%v\n%v", c.keys(true), c.gaps())
	for _, name := range layers {
		require.True(t, slices.ContainsFunc(c.gaps(), func(g string) bool { return strings.HasPrefix(g, name+" ") }), "layer %s has no gap: %v", name, c.gaps())
	}
}

// ears are those who are told of a check: a webhook, and a watcher of heartbeats.
type ears struct {
	t     *testing.T
	at    string
	beats atomic.Int64
	mu    sync.Mutex
	heard []string
}

// listening are ears that were told nothing yet.
func listening(t *testing.T) *ears {
	t.Helper()
	e := &ears{t: t}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/beat" {
			e.beats.Add(1)
			return
		}
		body, _ := io.ReadAll(r.Body)
		e.mu.Lock()
		defer e.mu.Unlock()
		e.heard = append(e.heard, string(body))
	}))
	t.Cleanup(server.Close)
	e.at = server.URL
	return e
}

func (e *ears) args() []string {
	return []string{"--notify", "generic+" + e.at + "/hook", "--heartbeat", e.at + "/beat"}
}

// alarmed: one message came, which says what could not be checked, as much of it as
// there is room for; and no heartbeat.
func (e *ears) alarmed(c checked) {
	e.t.Helper()
	require.Zero(e.t, e.beats.Load(), "the heartbeat is for a check of everything that is clean")
	e.mu.Lock()
	defer e.mu.Unlock()
	require.Len(e.t, e.heard, 1)
	require.Contains(e.t, e.heard[0], "unknown")
	told := 0
	for _, l := range c.Layers {
		told += strings.Count(e.heard[0], "CANNOT TELL "+l.Name+"/")
	}
	require.Positive(e.t, told, e.heard[0])
}

// Drift that was found stands over what could not be seen.
func TestDriftIsNotHiddenByAGap(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.opened(func(s *sandbox.Sandbox) { meddler{w, s}.tamper("worker-secret", badges, "OLD_NAME", "x") })
	w.disturb("fault", "drop", "clerk", "*", "*", "-1")
	c := w.drift()
	require.Equal(t, []any{"drift", 3}, []any{c.Answer, c.code})
	require.Contains(t, c.keys(true), "unmanaged-at-consumer:worker/"+badges+"/OLD_NAME")
	require.NotEmpty(t, c.gaps())
}

// A rotation that goes on, and an old key that waits for its end, are no drift.
func TestDriftDuringARotation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.disturb("fault", "delay", "cloudflare", "*", "*/secrets-bulk", "13000", "1")
	var stderr bytes.Buffer
	running := w.command(shared.binary, "rotate", "--secret", "clerk", "--yes", "--grace", "24h", "--sandbox="+w.dir)
	running.Stderr = &stderr
	require.NoError(t, running.Start())
	w.await("the rotation is in the middle of its up", func() bool {
		return w.matches("state/.rotation/clerk/*.json") && w.lastState("clerk") == journal.Deploying
	})
	c := w.driftBeside()
	require.Equal(t, []any{"in-progress", 0}, []any{c.Answer, c.code}, "%v\n%v", c.keys(true), c.gaps())
	_ = running.Wait()
	require.Equal(t, 6, running.ProcessState.ExitCode(), "it waits for the grace period: %s", tail(stderr.String(), 20))

	require.Equal(t, journal.Grace, w.lastState("clerk"))
	w.opened(func(*sandbox.Sandbox) {})
	c = w.drift()
	require.Equal(t, []any{"in-progress", 0}, []any{c.Answer, c.code}, "%v\n%v", c.keys(true), c.gaps())
	require.Empty(t, c.keys(false))
}

func (w *sandboxed) lastState(secret string) journal.State {
	w.t.Helper()
	events := w.events(secret)
	return events[len(events)-1].State
}

// One that died, and whose holder is proven dead, is no rotation in progress.
func TestDriftNamesARotationThatDied(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.killWhen(cut{"the new value is issued", func(w *sandboxed) bool { return len(alive(w.truth(), "clerk", "secret-key")) > 1 }}, "rotate", "--secret", "clerk", "--yes")
	w.opened(func(*sandbox.Sandbox) {})
	c := w.drift()
	require.Equal(t, "drift", c.Answer)
	require.Contains(t, c.keys(true), "unfinished-rotation:clerk")
	require.Contains(t, c.detail("unfinished-rotation:clerk"), "go run . rotate")
}
