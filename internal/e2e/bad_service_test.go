package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

// change edits the world's own record, as no command of the sandbox does.
func (w *sandboxed) change(do func(s *world.State)) {
	w.t.Helper()
	opened, err := world.Open(w.dir)
	require.NoError(w.t, err)
	require.NoError(w.t, opened.Update(func(s *world.State) error { do(s); return nil }))
}

// TestWorkerThatCannotBeChanged is found out before anything is issued.
func TestWorkerThatCannotBeChanged(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		do   func(w *sandboxed)
		want refusal
	}{
		"it does not exist (10007)": {func(w *sandboxed) { w.disturb("tamper", "worker-removed", badges) },
			refusal{1, []string{"sightengine", badges, "does not exist", "10007"}, "name in the catalog"}},
		"its newest version is not deployed (10215)": {func(w *sandboxed) { w.disturb("tamper", "worker-undeployed", badges) },
			refusal{1, []string{"sightengine", badges, "newest version does not serve all traffic"}, "wrangler versions deploy"}},
		"the token may not (10000)": {func(w *sandboxed) {
			w.disturb("tamper", "permission-removed", w.value("cloudflare", "api-token").ID, "Workers Scripts Write")
		}, refusal{1, []string{"sightengine", badges, "permission", "10000"}, "go run . doctor"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			c.do(w)
			w.refused(c.want, "", "rotate", "--secret", "sightengine", "--yes")
		})
	}
}

// TestServiceDownAtPlanTime: what cannot be asked is no reason to decide
// anything, and the exit code says so.
func TestServiceDownAtPlanTime(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		secret string
		fault  []string
		says   []string
	}{
		"Stripe, 429":       {"stripe", []string{"status", "stripe", "*", "*", "429", "-1"}, []string{"stripe", "too many requests"}},
		"Stripe, 500":       {"stripe", []string{"status", "stripe", "*", "*", "500", "-1"}, []string{"stripe", "outage", "HTTP 500"}},
		"Stripe, cut off":   {"stripe", []string{"drop", "stripe", "*", "*", "-1"}, []string{"stripe", "the connection was lost"}},
		"Stripe, silent":    {"stripe", []string{"delay", "stripe", "*", "*", "600000", "-1"}, []string{"stripe", "no answer within"}},
		"Cloudflare, 429":   {"sightengine", []string{"status", "cloudflare", "*", "*", "429", "-1"}, []string{"cloudflare", badges, "too many requests"}},
		"Cloudflare, 503":   {"sightengine", []string{"status", "cloudflare", "*", "*", "503", "-1"}, []string{"cloudflare", badges, "outage"}},
		"Sightengine, 500":  {"sightengine", []string{"status", "sightengine", "*", "*", "500", "-1"}, []string{"sightengine", "outage"}},
		"Clerk, a 502 page": {"clerk", []string{"status", "clerk", "*", "*", "502", "-1"}, []string{"clerk", "outage"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.disturb("fault", c.fault...)
			w.refused(refusal{4, c.says, "go run . rotate --sandbox=" + w.dir + " --secret " + c.secret}, "", "rotate", "--secret", c.secret, "--yes")
			w.disturb("fault", "clear")
			w.must("rotate", "--secret", c.secret, "--preview")
		})
	}
}

// forge adds a live credential like the service's own one of that entry, but
// changed.
func (w *sandboxed) forge(service, entry, value string, change func(c *world.Credential)) {
	w.change(func(s *world.State) {
		for _, c := range s.Credentials {
			if c.Service == service && c.Entry == entry {
				other := *c
				other.ID, other.Value, other.Entry, other.Group = "forged", value, "secret-key", ""
				change(&other)
				s.Credentials = append([]*world.Credential{&other}, s.Credentials...)
				return
			}
		}
	})
}

// TestNewValueThatIsNotFit: the service's own answer ends the rotation before
// any consumer has the value, and takes it out of pass again.
func TestNewValueThatIsNotFit(t *testing.T) {
	t.Parallel()
	value := "sk_live_" + strings.Repeat("Zz9", 20)
	for name, c := range map[string]struct {
		secret, like string
		change       func(c *world.Credential)
		says         string
	}{
		"refused":           {"stripe", "", nil, "stripe refuses it"},
		"another mode":      {"stripe", "secret-key", func(c *world.Credential) { c.Mode = "test" }, "it is a test key"},
		"dead on arrival":   {"stripe", "secret-key", func(c *world.Credential) { c.RefusedFrom = &c.IssuedAt }, "stripe refuses it"},
		"fewer permissions": {"stripe", "secret-key", func(c *world.Credential) { c.Permissions = []string{"none"} }, "it may not say which account"},
		"another account":   {"clerk", "test-secret-key", func(*world.Credential) {}, "the present one"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if c.change != nil {
				w.forge(c.secret, c.like, value, c.change)
			}
			before := w.stands()
			r := w.feed(value+"\n", "rotate", "--secret", c.secret, "--entry", "secret-key", "--value-stdin", "--yes")
			refusal{1, []string{c.secret, "no consumer has it", c.says}, "go run . rotate --sandbox=" + w.dir + " --secret " + c.secret}.shows(t, r)
			require.Contains(t, r.stdout, "ABANDONED")
			require.NotContains(t, r.stdout+r.stderr, value)
			w.abandoned(before, c.secret)
			require.Equal(t, before.Truth, w.truth())
			require.Equal(t, w.value(c.secret, "secret-key").Value, w.pass("verifieddit/"+c.secret+"/secret-key"))
			w.must("rotate", "--secret", c.secret, "--yes")
		})
	}
}

