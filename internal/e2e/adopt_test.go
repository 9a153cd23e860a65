//go:build slow

package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
)

// writes are the requests that changed something at Cloudflare or Scaleway.
func (w *sandboxed) writes() (out []string) {
	w.t.Helper()
	for _, r := range w.requests() {
		if (r.Service == "cloudflare" || r.Service == "scaleway") && r.Method != "GET" && r.Method != "HEAD" {
			out = append(out, r.Method+" "+r.Path)
		}
	}
	return out
}

// adopted decodes the reports of one adoption, by secret.
func adopted(t *testing.T, r result) map[string]report {
	t.Helper()
	text := r.stdout
	if !strings.HasPrefix(strings.TrimSpace(text), "[") {
		text = "[" + text + "]"
	}
	out := map[string]report{}
	for _, one := range decodeAll(t, text) {
		out[one.Secret] = one
	}
	return out
}

// A world that was rolled out by hand is taken over: no consumer is written to,
// everything is proven and written down, and the next rotation stands on it.
func TestLongAdoptTakesOverWithoutAWrite(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before, written, age := w.truth(), len(w.writes()), w.status(0)["clerk"].Since

	w.must("adopt", "--preview", "--yes")
	require.Empty(t, w.events("clerk"), "a preview writes nothing down")

	reports := adopted(t, w.must("adopt", "--yes", "--json"))
	require.Len(t, w.writes(), written, "Cloudflare and Scaleway were only read")
	require.Equal(t, before.Workers, w.truth().Workers, "the Worker has the version that it had")
	require.Equal(t, before.Consumers, w.truth().Consumers)
	require.Equal(t, before.Credentials, w.truth().Credentials, "nothing is issued or retired")
	require.Len(t, reports, 6)
	for name, r := range reports {
		require.Equal(t, "ADOPTED", r.State, name)
		for _, c := range r.Consumers {
			require.Equal(t, "match", c.Answer, name)
		}
	}
	require.Equal(t, map[string]string{badges: "updated"}, reports["clerk"].results())
	require.Equal(t, map[string]string{badges: "exact match", payments: "exact match"}, reports["clerk"].answers())
	w.holdsConfig(w.pass(clerkKey))

	row := w.status(0)["clerk"]
	require.Equal(t, []string{"ADOPTED", "pass", age}, []string{*row.State, row.DatedBy, row.Since}, "the age goes on by pass's history")
	require.Contains(t, w.must("status").stdout, "adopted on")
	require.Regexp(t, `clerk +ADOPTED.*proofs: 2 exact.*taken over as it is`, w.must("history").stdout)
	require.NotRegexp(t, `"op": *"(create|update|replace|delete)`, w.must("preview", "--secret", "clerk", "--json").stdout)

	events := len(w.events("clerk"))
	require.Contains(t, w.must("adopt").stderr, "clerk: nothing to do")
	require.Len(t, w.events("clerk"), events, "a second time there is nothing to write down")

	old := w.pass(clerkKey)
	w.must("rotate", "--secret", "clerk", "--yes")
	fresh := w.swapped("clerk", clerkKey, old)
	require.Equal(t, fresh, w.truth().Consumers[badges].RunsWith["CLERK_SECRET_KEY"])
	require.Equal(t, "journal", w.status(0)["clerk"].DatedBy)
	require.Contains(t, w.must("adopt", "--secret", "clerk").stderr, "clerk: nothing to do")
}

// holdsConfig requires the declared stack's config to have its secrets, and not
// in the clear.
func (w *sandboxed) holdsConfig(value string) {
	w.t.Helper()
	raw, err := os.ReadFile(filepath.Join(w.dir, "projects", "secret-rotation", "Pulumi."+badges+".yaml"))
	require.NoError(w.t, err)
	require.Equal(w.t, 3, strings.Count(string(raw), "secure:"), string(raw))
	require.NotContains(w.t, string(raw), value)
}

