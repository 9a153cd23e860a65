//go:build slow

package e2e

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/api"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

// All secrets in one run: every one obeys the invariants as if it were alone.
func TestKillNobodyRotateAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := w.truth()
	watched := map[string]*observed{}
	for name, s := range subjects() {
		watched[name] = unwatched(w, s, before).first()
	}
	asker := probing(w, subjects()["cloudflare"], w.serve())
	t.Cleanup(asker.end)
	main := watched["clerk"]
	_, r := main.runKilled("", "rotate", "--all", "--yes", "--grace", "0", "--json")
	require.Zero(t, r.code, tail(r.stderr, 20))
	reports := decodeAll(t, r.stdout)
	require.Len(t, reports, len(watched))
	for _, rep := range reports {
		require.Equal(t, "DONE", rep.State, rep.Secret)
	}
	for name, o := range watched {
		o.prober, o.runs, o.outputs = asker, main.runs, main.outputs
		if o != main {
			o.rest()
		}
		h := o.history()
		require.Equal(t, journal.Done, h.last().State, name)
		h = h.alone()
		require.NoError(t, h.broken(), "%s\n%s", name, story(h))
		for entry, old := range h.old {
			require.False(t, old.Alive, "the old %s of %s lives", entry, name)
			require.Equal(t, []string{h.now[entry].Value}, alive(h.after, h.service, entry))
		}
	}
}

// alone takes the other secrets' doings out, which were planned too. The gap of
// sightengine's consumer is its dashboard's: it kills the old pair when it makes
// the new one, and no program can help that.
func (h history) alone() history {
	mine := map[string]bool{}
	for _, c := range h.ours() {
		mine[c.Value] = true
	}
	h.before, h.after = only(h.before, h.service, mine), only(h.after, h.service, mine)
	h.commits = slices.Clone(h.commits)
	for i, c := range h.commits {
		if !h.touches(c) {
			h.commits[i].paths = nil // still a step of pass's history
		}
	}
	h.probes = slices.Clone(h.probes)
	for i, p := range h.probes {
		h.probes[i].dead = slices.DeleteFunc(slices.Clone(p.dead), func(what string) bool {
			return strings.HasPrefix(what, "SIGHTENGINE_") || strings.HasSuffix(p.consumer, " sightengine")
		})
	}
	h.killsOld = h.secret == "sightengine"
	if h.secret == "cloudflare" {
		h.requests = slices.DeleteFunc(slices.Clone(h.requests), func(r api.Request) bool { return r.Method == "PATCH" })
	}
	return h
}

// only is what a world has of one service and of these values.
func only(t world.Truth, service string, values map[string]bool) world.Truth {
	out := world.Truth{Workers: map[string]world.TrueWorker{}, Containers: map[string]world.TrueSecrets{}, Consumers: map[string]world.TrueConsumer{}}
	out.Credentials = slices.DeleteFunc(slices.Clone(t.Credentials), func(c trueCredential) bool { return c.Service != service })
	own := func(all map[string]string) map[string]string {
		kept := maps.Clone(all)
		maps.DeleteFunc(kept, func(_, value string) bool { return !values[value] })
		return kept
	}
	for name, c := range t.Consumers {
		out.Consumers[name] = world.TrueConsumer{RunsWith: own(c.RunsWith)}
	}
	for name, c := range t.Containers {
		out.Containers[name] = world.TrueSecrets{Secrets: own(c.Secrets)}
	}
	for name, w := range t.Workers {
		worker := world.TrueWorker{Deployed: w.Deployed}
		for _, v := range w.Versions {
			worker.Versions = append(worker.Versions, world.TrueVersion{ID: v.ID, Secrets: own(v.Secrets)})
		}
		out.Workers[name] = worker
	}
	return out
}

// Rotating the token of Cloudflare runs no up and restarts nothing.
func TestKillNothingRestartsForCloudflare(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before, ups := w.truth(), w.ups()
	s := sample(w.root)
	rep := decode(t, w.must("rotate", "--secret", "cloudflare", "--yes", "--grace", "0", "--json").stdout)
	s.end()
	require.Equal(t, "DONE", rep.State)
	require.Empty(t, rep.Stacks)
	require.Equal(t, ups, w.ups())
	require.True(t, s.saw("gpg"), "the sampler saw nothing")
	require.False(t, s.saw("pulumi"), "a Pulumi CLI was started")
	after := w.truth()
	require.Equal(t, before.Workers, after.Workers, "a new version of a Worker")
	require.Equal(t, before.Containers, after.Containers)
	require.Equal(t, before.Consumers, after.Consumers)
	for _, r := range changing(w.requests(), "scaleway") {
		require.Fail(t, "a container was redeployed", "%s %s", r.Method, r.Path)
	}
	for _, r := range changing(w.requests(), "cloudflare") {
		require.NotContains(t, r.Path, "/workers/", r.Method)
	}
	require.NotEmpty(t, changing(w.requests(), "cloudflare"))
}