// TestEditedValueThatIsNotFit: the operator ran `pass edit`; the value stays
// theirs to mend, and the stacks keep the old one.
func TestEditedValueThatIsNotFit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.insert(stripeKey, "sk_live_"+strings.Repeat("Zz9", 20))
	w.shell("pass git push -q")
	before := w.stands()
	refusal{1, []string{"stripe refuses it", "no consumer has it"}, "pass edit " + stripeKey}.shows(t, w.run("rotate", "--secret", "stripe", "--yes"))
	w.abandoned(before, "stripe")
}

// TestConsumerIsDown: one that cannot be asked could not prove a new value
// either, so nothing is issued. A consumer of a name that the world does not
// have is at an address where nobody listens.
func TestConsumerIsDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	raw, err := os.ReadFile("../../secrets/catalog.yaml")
	require.NoError(t, err)
	head, stripe, found := strings.Cut(string(raw), "- name: stripe\n")
	require.True(t, found)
	file := filepath.Join(w.root, "catalog.yaml")
	stripe = strings.Replace(stripe, "- name: stripe-backend\n        kind: config", "- name: payments\n        kind: config", 1)
	require.NoError(t, os.WriteFile(file, []byte(head+"- name: stripe\n"+stripe), 0o600))
	want := refusal{4, []string{"stripe", "consumer payments", "what it runs with is not known"}, "go run . verify --sandbox=" + w.dir + " --catalog=" + file}
	w.refused(want, "", "rotate", "--secret", "stripe", "--yes", "--catalog", file)
}

// TestConsumerKeepsTheOldValue: the old one is not retired, both stay in pass,
// and once the consumer takes it the same command ends well.
func TestConsumerKeepsTheOldValue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.pass(stripeKey)
	w.disturb("tamper", "container-error", "stripe-backend", "the image does not start")
	r := w.run("rotate", "--secret", "stripe", "--yes")
	refusal{1, []string{"stripe", "not proven to run with the new value", "stripe-backend (differs)", "the old value was not retired"}, "go run . verify"}.shows(t, r)
	require.Equal(t, old, w.pass(stripeKey), "it was promoted without proof")
	require.NotEqual(t, old, w.pass("rotation/pending/"+stripeKey))
	require.True(t, w.lives(old))
	w.disturb("tamper", "container-mended", "stripe-backend")
	w.must("rotate", "--secret", "stripe", "--yes")
	require.False(t, w.lives(old))
	require.NoDirExists(t, filepath.Join(w.dir, "store", "rotation", "pending"))
}

// lives reports whether a value is still accepted anywhere.
func (w *sandboxed) lives(value string) bool {
	for _, c := range w.truth().Credentials {
		if c.Value == value {
			return c.Alive
		}
	}
	return false
}

// TestServiceDownWhileDeploying: what was begun is kept, the old value lives,
// and the same command goes on.
func TestServiceDownWhileDeploying(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		secret string
		fault  []string
		want   refusal
	}{
		"Scaleway, 500":   {"stripe", []string{"status", "scaleway", "PATCH", "*", "500", "-1"}, refusal{1, []string{"stack stripe-backend", "500"}, "go run . verify"}},
		"Cloudflare, 500": {"clerk", []string{"status", "cloudflare", "PATCH", "*", "500", "-1"}, refusal{4, []string{"stack " + badges, "whether the secrets were written is not known"}, "go run . verify"}},
		"Cloudflare, 429": {"clerk", []string{"status", "cloudflare", "PATCH", "*", "429", "-1"}, refusal{4, []string{"stack " + badges, "too many requests"}, "go run . rotate"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			entry := "secret-key"
			old := w.value(c.secret, entry).Value
			w.disturb("fault", c.fault...)
			c.want.shows(t, w.run("rotate", "--secret", c.secret, "--yes"))
			require.True(t, w.lives(old))
			require.Equal(t, old, w.pass("verifieddit/"+c.secret+"/"+entry))
			w.disturb("fault", "clear")
			w.must("rotate", "--secret", c.secret, "--yes")
			require.False(t, w.lives(old))
		})
	}
}