// Where another value stands, it is named, nothing is changed and nothing is
// written down; --roll brings pass's value there, and retires nothing.
func TestLongAdoptNamesAndMendsWhatDiffers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.pass(clerkKey)
	w.insert(clerkKey, w.roll("clerk")["secret-key"])
	now, before, written := w.pass(clerkKey), w.truth(), len(w.writes())

	r := w.run("adopt", "--secret", "clerk", "--secret", "sightengine", "--secret", "scaleway", "--yes", "--json")
	require.Equal(t, 1, r.code, r.stderr)
	reports := adopted(t, r)
	require.Equal(t, "differs", reports["clerk"].Consumers[0].Answer)
	require.Contains(t, reports["clerk"].Error, badges+" does not run with the value in pass: it proved that it runs with the value that pass held before")
	require.Contains(t, r.stderr, "rotate --sandbox="+w.dir+" --secret clerk --pending")
	require.Contains(t, r.stderr, "adopt --sandbox="+w.dir+" --secret clerk --roll")
	require.Empty(t, w.events("clerk"))
	require.Contains(t, reports["sightengine"].Error, "stack "+badges+" is one with secret clerk", "the state must not say of the Worker what is wrong")
	require.Empty(t, w.events("sightengine"))
	require.Equal(t, "ADOPTED", reports["scaleway"].State, "each secret stands for itself")
	require.Equal(t, before.Consumers, w.truth().Consumers)
	require.Len(t, w.writes(), written)

	done := adopted(t, w.must("adopt", "--roll", "--secret", "clerk", "--secret", "sightengine", "--yes", "--json"))
	require.Equal(t, map[string]string{badges: "exact match", payments: "exact match"}, done["clerk"].answers())
	require.Equal(t, "ADOPTED", done["sightengine"].State)
	for _, consumer := range []string{badges, payments} {
		require.Equal(t, now, w.truth().Consumers[consumer].RunsWith["CLERK_SECRET_KEY"])
	}
	require.Len(t, w.truth().Workers[badges].Versions, len(before.Workers[badges].Versions)+1, "one version")
	require.True(t, credential(t, w.truth(), old).Alive, "nothing is retired")
	// What is left of a rotation by hand is the end of the value before.
	w.must("rotate", "--secret", "clerk", "--pending", "--yes")
	require.False(t, credential(t, w.truth(), old).Alive)
	require.Equal(t, now, w.pass(clerkKey))
	require.Contains(t, w.must("rotate", "--secret", "clerk", "--pending", "--yes").stderr, "nothing is pending")

	// What nobody can tell is named as not proven, and is no good end.
	w.disturb("tamper", "worker-secret", badges, "SIGHTENGINE_API_SECRET", "somebodyelsesvalue00")
	r = w.run("adopt", "--secret", "sightengine", "--yes")
	require.Equal(t, 4, r.code, r.stderr)
	require.Contains(t, w.must("status").stdout, "not proven then: "+badges+" (unknown)")
	w.must("adopt", "--secret", "sightengine", "--roll", "--yes")
	require.Equal(t, w.pass("sightengine/api-secret"), w.truth().Consumers[badges].RunsWith["SIGHTENGINE_API_SECRET"])
	require.NotContains(t, w.must("status").stdout, "not proven then")
}

// A rotation of one secret of a Worker does not write the others, whose value in
// pass may never have been rolled out; that one is still rolled out later.
func TestLongARotationDoesNotWriteItsNeighbours(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	had := w.truth().Consumers[badges].RunsWith
	for entry, value := range w.roll("sightengine") {
		w.insert("sightengine/"+entry, value)
	}
	r := w.must("rotate", "--secret", "clerk", "--yes")
	require.Contains(t, r.stderr, "taken over, value not proven: SIGHTENGINE_API_SECRET, SIGHTENGINE_API_USER")
	for _, name := range []string{"SIGHTENGINE_API_SECRET", "SIGHTENGINE_API_USER"} {
		require.Equal(t, had[name], w.truth().Consumers[badges].RunsWith[name])
	}
	w.must("rotate", "--secret", "sightengine", "--pending", "--yes")
	require.Equal(t, w.pass("sightengine/api-secret"), w.truth().Consumers[badges].RunsWith["SIGHTENGINE_API_SECRET"])
}

// A name that the Worker does not list is said, and created only with --roll;
// an unfinished rotation comes first.
func TestLongAdoptRefusesWhatIsNotThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.disturb("tamper", "worker-no-secret", badges, "CLERK_SECRET_KEY")
	r := w.run("adopt", "--secret", "clerk", "--yes")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stderr, "Worker "+badges+" does not list CLERK_SECRET_KEY")
	require.NotContains(t, w.truth().Consumers[badges].RunsWith, "CLERK_SECRET_KEY")
	w.must("adopt", "--secret", "clerk", "--roll", "--yes")
	require.Equal(t, w.pass(clerkKey), w.truth().Consumers[badges].RunsWith["CLERK_SECRET_KEY"])

	require.Equal(t, 6, w.run("rotate", "--secret", "stripe", "--grace", "1h", "--yes").code)
	seen := len(w.events("stripe"))
	r = w.run("adopt", "--secret", "stripe", "--yes")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stderr, "is not finished (GRACE)")
	require.Len(t, w.events("stripe"), seen)
}

// Killed in the middle of its up, the same command goes on. The moments between
// its own steps, and a rotation after them, are those of `make test-kill`.
func TestLongAdoptGoesOnAfterAKill(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.killWhen(cut{"the declared stack is being updated", func(w *sandboxed) bool {
		return w.matches("state/.pulumi/locks/organization/secret-rotation/" + badges + "/*.json")
	}}, "adopt", "--secret", "clerk", "--yes")
	stopped := w.must("status").stdout
	require.Contains(t, stopped, "stopped at ADOPTING")
	require.Contains(t, stopped, "next: go run . adopt --sandbox="+w.dir+" --secret clerk")
	w.patiently("adopt", "--secret", "clerk", "--yes")
	events := w.events("clerk")
	end := events[len(events)-1]
	require.Equal(t, journal.Adopted, end.State)
	require.Equal(t, events[0].Rotation, end.Rotation, "the same adoption went on")
	require.Equal(t, w.pass(clerkKey), w.truth().Consumers[badges].RunsWith["CLERK_SECRET_KEY"])
	require.Empty(t, w.writes())
}

// patiently runs a command that has to succeed, behind an update that a killed
// run may have left going on.
func (w *sandboxed) patiently(args ...string) {
	w.t.Helper()
	r := w.run(args...)
	for limit := time.Now().Add(patience); r.code == 5 && time.Now().Before(limit); {
		r = w.run(args...)
	}
	require.Zero(w.t, r.code, tail(r.stderr, 20))
}

// The proposal finds every copy that the projects hold, says why, holds no
// value, is accepted by the loader, and can be worked with.
func TestLongTheProposedCatalogCanBeWorkedWith(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.insert("verifieddit/mail/password", "an-unknown-password-0")
	w.passCommand("", "git", "push", "--quiet")
	file := filepath.Join(w.root, "c.yaml")
	written := len(w.requests())
	r := w.must("catalog", "init", "--output", file)
	require.Len(t, w.requests(), written, "no service is asked")
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	shown := w.must("catalog", "init").stdout
	require.Equal(t, string(raw), shown, "the same findings give the same proposal")
	for name, value := range w.secretValues() {
		require.NotContains(t, shown+r.stdout+r.stderr, value, name)
	}
	require.NotContains(t, shown, "an-unknown-password-0")
	require.Contains(t, shown, "#   verifieddit/mail/password: no known service's credential has its form and path")

	var list struct {
		Secrets []struct {
			Name      string
			Consumers []struct{ Name, Kind, Stack string }
		}
	}
	require.NoError(t, json.Unmarshal([]byte(w.bare("", "catalog", "list", "--json", "--catalog", file).stdout), &list))
	copies := map[string][]string{}
	for _, s := range list.Secrets {
		for _, c := range s.Consumers {
			copies[s.Name] = append(copies[s.Name], c.Kind+" "+c.Stack)
		}
	}
	require.Equal(t, map[string][]string{
		"cloudflare": {"pass "}, "clerk": {"config stripe-backend"}, "stripe": {"config stripe-backend"},
		"scaleway": {"config infra", "config stripe-backend"},
	}, copies)

	require.Equal(t, 2, w.run("catalog", "init", "--output", file).code, "nothing is replaced without --yes")
	byName := w.must("catalog", "init", "--names-only").stdout
	require.Contains(t, byName, "By names only")
	require.Equal(t, strings.Count(shown, "kind: config"), strings.Count(byName, "kind: config"))

	w.must("status", "--catalog", file)
	w.must("adopt", "--catalog", file, "--yes")
	w.must("rotate", "--secret", "stripe", "--catalog", file, "--yes")
	require.Equal(t, w.pass(stripeKey), w.truth().Consumers[payments].RunsWith["STRIPE_SECRET_KEY"])
}
